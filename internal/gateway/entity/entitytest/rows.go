// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entitytest

import (
	"fmt"
	"net"
	"strconv"

	"blackout/internal/gateway/entity"
)

// service makes a service with its routes and plugins. Some are disabled.
func (m *maker) service() {
	input := entity.Record{"name": m.name(), "tags": m.tags(), "enabled": !m.source.once(5), "path": "/s/" + m.number()}
	kind := m.source(8)
	m.locate(input, kind)
	service := m.add(entity.Services, input)
	for range []int{1, 2, 3, 0}[m.source(4)] {
		m.route(service, kind == streamed)
	}
	if kind != streamed {
		m.plugins(entity.Record{"service": refer(service)})
	}
}

// Kinds of services; the others are at the backend's address.
const (
	balanced = 4 + iota
	secured
	streamed
)

// locate says where a service is.
func (m *maker) locate(service entity.Record, kind int) {
	host, port, err := net.SplitHostPort(m.options.Backend)
	number, _ := strconv.ParseFloat(port, 64)
	if err != nil {
		panic(fmt.Sprintf("the backend is no host:port: %v", err))
	}
	service["host"], service["port"] = host, number
	switch kind {
	case balanced:
		if upstream := m.pick(m.Rows["upstreams"]); upstream != nil {
			service["host"] = upstream.Name()
		}
	case secured:
		service["protocol"], service["tls_verify"], service["tls_verify_depth"] = "https", true, 2.0
		if certificate := m.pick(m.Rows["certificates"]); certificate != nil {
			service["client_certificate"] = refer(certificate)
		}
		if authority := m.pick(m.Rows["ca_certificates"]); authority != nil {
			service["ca_certificates"] = []any{authority.ID()}
		}
	case streamed:
		service["protocol"], service["path"] = "tcp", nil
	}
}

// route makes a route of a service that no request for another one matches.
func (m *maker) route(service entity.Record, stream bool) {
	input := entity.Record{"name": m.name(), "tags": m.tags(), "service": refer(service)}
	if stream {
		input["protocols"], input["destinations"] = []any{"tcp"}, []any{map[string]any{"ip": "10.0.0.0/8", "port": float64(1000 + m.made%60000)}}
		m.add(entity.Routes, input)
		return
	}
	m.match(input)
	route := m.add(entity.Routes, input)
	m.plugins(entity.Record{"route": refer(route)})
}

// match says what a route matches. Its path is its own; the rest narrows it down.
func (m *maker) match(route entity.Record) {
	number := m.number()
	route["paths"], route["strip_path"] = []any{"/r/" + number}, !m.source.once(3)
	switch m.source(9) {
	case 3:
		route["paths"] = []any{"/r/" + number, "~/x/" + number + `/(?<id>\d+)$`}
	case 4:
		route["hosts"] = []any{"h" + number + ".example.com", "*.h" + number + ".example.org"}
	case 5:
		route["methods"] = []any{"PUT", "PATCH"}
	case 6:
		route["headers"] = map[string]any{"x-route": []any{number, m.word()}}
	case 7:
		route["protocols"], route["https_redirect_status_code"] = []any{"https"}, []any{426.0, 301.0, 302.0, 307.0, 308.0}[m.source(5)]
	case 8:
		route["paths"] = []any{"/r/" + number + "/größe", "/r/" + number}
		route["preserve_host"], route["path_handling"], route["regex_priority"] = true, "v1", float64(m.source(3))
	}
}

// consumer makes a consumer with credentials of every kind.
func (m *maker) consumer() {
	input := entity.Record{"username": m.word() + "-" + m.number(), "tags": m.tags()}
	switch m.source(3) {
	case 1:
		input["custom_id"] = "id\n\t\u0001" + m.word() + m.number()
	case 2:
		input["custom_id"] = m.word() + m.number()
		delete(input, "username")
	}
	consumer := m.add(entity.Consumers, input)
	kinds := []func(entity.Record){m.key, m.basic, m.hmac, m.jwt, m.acl, m.oauth2}
	for _, add := range kinds {
		if !m.source.once(2) {
			add(consumer)
		}
	}
	if m.source.once(3) {
		m.plugin("request-termination", entity.Record{"consumer": refer(consumer)}, entity.Record{"status_code": 418.0, "message": "consumer"})
	}
}

func (m *maker) key(consumer entity.Record) {
	record := m.add(entity.KeyAuthCredentials, entity.Record{"consumer": refer(consumer), "key": "key+/=" + m.number(), "tags": m.tags()})
	record["ttl"] = m.expiry()
}

func (m *maker) basic(consumer entity.Record) {
	password := "pass " + m.word() + m.number()
	record := m.add(entity.BasicAuthCredentials, entity.Record{"consumer": refer(consumer), "username": m.word() + m.number(), "password": password})
	entity.HashPassword(record)
	m.Passwords[record.ID()] = password
}

func (m *maker) hmac(consumer entity.Record) {
	m.add(entity.HMACAuthCredentials, entity.Record{"consumer": refer(consumer), "username": m.word() + m.number(), "secret": "s " + m.word()})
}

func (m *maker) jwt(consumer entity.Record) {
	input := entity.Record{"consumer": refer(consumer), "key": m.word() + m.number(), "secret": m.word()}
	if m.source.once(2) {
		input["algorithm"], input["rsa_public_key"] = "ES256", material().public
	}
	m.add(entity.JWTSecrets, input)
}

func (m *maker) acl(consumer entity.Record) {
	m.add(entity.ACLs, entity.Record{"consumer": refer(consumer), "group": m.word() + m.number(), "tags": m.tags()})
}

func (m *maker) oauth2(consumer entity.Record) {
	m.add(entity.OAuth2Credentials, entity.Record{"consumer": refer(consumer), "name": m.word(), "client_id": m.word() + m.number(),
		"client_secret": "c " + m.word(), "redirect_uris": []any{"https://example.com/" + m.number()}})
}

// upstream makes an upstream with the backend among its targets.
func (m *maker) upstream() {
	input := entity.Record{"name": "u" + m.number() + ".internal", "tags": m.tags()}
	switch m.source(4) {
	case 1:
		input["algorithm"] = "least-connections"
	case 2:
		input["hash_on"], input["hash_fallback"] = "ip", "none"
	case 3:
		input["healthchecks"] = map[string]any{"threshold": 0.5, "passive": map[string]any{"unhealthy": map[string]any{"http_failures": 5.0}}}
	}
	upstream := m.add(entity.Upstreams, input)
	m.add(entity.Targets, entity.Record{"upstream": refer(upstream), "target": m.options.Backend, "weight": 100.0})
	if m.source.once(2) {
		m.add(entity.Targets, entity.Record{"upstream": refer(upstream), "target": "127.0.0.1:1", "weight": 0.0, "tags": m.tags()})
	}
}

func (m *maker) certificates() {
	for range m.source(3) {
		certificate := m.add(entity.Certificates, entity.Record{"cert": material().certificate, "key": material().key, "tags": m.tags()})
		for range m.source(3) {
			m.add(entity.SNIs, entity.Record{"name": "n" + m.number() + ".example.com", "certificate": refer(certificate)})
		}
	}
	for _, authority := range material().authorities {
		if !m.source.once(2) && (!m.options.Fresh || authority.cert == authority.taken) {
			record := m.add(entity.CACertificates, entity.Record{"cert": authority.taken, "tags": m.tags()})
			record["cert"], record["cert_digest"] = authority.cert, authority.digest
		}
	}
}

func (m *maker) vaultsAndKeys() {
	if m.source.once(3) {
		m.add(entity.Vaults, entity.Record{"prefix": "v" + m.number(), "name": "env", "description": m.word(), "config": map[string]any{"prefix": "SECRET_"}})
	}
	if !m.source.once(3) {
		return
	}
	set := m.add(entity.KeySets, entity.Record{"name": m.word() + m.number(), "tags": m.tags()})
	m.add(entity.Keys, entity.Record{"set": refer(set), "name": m.word() + m.number(), "kid": "k",
		"pem": map[string]any{"private_key": material().key, "public_key": material().public}})
	m.add(entity.Keys, entity.Record{"name": m.word() + m.number(), "kid": "k",
		"jwk": material().jwk})
}
