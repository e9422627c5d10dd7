// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package proxy carries a data plane's traffic: it finds the route of a request,
// runs the route's plugins and passes the request on to the route's service.
// Its central types are [Configuration], which holds everything that one
// config_table says of traffic and never changes, and [Proxy], which serves with
// the configuration it was given last. A request sees one configuration from
// start to end.
//
//	p := proxy.New(proxy.Options{Version: "3.9.1"})
//	configuration, err := p.Build(table)
//	p.Use(configuration)                 // takes effect with the next request
//	http.Serve(p.Listener(listener), p)
//
// Answers and headers are those of Kong 3.9. [Proxy.Listener] makes plain HTTP/1
// connections speak as Kong's nginx does where net/http has its own words:
// reason phrases, and answers to requests that cannot be read.
package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/balancer"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/plugin"
)

// Options set up a [Proxy]. Version must be set.
type Options struct {
	Version string       // in Via and Server
	Log     *slog.Logger // slog.Default()

	// Settings are the node's. Headers that are nil say that they were not read
	// from a configuration: zero values are Kong's defaults then.
	Settings conf.Proxy

	// Trust is what upstreams with tls_verify are checked against if their
	// service names no authorities of its own.
	Trust conf.Trust

	// Plugins are those that may run; nil: all that there are here.
	Plugins []string

	// Resolve looks up the names of services and targets; the host's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Refresh and Seed are the balancer's, see [balancer.Options].
	Refresh time.Duration
	Seed    uint64
}

// Proxy is the handler of the proxy listeners. Without a configuration it
// answers 404 to everything, as a data plane without one does.
type Proxy struct {
	options    Options
	headers    headerSet
	server     string // kong/<version>
	via        string // 1.1 kong/<version>
	current    atomic.Pointer[Configuration]
	transports *transports
	counters   *plugin.Counters
	ids        idSource
	exchanges  sync.Pool
	patience   time.Duration // with clients that send a body

	mu   sync.Mutex // guards what Use and Close do
	work context.Context
	stop context.CancelFunc
}

var _ http.Handler = (*Proxy)(nil)

// headerSet is which headers are sent (Kong 3.9 "headers", "headers_upstream").
type headerSet struct {
	server, via, upstreamLatency, proxyLatency, responseLatency, upstreamStatus, requestID bool
	requestIDUpstream                                                                      bool
}

func newHeaderSet(settings conf.Proxy) headerSet {
	names, upstream := settings.Headers, settings.HeadersUpstream
	if names == nil {
		names = []string{"server", "via", "x-kong-upstream-latency", "x-kong-proxy-latency", "x-kong-response-latency", "x-kong-request-id"}
	}
	if upstream == nil {
		upstream = []string{"x-kong-request-id"}
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	return headerSet{
		server: has("server"), via: has("via"), upstreamLatency: has("x-kong-upstream-latency"),
		proxyLatency: has("x-kong-proxy-latency"), responseLatency: has("x-kong-response-latency"),
		upstreamStatus: has("x-kong-upstream-status"), requestID: has("x-kong-request-id"),
		requestIDUpstream: slices.Contains(upstream, "x-kong-request-id"),
	}
}

// withDefaults fills in Kong 3.9's defaults if the settings are nobody's.
func withDefaults(settings conf.Proxy) conf.Proxy {
	if settings.Headers != nil {
		return settings
	}
	settings.KeepalivePoolSize = cmp.Or(settings.KeepalivePoolSize, 512)
	settings.KeepaliveMaxRequests = cmp.Or(settings.KeepaliveMaxRequests, 10_000)
	settings.KeepaliveIdleTimeout = cmp.Or(settings.KeepaliveIdleTimeout, time.Minute)
	settings.RealIPHeader = cmp.Or(settings.RealIPHeader, "X-Real-IP")
	return settings
}

// New makes a proxy without a configuration. It must be closed.
func New(options Options) *Proxy {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	options.Settings = withDefaults(options.Settings)
	p := &Proxy{
		options: options, headers: newHeaderSet(options.Settings), server: "kong/" + options.Version, via: "1.1 kong/" + options.Version,
		transports: newTransports(options), counters: plugin.NewCounters(), ids: newIDSource(), patience: bodyPatience,
	}
	p.work, p.stop = context.WithCancel(context.Background())
	p.exchanges.New = func() any { return newExchange(p) }
	return p
}

// Use makes a configuration the one that serves from now on. Health checks of
// the last one end, and connections that only it needed are closed when idle.
func (p *Proxy) Use(configuration *Configuration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	configuration.balancer.Start(p.work)
	old := p.current.Swap(configuration)
	if old != nil {
		old.balancer.Close()
	}
	p.transports.keep(configuration.links)
}

// Close ends health checks and releases idle connections to upstreams.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
	if current := p.current.Load(); current != nil {
		current.balancer.Close()
	}
	p.transports.keep(nil)
}

// Upstream returns an upstream of the configuration in force by its id, nil if
// there is none: its health can be asked for and set.
func (p *Proxy) Upstream(id string) *balancer.Upstream {
	current := p.current.Load()
	if current == nil {
		return nil
	}
	return current.balancer.ByID(id)
}

// trusts reports whether a peer's X-Forwarded-* headers are believed.
func (p *Proxy) trusts(address netip.Addr) bool {
	for _, prefix := range p.options.Settings.TrustedIPs {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
