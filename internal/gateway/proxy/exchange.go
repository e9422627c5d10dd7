// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"blackout/internal/gateway/balancer"
	"blackout/internal/gateway/plugin"
	"blackout/internal/gateway/router"
)

// exchange is one request on its way through the proxy. Exchanges are used
// again.
type exchange struct {
	proxy *Proxy
	question
	plugins plugin.Exchange
	choice  balancer.Choice
	peer    *balancer.Peer // of the attempt that is going on

	configuration *Configuration
	writer        http.ResponseWriter
	request       *http.Request
	conn          *conn // nil if the listener is not this package's
	match         router.Match
	service       *service
	path          string // of the request line, without the query
	id            string // X-Kong-Request-Id
	start, sent   time.Time
	values        []string // what headers' values are cut from; never used again
	debug         bool
	cookie        string // to be set for consistent hashing

	// The request's body, see bufferBody.
	incoming *incomingBody // nil if there is none
	sending  io.ReadCloser
	replay   []byte
	held     bool
	length   int64
}

// question is what the router and others ask of a request's way in.
type question struct {
	asked       router.Request
	peerText    string     // the address of the TCP peer
	peerAddress netip.Addr // the same
	client      netip.Addr // who the request is from
	port        string     // the listener's
	believed    bool       // the peer's X-Forwarded-* headers count
	forwarded   string     // X-Forwarded-Proto
}

func newExchange(p *Proxy) *exchange {
	x := &exchange{proxy: p}
	x.choice.Value = x.hashValue
	return x
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, _ := p.exchanges.Get().(*exchange)
	// Also after a panic, which is how a response is aborted.
	defer x.end()
	x.begin(w, r)
	x.serve()
}

// begin fills in what is known before the route is.
func (x *exchange) begin(w http.ResponseWriter, r *http.Request) {
	x.writer, x.request = w, r
	x.configuration = x.proxy.current.Load()
	x.start, x.sent = time.Now(), time.Time{}
	x.id = x.proxy.ids.next()
	x.match, x.service, x.peer, x.cookie = router.Match{}, nil, nil, ""
	x.choice.Reset()
	x.values = make([]string, 0, valuesPerRequest)
	x.receiveBody()
	x.path = rawPath(r)
	x.ask(r)
	x.plugins.Begin(r)
	x.debug = x.proxy.options.Settings.AllowDebugHeader && r.Header.Get("Kong-Debug") == "1"
}

// valuesPerRequest is how many header values a request commonly needs.
const valuesPerRequest = 20

// value returns text as a header's values, cut from one piece of memory.
func (x *exchange) value(text string) []string {
	x.values = append(x.values, text)
	n := len(x.values)
	return x.values[n-1 : n : n]
}

// end lets go of everything. The exchange can be used again.
func (x *exchange) end() {
	if x.peer != nil {
		x.peer.End()
	}
	if x.incoming != nil {
		x.incoming.end()
	}
	x.incoming, x.sending, x.replay = nil, nil, nil
	x.writer, x.request, x.configuration, x.service, x.peer, x.conn, x.values = nil, nil, nil, nil, nil, nil, nil
	x.asked = router.Request{}
	x.proxy.exchanges.Put(x)
}

// rawPath is the path as it stands on the request line.
func rawPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return r.URL.EscapedPath()
}

func (x *exchange) serve() {
	if x.refuseRequest() {
		return
	}
	found := false
	if x.configuration != nil {
		x.match, found = x.configuration.router.Match(&x.asked)
	}
	if !found {
		x.answer(http.StatusNotFound, "no Route matched with those values")
		return
	}
	route := x.match.Route
	if route.Service != nil {
		x.service = x.configuration.services[route.Service]
	}
	if x.refuseProtocol() {
		return
	}
	if chain := x.configuration.chains[route.ID]; chain != nil && !x.access(chain) {
		return
	}
	if x.service == nil {
		x.answer(http.StatusServiceUnavailable, "no Service found with those values")
		return
	}
	x.forward()
}

// access runs the plugins and reports whether the request goes on.
func (x *exchange) access(chain plugin.Chain) bool {
	x.plugins.Client, x.plugins.Scheme, x.plugins.Path = x.client, x.forwarded, x.path
	x.plugins.Route, x.plugins.Now = x.match.Route.ID, x.start
	if x.service != nil {
		x.plugins.Service = x.service.ID
	}
	x.plugins.Capture = x.capture
	answer := chain.Access(&x.plugins)
	if answer == nil {
		return true
	}
	for name, values := range answer.Header {
		x.writer.Header()[name] = values
	}
	if answer.ContentType != "" {
		x.respond(answer.Status, withCharset(answer.ContentType), answer.Body)
	} else {
		x.answer(answer.Status, answer.Message)
	}
	return false
}

func (x *exchange) log(event string, level slog.Level, err error) {
	service := ""
	if x.service != nil {
		service = x.service.ID
	}
	x.proxy.options.Log.Log(context.Background(), level, event,
		"route", x.match.Route.ID, "service", service, "request_id", x.id, "error", err)
}

// failed answers for an upstream that gave no response.
func (x *exchange) failed(r *http.Request, err error) {
	if isBodyError(err) {
		x.refuseBody(err)
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		x.log("proxy.aborted", slog.LevelDebug, err)
		// The client has gone, or closed its side and still reads. To return
		// would answer 200; Kong's nginx closes the connection.
		panic(http.ErrAbortHandler)
	}
	status, message, own := explain(err)
	x.log("proxy.failed", slog.LevelWarn, err)
	if own {
		x.answer(status, message)
		return
	}
	x.answerForUpstream(status, message)
}
