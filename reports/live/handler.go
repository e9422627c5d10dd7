// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"blackout/reports"
)

// The two paths that there are.
const (
	pagePath   = "/"
	eventsPath = "/events"
)

// policy is the page's own, which it has in itself, too, and what only a header can say.
var policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " + reports.LivePolicy +
	"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers are those of every answer.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// ServeHTTP answers requests for the page and its events, and no others.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	switch {
	case !slices.Contains(s.hosts, r.Host):
		http.Error(w, "this server has another name", http.StatusMisdirectedRequest)
	case r.URL.Path != pagePath && r.URL.Path != eventsPath:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	case r.URL.Path == eventsPath:
		s.serveEvents(w, r)
	default:
		s.servePage(w, r)
	}
}

// servePage answers with the newest page there is, and asks for a newer one.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	now, _ := s.now()
	s.want()
	if now.page == nil {
		http.Error(w, now.Note, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(now.page); err != nil {
		return // the reader has gone
	}
}

// serveEvents tells a reader of the state, and of every other one that takes its place,
// until the reader leaves or the server ends.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		http.Error(w, "only for this server's own page", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	leave := s.join()
	defer leave()
	s.want()
	for {
		now, changed := s.now()
		if err := send(w, now); err != nil {
			return // the reader has gone
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

// send writes one event.
func send(w http.ResponseWriter, now state) error {
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	out := http.NewResponseController(w)
	if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "id: %d\nevent: state\ndata: %s\n\n", now.Version, text); err != nil {
		return err
	}
	return out.Flush()
}
