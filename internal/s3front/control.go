// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxControl is the largest body that Control takes, in bytes: an object in
// base64 with room to spare.
const maxControl = 512 << 20

// Control is the handler of the front's own resources. It belongs on a listener
// that the store's clients do not know.
func (f *Front) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /events", f.record.serveEvents)
	mux.HandleFunc("PUT /rules/{id}", done(f.putRule))
	mux.HandleFunc("GET /rules/{id}", f.serveUsage)
	mux.HandleFunc("DELETE /rules/{id}", done(func(r *http.Request) error {
		f.rules.remove(r.PathValue("id")) // one that is not there is as it should be
		return nil
	}))
	mux.HandleFunc("PUT /tls/{name}", done(f.openEndpoint))
	mux.HandleFunc("PUT /tls/{name}/certificate", done(f.showCertificate))
	mux.HandleFunc("DELETE /tls/{name}/certificate", done(func(r *http.Request) error {
		return f.endpoints.show(r.PathValue("name"), nil)
	}))
	return mux
}

// done makes a handler of something that answers 204, or 400 with the error.
func done(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxControl)
		if err := do(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (f *Front) putRule(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read rule: %w", err)
	}
	rule, err := ParseRule(body)
	if err != nil {
		return err
	}
	f.rules.put(r.PathValue("id"), rule)
	return nil
}

func (f *Front) serveUsage(w http.ResponseWriter, r *http.Request) {
	usage, ok := f.rules.usage(r.PathValue("id"))
	if !ok {
		http.Error(w, "no such rule is in force", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The reader may be gone; it will ask again.
	_ = json.NewEncoder(w).Encode(usage)
}

func (f *Front) openEndpoint(r *http.Request) error {
	var e Endpoint
	if err := decode(r.Body, &e); err != nil {
		return err
	}
	return f.endpoints.open(r.Context(), r.PathValue("name"), e)
}

func (f *Front) showCertificate(r *http.Request) error {
	var c Certificate
	if err := decode(r.Body, &c); err != nil {
		return err
	}
	return f.endpoints.show(r.PathValue("name"), &c)
}

func decode(body io.Reader, into any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("not JSON of what belongs here: %w", err)
	}
	return nil
}
