// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// front passes requests to the store and records them.
type front struct {
	proxy  *httputil.ReverseProxy
	record *record
}

func newFront(upstream string, record *record, log *slog.Logger) *front {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true // would ask for gzip in the client's name
	transport.DisableKeepAlives = true  // on a kept connection Go repeats a GET by itself
	return &front{record: record, proxy: &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // hand on what comes when it comes
		Rewrite:       func(r *httputil.ProxyRequest) { pass(r, upstream) },
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Warn("store not reached", "method", r.Method, "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}}
}

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

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pending := f.record.begin(event{AccessKey: accessKey(r), Method: r.Method, Path: r.URL.Path})
	watched := &watchedWriter{ResponseWriter: w}
	finished := false
	// ReverseProxy panics to break off an answer that it cannot complete; the
	// event must not be lost with it.
	defer func() {
		pending.Status, pending.Bytes = watched.status, watched.bytes
		pending.Complete = finished && !watched.failed && r.Context().Err() == nil
		f.record.end(pending)
	}()
	f.proxy.ServeHTTP(watched, r)
	finished = true
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
	status int
	bytes  int64
	failed bool
}

// WriteHeader implements http.ResponseWriter. Informational answers pass
// unrecorded: another follows.
func (w *watchedWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = status
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
