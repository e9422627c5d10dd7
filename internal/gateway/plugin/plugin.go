// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package plugin runs the plugins of a data plane as Kong 3.9 does: key-auth,
// ip-restriction, rate-limiting (policy local), request-transformer,
// response-transformer and request-termination.
//
// Its central types are [Set], every plugin of one configuration, which never
// changes, and [Exchange], one request on its way through them:
//
//	set, err := plugin.NewSet(table, plugin.Options{Counters: counters})
//	chain := set.Chain(route, service)
//	if answer := chain.Access(exchange); answer != nil {
//		// a plugin answers in the service's place
//	}
//	err = exchange.Respond(response) // header and body phases
//
// A plugin of a name is run at most once for a request: the instance with the
// most specific scope among route, service and consumer. Plugins run in the
// order of their priorities, so that a plugin after the authentication sees the
// consumer, and its instance may be chosen by it.
package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// Plugin takes part in requests before they go to the service.
type Plugin interface {
	// Access looks at a request, may change what the service gets, and may
	// answer in the service's place.
	Access(x *Exchange) *Answer
}

// Responder is a plugin that takes part in responses, too, also in those that
// the gateway gives itself.
type Responder interface {
	Respond(x *Exchange, response *Response) error
}

// Answer is a response of the gateway's own.
type Answer struct {
	Status int

	// Message goes out as an error in the form that the client accepts, unless
	// there is a ContentType: then Body goes out as it is.
	Message     string
	ContentType string
	Body        []byte

	Header http.Header // further headers, with their names as they go out
}

// Response is a service's response, or the gateway's, before it goes out.
type Response struct {
	Status int
	Header http.Header
	Body   io.ReadCloser // nil: the response has none
	Length int64         // of the body, in bytes; -1 unknown
}

// Consumer is one who was authenticated.
type Consumer struct{ ID, Username, CustomID string }

// Exchange is one request as plugins see it.
type Exchange struct {
	Request        *http.Request // as the client sent it; never changed
	Client         netip.Addr
	Scheme         string // http or https
	Path           string // of the request line, without the query
	Route, Service string // ids; Service may be empty
	Now            time.Time

	// Capture returns what a group of the route's regex path matched, by name
	// or number; nil if the path is none.
	Capture func(group string) (string, bool)

	Consumer   *Consumer
	Credential string // the id of the credential that was found

	// Upstream is what the service gets where it differs from the request.
	Upstream Upstream

	// Added are headers for the response, whoever gives it.
	Added []Added

	header     http.Header
	edited     bool
	responders []Responder
}

// Added is a header that a plugin gives to the response.
type Added struct{ Name, Value string }

// Upstream is a request to a service, as far as plugins change it.
type Upstream struct {
	Method string
	Host   string // empty: as the route and the service say
	Path   string // unescaped; empty: as the route and the service say
	Query  string // raw
	Body   []byte // replaces the request's body if it was read
	read   bool
}

// Begin makes the exchange ready for a request. The value may be used again.
func (x *Exchange) Begin(r *http.Request) {
	*x = Exchange{Request: r, header: r.Header, Added: x.Added[:0], responders: x.responders[:0]}
	x.Upstream.Method, x.Upstream.Query = r.Method, r.URL.RawQuery
}

// Header returns the headers that the service gets, to be read.
func (x *Exchange) Header() http.Header { return x.header }

// Edit returns the headers that the service gets, to be changed.
func (x *Exchange) Edit() http.Header {
	if !x.edited {
		x.header, x.edited = x.header.Clone(), true
	}
	return x.header
}

// BodyRead reports whether a plugin has read the body: Upstream.Body holds it.
func (x *Exchange) BodyRead() bool { return x.Upstream.read }

// bodyLimit bounds the bodies that plugins read, in bytes.
const bodyLimit = 8 << 20

var errTooLarge = errors.New("the body is larger than 8 MiB, which is the most a plugin reads")

// body reads the request's body whole, once.
func (x *Exchange) body() ([]byte, error) {
	if x.Upstream.read || x.Request.Body == nil || x.Request.Body == http.NoBody {
		return x.Upstream.Body, nil
	}
	text, err := readBody(x.Request.Body)
	if err != nil {
		return nil, err
	}
	x.Upstream.Body, x.Upstream.read = text, true
	return text, nil
}

func readBody(from io.Reader) ([]byte, error) {
	var text bytes.Buffer
	n, err := io.Copy(&text, io.LimitReader(from, bodyLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if n > bodyLimit {
		return nil, errTooLarge
	}
	return text.Bytes(), nil
}

// Respond runs the response phase of the plugins that ran in the access phase.
func (x *Exchange) Respond(response *Response) error {
	for _, added := range x.Added {
		setHeader(response.Header, added.Name, added.Value)
	}
	for _, responder := range x.responders {
		if err := responder.Respond(x, response); err != nil {
			return err
		}
	}
	return nil
}

// kind is one plugin that can be run. The priorities are Kong 3.9's: the
// greatest runs first.
type kind struct {
	name     string
	priority int
	make     func(config entity.Record, build *builder) (Plugin, error)
}

var kinds = []kind{
	{"key-auth", 1250, newKeyAuth},
	{"ip-restriction", 990, newIPRestriction},
	{"rate-limiting", 910, newRateLimiting},
	{"request-transformer", 801, newRequestTransformer},
	{"response-transformer", 800, newResponseTransformer},
	{"request-termination", 2, newRequestTermination},
}

// Names lists the plugins that can be run.
func Names() []string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func kindIndex(name string) int {
	return slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
}

// headerKey returns the key under which a header stands. Names that plugins
// gave are kept as they were written, those from the network are canonical.
func headerKey(header http.Header, name string) string {
	canonical := http.CanonicalHeaderKey(name)
	if _, ok := header[canonical]; ok {
		return canonical
	}
	for key := range header {
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return key
		}
	}
	return ""
}

func getHeader(header http.Header, name string) (string, bool) {
	values := header[headerKey(header, name)]
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func setHeader(header http.Header, name, value string) {
	delHeader(header, name)
	header[name] = []string{value}
}

func delHeader(header http.Header, name string) {
	if key := headerKey(header, name); key != "" {
		delete(header, key)
	}
}
