// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/tls"
	"fmt"
	"strings"

	"blackout/internal/gateway/entity"
)

// certificates are those of one configuration.
type certificates struct {
	byID     map[string]*tls.Certificate
	byName   map[string]*tls.Certificate // exact names
	suffixes map[string]*tls.Certificate // "*.example.com" as ".example.com"
	prefixes map[string]*tls.Certificate // "example.*" as "example."
	fallback *tls.Certificate            // SNI "*"
}

func newCertificates(table *entity.Table) (certificates, error) {
	c := certificates{
		byID: map[string]*tls.Certificate{}, byName: map[string]*tls.Certificate{},
		suffixes: map[string]*tls.Certificate{}, prefixes: map[string]*tls.Certificate{},
	}
	for i, row := range table.Rows("certificates") {
		pair, err := tls.X509KeyPair([]byte(row.Text("cert")), []byte(row.Text("key")))
		if err != nil {
			return c, fmt.Errorf("certificates.%d: %w", i+1, err)
		}
		c.byID[row.ID()] = &pair
	}
	for i, row := range table.Rows("snis") {
		certificate := c.byID[row.Reference("certificate")]
		if certificate == nil {
			return c, fmt.Errorf("snis.%d: its certificate '%s' is not there", i+1, row.Reference("certificate"))
		}
		c.name(strings.ToLower(row.Name()), certificate)
	}
	return c, nil
}

func (c *certificates) name(name string, certificate *tls.Certificate) {
	if name == "*" {
		c.fallback = certificate
	} else if suffix, wild := strings.CutPrefix(name, "*"); wild {
		c.suffixes[suffix] = certificate
	} else if prefix, wild := strings.CutSuffix(name, "*"); wild {
		c.prefixes[prefix] = certificate
	} else {
		c.byName[name] = certificate
	}
}

// find returns the certificate for a name: exact, then with the first label or
// the last one a wildcard, then that of "*" (Kong 3.9).
func (c *certificates) find(name string) *tls.Certificate {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if found := c.byName[name]; found != nil {
		return found
	}
	if dot := strings.IndexByte(name, '.'); dot >= 0 {
		if found := c.suffixes[name[dot:]]; found != nil {
			return found
		}
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		if found := c.prefixes[name[:dot+1]]; found != nil {
			return found
		}
	}
	return c.fallback
}

// Certificate returns the configured certificate for the name that a client
// asks for, nil if there is none: the listener's own is shown then.
func (p *Proxy) Certificate(serverName string) *tls.Certificate {
	current := p.current.Load()
	if current == nil {
		return nil
	}
	return current.names.find(serverName)
}

// authoritiesOf returns the PEM of the authorities by id.
func authoritiesOf(table *entity.Table) map[string]string {
	authorities := map[string]string{}
	for _, row := range table.Rows("ca_certificates") {
		authorities[row.ID()] = row.Text("cert")
	}
	return authorities
}
