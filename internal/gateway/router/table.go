// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/parallel"
)

// FromTable reads the routes of a validated configuration, with their services.
// Left out are routes whose service is disabled and routes of streams (tcp, tls,
// tls_passthrough, udp), which Kong's HTTP router does not look at either.
func FromTable(table *entity.Table) ([]Route, error) {
	services := make(map[string]*Service, len(table.Services))
	disabled := map[string]bool{}
	for _, record := range table.Services {
		if enabled, given := record["enabled"].(bool); given && !enabled {
			disabled[record.ID()] = true
			continue
		}
		services[record.ID()] = serviceOf(record)
	}
	routes := make([]Route, len(table.Routes))
	taken := 0
	for _, part := range parallel.Rows(len(routes), func(from, to int) some {
		return readRoutes(table.Routes[from:to], routes[from:from:to], services, disabled)
	}) {
		if part.err != nil {
			return nil, part.err
		}
		taken += copy(routes[taken:], part.routes)
	}
	return routes[:taken], nil
}

// some are a part of the routes, or what is wrong with the first bad one of them.
type some struct {
	routes []Route
	err    error
}

// readRoutes appends the routes of the records to those given.
func readRoutes(records []entity.Record, routes []Route, services map[string]*Service, disabled map[string]bool) some {
	for _, record := range records {
		id := record.Reference("service")
		if disabled[id] || isStream(record) {
			continue
		}
		route, err := routeOf(record)
		if err != nil {
			return some{err: fmt.Errorf("route %s: %w", record.ID(), err)}
		}
		if id != "" && services[id] == nil {
			return some{err: fmt.Errorf("route %s: service %s is not in the configuration", record.ID(), id)}
		}
		route.Service = services[id]
		routes = append(routes, route)
	}
	return some{routes: routes}
}

func isStream(record entity.Record) bool {
	protocols := record.Texts("protocols")
	return len(protocols) > 0 && !strings.HasPrefix(protocols[0], "http") && !strings.HasPrefix(protocols[0], "grpc")
}

func routeOf(record entity.Record) (Route, error) {
	route := Route{
		ID: record.ID(), Name: record.Name(), Protocols: record.Texts("protocols"),
		Methods: record.Texts("methods"), Hosts: record.Texts("hosts"), Paths: record.Texts("paths"), SNIs: record.Texts("snis"),
		RegexPriority: record.Integer("regex_priority"), StripPath: record.Flag("strip_path"), PreserveHost: record.Flag("preserve_host"),
		PathHandling: record.Text("path_handling"), RedirectStatus: record.Integer("https_redirect_status_code"),
		RequestBuffering: record.Flag("request_buffering"), ResponseBuffering: record.Flag("response_buffering"),
	}
	if headers := record.Sub("headers"); len(headers) > 0 {
		route.Headers = make(map[string][]string, len(headers))
		for name := range headers {
			route.Headers[name] = headers.Texts(name)
		}
	}
	var err error
	if route.Sources, err = peersOf(record, "sources"); err != nil {
		return Route{}, err
	}
	route.Destinations, err = peersOf(record, "destinations")
	return route, err
}

// peersOf reads {"ip": "10.0.0.0/8", "port": 80} elements, of which either
// member may be missing.
func peersOf(record entity.Record, field string) ([]Peer, error) {
	records := record.Subs(field)
	peers := make([]Peer, 0, len(records))
	for _, element := range records {
		peer := Peer{Port: element.Integer("port")}
		if text := element.Text("ip"); text != "" {
			prefix, err := entity.ParsePrefix(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", field, err)
			}
			peer.Prefix = prefix
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

func serviceOf(record entity.Record) *Service {
	service := &Service{
		ID: record.ID(), Name: record.Name(), Protocol: record.Text("protocol"),
		Host: record.Text("host"), Port: record.Integer("port"), Path: record.Text("path"), Retries: record.Integer("retries"),
		ConnectTimeout: milliseconds(record, "connect_timeout"),
		WriteTimeout:   milliseconds(record, "write_timeout"),
		ReadTimeout:    milliseconds(record, "read_timeout"),
		TLSVerifyDepth: record.Integer("tls_verify_depth"), CACertificates: record.Texts("ca_certificates"),
		ClientCertificate: record.Reference("client_certificate"),
	}
	if verify, given := record["tls_verify"].(bool); given {
		service.TLSVerify = &verify
	}
	return service
}

func milliseconds(record entity.Record, field string) time.Duration {
	return time.Duration(record.Integer(field)) * time.Millisecond
}
