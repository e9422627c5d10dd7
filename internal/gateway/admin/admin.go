// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package admin serves the control plane's Admin API (Kong 3.9): it configures
// every kind of entity and shows the data planes. Its central type is
// [Handler].
//
//	handler := admin.New(admin.Options{Store: db, Version: "3.9.1", NodeID: id, Hostname: host})
//	http.Serve(listener, handler)
//
// The endpoints follow from package entity's table of schemas: a collection, its
// members, and for every reference the way down (/services/{s}/routes) and up
// (/routes/{r}/service). What no table can say is in files of its own: the
// names of a certificate, targets and their health, schemas, tags.
//
// Differences from Kong, on purpose: what makes Kong fail with 500 (a JSON body
// that is no object, a name that is no string, a forged offset) is refused with
// 400.
package admin

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"blackout/internal/gateway/store"
)

// Options set up a [Handler]. Store and Version must be set.
type Options struct {
	Store    *store.Store
	Version  string // in the Server header and at /
	NodeID   string
	Hostname string
	Log      *slog.Logger // slog.Default()

	// Plugins are the names of those that may be configured (Kong 3.9 plugins);
	// nil stands for all that are known.
	Plugins []string
	// Configuration is what / shows of the node's parameters, without secrets.
	Configuration map[string]any
	// MaxBody is the largest body taken, in bytes (Kong 3.9
	// nginx_admin_client_max_body_size: 10 MiB).
	MaxBody int64
	// BodyTimeout is how long a client may take over a body; 60 s (nginx
	// client_body_timeout, which bounds the pauses only).
	BodyTimeout time.Duration
}

// Handler is the Admin API.
type Handler struct {
	options Options

	requests atomic.Int64 // since the start
	active   atomic.Int64 // being answered now
}

var _ http.Handler = (*Handler)(nil)

// New makes the Admin API of a control plane.
func New(options Options) *Handler {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.MaxBody <= 0 {
		options.MaxBody = maxBody
	}
	if options.BodyTimeout <= 0 {
		options.BodyTimeout = bodyTimeout
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

	// newName is the name that a certificate is made for by PUT /certificates/{name}.
	newName string
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	h.active.Add(1)
	defer h.active.Add(-1)
	c := &call{handler: h, request: r, response: w, start: time.Now()}
	defer c.rescue()
	// Where the connection has no deadlines there is no client to wait for.
	_ = http.NewResponseController(w).SetReadDeadline(c.start.Add(h.options.BodyTimeout))
	origin := r.Header.Get("Origin")
	if origin == "" {
		origin = "*"
	}
	header := w.Header()
	header.Set("Server", "kong/"+h.options.Version)
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")

	if query, err := url.QueryUnescape(r.URL.RawQuery); err == nil && !utf8.ValidString(query) {
		c.message(http.StatusBadRequest, "the query is not UTF-8")
		return
	}
	found := route(segments(r.URL))
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
		header.Set("Access-Control-Allow-Methods", found.allow())
		header.Set("Access-Control-Allow-Headers", "Content-Type")
		c.noContent()
		return
	}
	answer := found[method]
	if answer == nil {
		c.message(http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	answer(c)
}

// rescue answers 500 where the API has a fault, as Kong does. net/http would
// cut the connection, and what it says of it is not logged.
func (c *call) rescue() {
	if fault := recover(); fault != nil {
		c.fail(fmt.Errorf("a fault of the gateway, please report it: %v, at %s", fault, debug.Stack()))
	}
}

func (e endpoint) allow() string {
	methods := append(slices.Collect(maps.Keys(e)), http.MethodOptions)
	if e[http.MethodGet] != nil {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// latency sets the header that tells how long the answer took.
func (c *call) latency() {
	c.response.Header().Set("X-Kong-Admin-Latency", strconv.FormatInt(time.Since(c.start).Milliseconds(), 10))
}

func (c *call) store() *store.Store { return c.handler.options.Store }
