// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// largestScript bounds a script as it is sent, in bytes.
const largestScript = 64 << 20

// opened is the answer to a script that was opened.
type opened struct {
	Address string `json:"address"`
}

// Handler is the control API, JSON over HTTP:
//
//	PUT    /scripts/<name>             opens a Script; 409 if the name is in use
//	GET    /scripts/<name>?after=<n>   its Record, from connection n+1 on
//	DELETE /scripts/<name>             closes it and returns its Record; 404 if there is none
//	GET    /scripts                    the names of the open ones
//	GET    /health                     200
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /scripts/{name}", s.serveOpen)
	mux.HandleFunc("GET /scripts/{name}", s.serveRecord)
	mux.HandleFunc("DELETE /scripts/{name}", s.serveClose)
	mux.HandleFunc("GET /scripts", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.names()) })
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func (s *Server) serveOpen(w http.ResponseWriter, r *http.Request) {
	script, err := decodeScript(http.MaxBytesReader(w, r.Body, largestScript))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	address, err := s.Open(r.Context(), r.PathValue("name"), script)
	switch {
	case errors.Is(err, ErrOpen):
		http.Error(w, err.Error(), http.StatusConflict)
	case errors.Is(err, ErrScript):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		answer(w, opened{address})
	}
}

func (s *Server) serveRecord(w http.ResponseWriter, r *http.Request) {
	after := 0
	if text := r.FormValue("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			http.Error(w, "give after=<number of the last connection known>: "+err.Error(), http.StatusBadRequest)
			return
		}
		after = int(n)
	}
	seen, ok := s.Record(r.PathValue("name"), after)
	answerIf(w, ok, seen)
}

func (s *Server) serveClose(w http.ResponseWriter, r *http.Request) {
	seen, ok := s.Close(r.PathValue("name"))
	answerIf(w, ok, seen)
}

func answerIf(w http.ResponseWriter, ok bool, body any) {
	if !ok {
		http.Error(w, "no script has this name", http.StatusNotFound)
		return
	}
	answer(w, body)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	// The reader may be gone; it will ask again.
	_ = json.NewEncoder(w).Encode(body)
}
