// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"

	"blackout/internal/gateway/balancer"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/plugin"
	"blackout/internal/gateway/router"
)

// Configuration is everything that one config_table says of traffic: routes,
// plugins, upstreams, certificates. It is immutable.
type Configuration struct {
	router   *router.Router
	chains   map[string]plugin.Chain // by route; routes without plugins are missing
	services map[*router.Service]*service
	balancer *balancer.Set
	names    certificates
	links    map[link]bool // what its services need connections by
}

// service is a service as the proxy uses it.
type service struct {
	*router.Service
	scheme     string // http or https
	address    string // "host:port"
	hostHeader string // what the service gets as Host if nothing else is said
	upstream   *balancer.Upstream
	link       link
	transport  *transport
}

// Build makes a configuration. It refuses what this data plane would serve
// wrongly, such as a plugin that it cannot run.
func (p *Proxy) Build(table *entity.Table) (*Configuration, error) {
	routes, err := router.FromTable(table)
	if err != nil {
		return nil, err
	}
	plugins, err := plugin.NewSet(table, plugin.Options{Counters: p.counters, Enabled: p.options.Plugins})
	if err != nil {
		return nil, err
	}
	c := &Configuration{chains: map[string]plugin.Chain{}, services: map[*router.Service]*service{}, links: map[link]bool{}}
	if c.router, err = router.New(routes); err != nil {
		return nil, err
	}
	balancing := balancer.Options{Resolve: p.options.Resolve, Refresh: p.options.Refresh, Seed: p.options.Seed, Log: p.options.Log}
	var previous *balancer.Set
	if current := p.current.Load(); current != nil {
		previous = current.balancer
	}
	if c.balancer, err = balancer.New(table, previous, balancing); err != nil {
		return nil, err
	}
	if c.names, err = newCertificates(table); err != nil {
		return nil, err
	}
	authorities, elsewhere := authoritiesOf(table), servicesElsewhere(table)
	for i := range routes {
		route := &routes[i]
		id := ""
		if route.Service != nil {
			id = route.Service.ID
			if c.services[route.Service] == nil {
				made, err := p.newService(c, route.Service, elsewhere[id], authorities)
				if err != nil {
					return nil, fmt.Errorf("service %s: %w", id, err)
				}
				c.services[route.Service] = made
			}
		}
		if chain := plugins.Chain(route.ID, id); chain != nil {
			c.chains[route.ID] = chain
		}
	}
	return c, nil
}

// servicesElsewhere are the workspaces of the services that are not in the default
// one.
func servicesElsewhere(table *entity.Table) map[string]string {
	found, workspaces := map[string]string{}, table.Workspaces()
	for _, row := range table.Services {
		if workspace := workspaces(row); workspace != "" {
			found[row.ID()] = workspace
		}
	}
	return found
}

func (p *Proxy) newService(c *Configuration, of *router.Service, workspace string, authorities map[string]string) (*service, error) {
	s := &service{Service: of, scheme: "http", upstream: c.balancer.In(workspace, of.Host)}
	standard := 80
	if of.Protocol == "https" || of.Protocol == "grpcs" {
		s.scheme, standard = "https", 443
	}
	host := strings.Trim(of.Host, "[]")
	s.address = net.JoinHostPort(host, strconv.Itoa(of.Port))
	s.hostHeader = hostHeader(host, of.Port, standard)
	s.link = link{
		connect: of.ConnectTimeout, write: of.WriteTimeout, read: of.ReadTimeout,
		tls: s.scheme == "https", http2: strings.HasPrefix(of.Protocol, "grpc"),
	}
	var certificate *tls.Certificate
	if s.link.tls {
		s.link.verify = of.TLSVerify != nil && *of.TLSVerify
		s.link.depth = of.TLSVerifyDepth
		for _, id := range of.CACertificates {
			if authorities[id] == "" {
				return nil, fmt.Errorf("ca_certificates: '%s' is not there", id)
			}
			s.link.authorities += authorities[id] + "\n"
		}
		id := of.ClientCertificate
		if id == "" && s.upstream != nil {
			id = s.upstream.ClientCertificate
		}
		if id != "" {
			if certificate = c.names.byID[id]; certificate == nil {
				return nil, fmt.Errorf("client_certificate: '%s' is not there", id)
			}
			s.link.certificate = string(certificate.Certificate[0])
		}
	}
	c.links[s.link] = true
	var err error
	s.transport, err = p.transports.get(s.link, certificate)
	return s, err
}

// hostHeader leaves out the scheme's standard port.
func hostHeader(host string, port, standard int) string {
	if port != standard {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
