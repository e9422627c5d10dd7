// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/conf"
)

// reporter is what the Status API asks of a node.
type reporter interface {
	// ready returns why the node is not ready, or "".
	ready(ctx context.Context) string

	// describe adds what the role has to tell to /status.
	describe(ctx context.Context, status map[string]any)

	// upstream returns the upstream of that id or name with its targets; false if
	// there is none, or none is kept here.
	upstream(idOrName string) (upstreamView, bool)
}

// statusAPI serves the Status API (Kong 3.9).
type statusAPI struct {
	version string
	id      string // of the node
	node    reporter
	traffic *counters    // nil on a node without proxy listeners
	metrics http.Handler // of /metrics

	draining atomic.Bool // until the end of the process
}

// reportingNode is a node of either role.
type reportingNode interface {
	reporter
	measured
}

// statusService is the Status API at its listeners.
func (n *Node) statusService(node reportingNode, traffic *counters) (service, error) {
	config := n.options.Config
	shown, err := newCertificates(config.StatusTLS)
	if err != nil {
		return service{}, fmt.Errorf("status_ssl_cert: %w", err)
	}
	own := process{id: n.id, version: config.Version, traffic: traffic}
	metrics, err := metricsHandler(newCollector(config.Role == conf.ControlPlane, own, node))
	if err != nil {
		return service{}, err
	}
	api := &statusAPI{version: config.Version, id: n.id, node: node, traffic: traffic, metrics: metrics}
	return service{name: "status", addresses: config.StatusListen, handler: api, tls: shown.config()}, nil
}

// metricsPath is where a node tells its figures.
const metricsPath = "/metrics"

// withMetrics answers for metricsPath in place of an API, as if it were the Status
// API.
func withMetrics(api, status http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == metricsPath {
			status.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// statusCall is one request to the Status API and its answer.
type statusCall struct {
	*statusAPI
	response http.ResponseWriter
	request  *http.Request
	began    time.Time
}

// endpoint is what a path of the Status API can do.
type endpoint struct {
	methods []string // sorted
	serve   func(c *statusCall)
}

// Methods of endpoints, as OPTIONS tells them.
var (
	reading  = []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	draining = append(slices.Clone(reading), http.MethodPost)
)

// endpoint returns what a path can do; false if there is no such path.
func (s *statusAPI) endpoint(path string) (endpoint, bool) {
	switch strings.TrimSuffix(path, "/") {
	case "/status":
		return endpoint{reading, (*statusCall).status}, true
	case "/status/ready":
		return endpoint{draining, (*statusCall).ready}, true
	case "/status/dns":
		return endpoint{reading, (*statusCall).dns}, true
	case metricsPath:
		return endpoint{reading, (*statusCall).measure}, true
	}
	if view := upstreamEndpoint(path); view != nil {
		return endpoint{reading, view}, true
	}
	return endpoint{}, false
}

// ServeHTTP answers one request.
func (s *statusAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Server", "kong/"+s.version)
	header.Set("Access-Control-Allow-Origin", "*")
	call := &statusCall{statusAPI: s, response: w, request: r, began: time.Now()}
	found, exists := s.endpoint(r.URL.Path)
	switch {
	case !exists:
		call.message(http.StatusNotFound, "Not found")
	case !slices.Contains(found.methods, r.Method):
		call.message(http.StatusMethodNotAllowed, "Method not allowed")
	case r.Method == http.MethodOptions:
		allowed := strings.Join(found.methods, ", ")
		header.Set("Allow", allowed)
		header.Set("Access-Control-Allow-Methods", allowed)
		call.head(http.StatusNoContent)
	default:
		found.serve(call)
	}
}

// status is GET /status.
func (c *statusCall) status() {
	query := c.request.URL.Query()
	format, err := newSizeFormat(query.Get("unit"), query.Get("scale"))
	if err != nil {
		c.message(http.StatusBadRequest, err.Error())
		return
	}
	status := map[string]any{"server": c.traffic.describe(), "memory": describeMemory(format)}
	c.node.describe(c.request.Context(), status)
	c.answer(http.StatusOK, status)
}

// ready is GET /status/ready, or a request to drain.
func (c *statusCall) ready() {
	if c.request.Method == http.MethodPost {
		c.drain()
		return
	}
	reason := c.node.ready(c.request.Context())
	if c.draining.Load() {
		reason = "draining"
	}
	if reason != "" {
		c.message(http.StatusServiceUnavailable, reason)
		return
	}
	c.message(http.StatusOK, "ready")
}

// drain is POST /status/ready with status=draining, which is what `kong drain`
// sends: from now on the node is not ready, and goes on serving (Kong 3.9).
func (c *statusCall) drain() {
	if c.parameter("status") != "draining" {
		c.badRequest()
		return
	}
	c.draining.Store(true)
	c.head(http.StatusNoContent)
}

// maxStatusBody bounds the body of a request to the Status API, in bytes.
const maxStatusBody = 64 << 10

// parameter reads a parameter from the query or the body, which may be a form or
// JSON. What cannot be read has none.
func (c *statusCall) parameter(name string) string {
	body, err := io.ReadAll(http.MaxBytesReader(c.response, c.request.Body, maxStatusBody))
	if err != nil {
		return ""
	}
	kind, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var object map[string]any
		if json.Unmarshal(body, &object) == nil {
			if text, ok := object[name].(string); ok {
				return text
			}
		}
	case "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has(name) {
			return form.Get(name)
		}
	}
	return c.request.URL.Query().Get(name)
}

// dns is GET /status/dns. Kong 3.9's older DNS client, which is its default, has
// no figures, and neither has this node.
func (c *statusCall) dns() {
	c.message(http.StatusNotImplemented, "not implemented with the legacy DNS client")
}

// measure is GET /metrics.
func (c *statusCall) measure() { c.metrics.ServeHTTP(c.response, c.request) }

// message answers with a sentence.
func (c *statusCall) message(status int, text string) {
	c.answer(status, map[string]any{"message": text})
}

// answer answers with JSON.
func (c *statusCall) answer(status int, body map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(c.response, err.Error(), http.StatusInternalServerError)
		return
	}
	c.send(status, "application/json; charset=utf-8", text)
}

// badRequest answers as nginx does, in HTML.
func (c *statusCall) badRequest() {
	const page = "<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n" +
		"<center><h1>400 Bad Request</h1></center>\r\n</body>\r\n</html>\r\n"
	c.send(http.StatusBadRequest, "text/html; charset=UTF-8", []byte(page))
}

func (c *statusCall) send(status int, kind string, body []byte) {
	c.response.Header().Set("Content-Type", kind)
	c.response.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.head(status)
	_, _ = c.response.Write(body) // a client that has gone does not need it
}

// head sends the status and the headers.
func (c *statusCall) head(status int) {
	c.response.Header().Set("X-Kong-Admin-Latency", strconv.FormatInt(time.Since(c.began).Milliseconds(), 10))
	c.response.WriteHeader(status)
}
