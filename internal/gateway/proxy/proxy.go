// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package proxy carries a data plane's traffic: it finds the route of a request
// and passes the request on to the route's service. Its central types are
// [Router], which is built from a configuration and never changes, and
// [Proxy], which serves with the router it was given last.
//
//	router, err := proxy.NewRouter(table)
//	p := proxy.New(proxy.Options{Version: "3.9.1"})
//	p.Use(router)                 // takes effect with the next request
//	http.Serve(listener, p)
//
// Answers and headers are those of Kong 3.9. Routes match by path prefix,
// exact host and method.
package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/entity"
)

// Options set up a [Proxy]. Version must be set.
type Options struct {
	Version string       // in Via and Server
	Log     *slog.Logger // slog.Default()
}

// Proxy is the handler of the proxy listeners. Without a router it answers 404
// to everything, as a data plane without a configuration does.
type Proxy struct {
	options  Options
	router   atomic.Pointer[Router]
	upstream *upstream
	reverse  *httputil.ReverseProxy
}

var _ http.Handler = (*Proxy)(nil)

// New makes a proxy without a router.
func New(options Options) *Proxy {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	p := &Proxy{options: options, upstream: newUpstream()}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p.upstream,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.upstreamFailed,
		BufferPool:     &bufferPool{},
		FlushInterval:  100 * time.Millisecond,
		ErrorLog:       slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug),
	}
	return p
}

// Use makes router the one that serves from now on.
func (p *Proxy) Use(router *Router) { p.router.Store(router) }

// Close releases idle connections to upstreams.
func (p *Proxy) Close() { p.upstream.close() }

// exchange is one request on its way through the proxy.
type exchange struct {
	match Match
	id    string    // X-Kong-Request-Id
	start time.Time // of the request
	sent  time.Time // to the upstream
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{id: newRequestID(), start: time.Now()}
	router := p.router.Load()
	found := false
	if router != nil {
		x.match, found = router.Match(r.Method, r.Host, r.URL.EscapedPath())
	}
	switch {
	case !found:
		p.answer(w, x, http.StatusNotFound, "no Route matched with those values")
	case !x.match.Route.plainHTTP:
		p.redirect(w, r, x)
	case x.match.Route.Service == nil:
		p.answer(w, x, http.StatusServiceUnavailable, "no Service found with those values")
	default:
		p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	}
}

// newRequestID draws 32 hexadecimal characters. They are an identifier among
// logs, not a secret and not part of any decision.
func newRequestID() string {
	var bytes [16]byte
	_, _ = rand.Read(bytes[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(bytes[:])
}

// rewrite turns the client's request into the one that the upstream gets.
func (p *Proxy) rewrite(request *httputil.ProxyRequest) {
	x := exchangeOf(request.In.Context())
	service, in, out := x.match.Route.Service, request.In, request.Out
	out.URL.Scheme, out.URL.Host = service.protocol, service.address
	setPath(out.URL, entity.EscapePath(upstreamPath(service.path, x.match)))
	// The query goes out as it came, also where it cannot be parsed.
	out.URL.RawQuery, out.URL.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery
	out.Host = service.hostHeader
	if x.match.Route.preserveHost {
		out.Host = in.Host
	}
	out.Header["X-Forwarded-For"] = in.Header["X-Forwarded-For"]
	request.SetXForwarded()
	p.forwardHeaders(in, out, x)
	x.sent = time.Now()
}

// setPath sets a path that is escaped already.
func setPath(address *url.URL, escaped string) {
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		plain = escaped // has no escapes that could be meant
	}
	address.Path, address.RawPath = plain, escaped
}

func (p *Proxy) forwardHeaders(in, out *http.Request, x *exchange) {
	host, _, err := net.SplitHostPort(in.Host)
	if err != nil {
		host = in.Host
	}
	client, _, _ := strings.Cut(in.RemoteAddr, "%")
	if ip, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		client = ip
	}
	header := out.Header
	header.Set("X-Forwarded-Host", host)
	header.Set("X-Forwarded-Path", in.URL.EscapedPath())
	header.Set("X-Forwarded-Port", localPort(in))
	header.Set("X-Real-IP", client)
	header.Set("X-Kong-Request-Id", x.id)
	header.Del("X-Forwarded-Prefix")
	if x.match.Route.stripPath && len(x.match.Prefix) > 1 {
		header.Set("X-Forwarded-Prefix", x.match.Prefix)
	}
	header.Add("Via", p.via())
}

func (p *Proxy) via() string { return "1.1 kong/" + p.options.Version }

// localPort is the port on which the request came in.
func localPort(r *http.Request) string {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return "80"
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "80"
	}
	return port
}

// modifyResponse adds the gateway's headers to an upstream's response.
func (p *Proxy) modifyResponse(response *http.Response) error {
	x := exchangeOf(response.Request.Context())
	header := response.Header
	header.Set("X-Kong-Upstream-Latency", milliseconds(time.Since(x.sent)))
	header.Set("X-Kong-Proxy-Latency", milliseconds(x.sent.Sub(x.start)))
	header.Set("X-Kong-Request-Id", x.id)
	header.Add("Via", p.via())
	if header.Get("Server") == "" {
		header.Set("Server", "kong/"+p.options.Version)
	}
	return nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// bufferPool lends the buffers through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *bufferPool) Put(buffer []byte) { b.pool.Put(&buffer) }

// upstreamPath joins the service's path and what is left of the request's
// (Kong 3.9, path_handling v0).
func upstreamPath(base string, match Match) string {
	if base == "" {
		base = "/"
	}
	if !match.Route.stripPath {
		return joinWhole(base, match.Path)
	}
	rest := strings.TrimPrefix(match.Path, match.Prefix)
	trimmed := strings.TrimSuffix(base, "/")
	closed := strings.HasSuffix(match.Path, "/")
	switch {
	case strings.HasPrefix(rest, "/"):
		return trimmed + rest
	case rest != "":
		return trimmed + "/" + rest
	case base == "/" || closed && trimmed != base:
		return base
	case closed && match.Path != "/":
		return base + "/"
	}
	return trimmed
}

// joinWhole joins the service's path and the whole of the request's.
func joinWhole(base, path string) string {
	if path == "/" {
		return base
	}
	return strings.TrimSuffix(base, "/") + path
}

// serviceOf is what the proxy needs of a service's record.
func serviceOf(record entity.Record) *Service {
	service := &Service{
		ID: record.ID(), Name: record.Name(),
		protocol: record.Text("protocol"), path: record.Text("path"), retries: record.Integer("retries"),
	}
	host, port := record.Text("host"), strconv.Itoa(record.Integer("port"))
	service.address = net.JoinHostPort(strings.Trim(host, "[]"), port)
	service.hostHeader = service.address
	if service.protocol == "http" && port == "80" || service.protocol == "https" && port == "443" {
		service.hostHeader = host
	}
	service.link = link{
		connect:   time.Duration(record.Integer("connect_timeout")) * time.Millisecond,
		read:      time.Duration(record.Integer("read_timeout")) * time.Millisecond,
		tlsVerify: record.Flag("tls_verify"),
	}
	return service
}
