// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"net/http"
	"net/netip"

	"blackout/internal/gateway/entity"
)

// ipRestriction lets in by the client's address (Kong 3.9 ip-restriction,
// priority 990).
type ipRestriction struct {
	allow, deny []netip.Prefix
	status      int
	message     string
}

func newIPRestriction(config entity.Record, _ *builder) (Plugin, error) {
	p := &ipRestriction{status: integerOr(config, "status", http.StatusForbidden), message: config.Text("message")}
	var err error
	if p.allow, err = prefixes(config, "allow"); err != nil {
		return nil, err
	}
	p.deny, err = prefixes(config, "deny")
	return p, err
}

func prefixes(config entity.Record, field string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range config.Texts(field) {
		prefix, err := entity.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("config.%s: '%s' is no address or range: %w", field, text, err)
		}
		list = append(list, prefix)
	}
	return list, nil
}

// Access refuses a client that is denied, or not allowed where some are.
func (p *ipRestriction) Access(x *Exchange) *Answer {
	if !contains(p.deny, x.Client) && (len(p.allow) == 0 || contains(p.allow, x.Client)) {
		return nil
	}
	message := p.message
	if message == "" {
		message = "IP address not allowed: " + x.Client.String()
	}
	return &Answer{Status: p.status, Message: message}
}

func contains(list []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range list {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
