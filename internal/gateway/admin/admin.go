// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package admin serves the control plane's Admin API: the part of Kong 3.9's
// that configures services and routes and shows the data planes. Its central
// type is [Handler].
//
//	handler := admin.New(admin.Options{Store: db, Version: "3.9.1", NodeID: id, Hostname: host})
//	http.Serve(listener, handler)
//
// Differences from Kong, on purpose: a JSON body that is no object is refused
// with 400 where Kong fails with 500, and so is a forged offset.
package admin

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// Options set up a [Handler]. Store and Version must be set.
type Options struct {
	Store    *store.Store
	Version  string // in the Server header and at /
	NodeID   string
	Hostname string

	// Configuration is what / shows as "configuration"; no secret may be in it.
	Configuration map[string]any

	Log *slog.Logger // slog.Default()
}

// Handler is the Admin API.
type Handler struct{ options Options }

var _ http.Handler = (*Handler)(nil)

// New makes the Admin API of a control plane.
func New(options Options) *Handler {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Handler{options: options}
}

// endpoint is what answers at a path: one function for each method.
type endpoint map[string]func(c *call)

// call is one request on its way through the API.
type call struct {
	handler  *Handler
	request  *http.Request
	response http.ResponseWriter
	start    time.Time
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{handler: h, request: r, response: w, start: time.Now()}
	origin := r.Header.Get("Origin")
	if origin == "" {
		origin = "*"
	}
	header := w.Header()
	header.Set("Server", "kong/"+h.options.Version)
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")

	found := h.route(r)
	if found == nil {
		c.message(http.StatusNotFound, "Not found")
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if method == http.MethodOptions {
		header.Set("Allow", found.allow())
		c.latency()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer := found[method]
	if answer == nil {
		c.message(http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	answer(c)
}

func (e endpoint) allow() string {
	var methods []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodPut} {
		if e[method] == nil {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// route finds the endpoint of a path, or nil.
func (h *Handler) route(r *http.Request) endpoint {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if segments[0] == "" {
		return endpoint{http.MethodGet: (*call).root}
	}
	switch strings.Join(segments, "/") {
	case "status":
		return endpoint{http.MethodGet: (*call).status}
	case "clustering/data-planes":
		return endpoint{http.MethodGet: (*call).dataPlanes}
	case "clustering/status":
		return endpoint{http.MethodGet: (*call).clusterStatus}
	}
	schema := entity.Lookup(segments[0])
	if !store.Holds(schema) {
		return nil
	}
	resource := resource{schema: schema}
	switch len(segments) {
	case 1:
		return resource.collection()
	case 2:
		return resource.member(store.ParseKey(segments[1]))
	default:
		return resource.nested(store.ParseKey(segments[1]), segments[2:])
	}
}

// latency sets the header that tells how long the answer took.
func (c *call) latency() {
	c.response.Header().Set("X-Kong-Admin-Latency", strconv.FormatInt(time.Since(c.start).Milliseconds(), 10))
}
