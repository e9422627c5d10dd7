// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// Certificate is one in a configuration that has expired or soon will.
type Certificate struct {
	Kind     string    `json:"kind"` // "certificates" or "ca_certificates"
	Row      int       `json:"row"`
	ID       string    `json:"id"`
	Field    string    `json:"field"`   // "cert" or "cert_alt"
	Subject  string    `json:"subject"` // of the first certificate of the chain that ends
	Names    []string  `json:"names"`   // server names that it is served for
	NotAfter time.Time `json:"not_after"`
	Days     int       `json:"days"` // until then, rounded down; negative: since then
	Expired  bool      `json:"expired"`
}

// certificatesIn are the certificates that end before now and a while, soonest first.
func certificatesIn(rows map[string][]entity.Record, now time.Time, while time.Duration) []Certificate {
	found := []Certificate{}
	names := map[string][]string{}
	for _, row := range rows["snis"] {
		names[row.Reference("certificate")] = append(names[row.Reference("certificate")], row.Name())
	}
	for _, kind := range []string{"certificates", "ca_certificates"} {
		for i, row := range rows[kind] {
			for _, field := range []string{"cert", "cert_alt"} {
				ends := soonest(row.Text(field))
				if ends == nil || !ends.NotAfter.Before(now.Add(while)) {
					continue
				}
				found = append(found, Certificate{Kind: kind, Row: i + 1, ID: row.ID(), Field: field, Subject: ends.Subject.String(),
					Names: append([]string{}, names[row.ID()]...), NotAfter: ends.NotAfter.UTC(),
					Days: int(math.Floor(ends.NotAfter.Sub(now).Hours() / 24)), Expired: ends.NotAfter.Before(now)})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	return found
}

// soonest is the certificate of a PEM text that ends first; nil if there is none that
// can be read, which is for the schema to say.
func soonest(text string) *x509.Certificate {
	var first *x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return first
		}
		if !strings.HasSuffix(block.Type, "CERTIFICATE") {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (first == nil || one.NotAfter.Before(first.NotAfter)) {
			first = one
		}
	}
}

// VaultReference is a value that is kept in a vault: a node that boots from the
// snapshot must reach that by itself.
type VaultReference struct {
	Kind       string `json:"kind"`
	Row        int    `json:"row"`
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Field      string `json:"field"`
	Reference  string `json:"reference"`  // "{vault://env/name}", which is no secret
	Configured bool   `json:"configured"` // the configuration has a vault of that prefix, or it is env, which needs none
}

// vaultsIn are the references to vaults in a configuration.
func vaultsIn(rows map[string][]entity.Record) []VaultReference {
	found := []VaultReference{}
	configured := map[string]bool{"env": true}
	for _, row := range rows["vaults"] {
		configured[row.Text("prefix")] = true
	}
	for _, kind := range slices.Sorted(maps.Keys(rows)) {
		for i, row := range rows[kind] {
			walk("", map[string]any(row), func(field, text string) {
				inner, is := strings.CutPrefix(text, "{vault://")
				if !is || !strings.HasSuffix(inner, "}") {
					return
				}
				prefix, _, _ := strings.Cut(strings.TrimSuffix(inner, "}"), "/")
				f := about(kind, i+1, row, field, "")
				found = append(found, VaultReference{Kind: kind, Row: i + 1, ID: f.ID, Name: f.Name, Field: field, Reference: text, Configured: configured[prefix]})
			})
		}
	}
	return found
}

// walk calls see with every text in a value, in a fixed order.
func walk(at string, value any, see func(field, text string)) {
	below := func(step string) string { return strings.TrimPrefix(at+"."+step, ".") }
	switch value := value.(type) {
	case string:
		see(at, value)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			walk(below(name), value[name], see)
		}
	case []any:
		for _, element := range value {
			walk(at, element, see)
		}
	}
}
