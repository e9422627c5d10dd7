// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package s3front is a reverse proxy in front of an object store that gives
// every request an author, and that can be told to answer some of them as a
// store does that is ill. Its central type is [Front].
//
//	front := s3front.New("127.0.0.1:9000", log)
//	http.Serve(s3, front)
//	http.Serve(events, front.Control())
//
// It records the access key that a request is signed with, what was asked, the
// answer's status, how much of it reached the client, and which rule changed it.
// Requests pass unchanged, Host header included, so that signatures hold, and so
// do answers that no rule is about. Signatures and tokens are neither recorded
// nor logged.
//
// A [Rule] names an account and an effect. A request with [ProbeHeader] meets
// the rules of the account that the header names instead of those of its own; its
// author stays who signed it. So the harness sees what a node would meet without
// being taken for the node. The header goes no further.
//
// Control has these resources; [Client] uses them.
//
//	GET    /events?after=<n>&wait=<duration>   a [Page]: requests that ended, numbered in the order of their end
//	GET    /health                             200
//	PUT    /rules/<id>                         a [Rule] in force from now on
//	GET    /rules/<id>                         its [Usage]
//	DELETE /rules/<id>                         it is no longer in force, also if it never was
//	PUT    /tls/<name>                         an [Endpoint] is opened: the store over TLS
//	PUT    /tls/<name>/certificate             its next handshakes show another [Certificate]
//	DELETE /tls/<name>/certificate             they show the first one again
package s3front

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// ProbeHeader names the account whose rules a request meets instead of its own.
// It must not be signed, for it is taken away.
const ProbeHeader = "X-Blackout-Probe"

// Front passes requests to the store, or does what a rule says, and records them.
type Front struct {
	proxy     *httputil.ReverseProxy
	record    *record
	rules     rules
	endpoints endpoints
}

// New makes a front of the store at upstream, "host:port". Close ends what it
// opens.
func New(upstream string, log *slog.Logger) *Front {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true // would ask for gzip in the client's name
	transport.DisableKeepAlives = true  // on a kept connection Go repeats a GET by itself
	f := &Front{record: newRecord(), proxy: &httputil.ReverseProxy{
		Transport:      transport,
		FlushInterval:  -1, // hand on what comes when it comes
		Rewrite:        func(r *httputil.ProxyRequest) { pass(r, upstream) },
		ModifyResponse: alter,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Warn("store not reached", "method", r.Method, "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}}
	f.endpoints.handler, f.endpoints.log = f, log
	return f
}

// Close ends the TLS endpoints and waits for them.
func (f *Front) Close() error { return f.endpoints.close() }

// forwarded are the headers that ReverseProxy takes away before Rewrite.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// pass sends the request to the store as the client sent it: a signature may
// cover any header, and covers Host (which Rewrite keeps unless told otherwise)
// and the query always.
func pass(r *httputil.ProxyRequest, upstream string) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", upstream
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	for _, name := range forwarded {
		if values, there := r.In.Header[name]; there {
			r.Out.Header[name] = values
		}
	}
}

// exchange is a request that a rule is about, and whether it changed the answer.
type exchange struct {
	rule    *placed
	altered bool
}

type exchangeKey struct{}

// alter lets a request's rule change the store's answer to it.
func alter(res *http.Response) error {
	x, ok := res.Request.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil
	}
	var err error
	x.altered, err = x.rule.alter(res)
	return err
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	author := accessKey(r)
	subject := author
	probe := r.Header.Get(ProbeHeader)
	if probe != "" {
		subject = probe
		r.Header.Del(ProbeHeader)
	}
	pending := f.record.begin(Event{AccessKey: author, Probe: probe, Method: r.Method, Path: r.URL.Path})
	watched := &watchedWriter{ResponseWriter: w}
	x := exchange{rule: f.rules.meet(subject, r, probe != "")}
	finished := false
	// A handler panics to break off an answer that is not to be completed; the
	// event must not be lost with it.
	defer func() {
		pending.Status, pending.Bytes = watched.status, watched.bytes
		// A client that has all it was announced may be gone before the handler is.
		pending.Complete = !watched.failed && (watched.whole() || finished && r.Context().Err() == nil)
		if x.altered {
			pending.Rule = x.rule.id
		}
		f.record.end(pending)
	}()
	f.answer(watched, r, &x)
	finished = true
}

// answer answers by the request's rule, if it has one, or by the store.
func (f *Front) answer(w http.ResponseWriter, r *http.Request, x *exchange) {
	if x.rule == nil {
		f.proxy.ServeHTTP(w, r)
		return
	}
	x.altered = true // before the call, which may panic
	if x.rule.instead(w, r) {
		return
	}
	x.altered = false
	f.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
}

// accessKey is who signed a request: the first part of the credential in the
// Authorization header or, presigned, in the query; empty if nobody did. The
// claim is as good as the store's answer: a 403 may be anybody's.
func accessKey(r *http.Request) string {
	if _, rest, found := strings.Cut(r.Header.Get("Authorization"), "Credential="); found {
		key, _, _ := strings.Cut(rest, "/")
		return key
	}
	// Only this parameter is looked at; others may be malformed.
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		value, found := strings.CutPrefix(pair, "X-Amz-Credential=")
		if !found {
			continue
		}
		if credential, err := url.QueryUnescape(value); err == nil {
			key, _, _ := strings.Cut(credential, "/")
			return key
		}
	}
	return ""
}

// watchedWriter sees what is written to the client. Bytes count once the
// kernel has taken them.
type watchedWriter struct {
	http.ResponseWriter
	status    int
	announced string // length of the body; empty if none was
	bytes     int64
	failed    bool
}

// whole says whether every byte was written that was announced.
func (w *watchedWriter) whole() bool {
	return w.announced != "" && w.announced == strconv.FormatInt(w.bytes, 10)
}

// WriteHeader implements http.ResponseWriter. Informational answers pass
// unrecorded: another follows.
func (w *watchedWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status, w.announced = status, w.Header().Get("Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watchedWriter) Write(data []byte) (int, error) {
	n, err := w.ResponseWriter.Write(data)
	w.bytes += int64(n)
	w.failed = w.failed || err != nil
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below, to flush it.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
