// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Text writes the verification for people.
func (v Verification) Text(w io.Writer) error {
	var p page
	p.line(0, "storage", "%s", v.Storage)
	if v.Snapshot != nil {
		v.Snapshot.text(&p)
		if v.Checksum != "" {
			p.line(1, "checksum", "%s", v.Checksum)
		}
		if v.Hash != "" && v.Hash != v.HashNoted {
			p.line(1, "computed", "%s", v.Hash)
		}
		p.line(1, "entities", "%s", counts(v.Entities))
	}
	list(&p, "problem", v.Problems)
	list(&p, "warning", v.Warnings)
	for _, c := range v.Certificates {
		p.item(0, "certificate  %s", c)
	}
	for _, r := range v.Vaults {
		configured := "the node resolves it by itself"
		if !r.Configured {
			configured = "no vault of that prefix is in the configuration"
		}
		p.item(0, "vault        %s: %s: %s", Finding{Kind: r.Kind, Row: r.Row, ID: r.ID, Name: r.Name, Reason: r.Field}, r.Reference, configured)
	}
	if len(v.Plugins) > 0 {
		p.line(0, "plugins", "not run by this gateway: %s", strings.Join(v.Plugins, ", "))
	}
	p.item(0, "%s", v.verdict())
	return p.to(w)
}

func (v Verification) verdict() string {
	node := "a data plane of version " + v.Version
	if v.Gateway == Kong {
		node += " of Kong, as far as this gateway can tell,"
	}
	switch {
	case v.Bootable:
		return node + " can boot from this snapshot"
	case len(v.Others) > 0:
		return fmt.Sprintf("%s cannot boot: the bucket has snapshots of %s, which it does not use; upgrade exporter and importers together",
			node, strings.Join(v.Others, ", "))
	}
	return fmt.Sprintf("%s cannot boot from this: %s", node, plural(len(v.Problems), "problem", "problems"))
}

// String says which certificate ends when.
func (c Certificate) String() string {
	when := fmt.Sprintf("expires in %s", plural(c.Days, "day", "days"))
	if c.Expired {
		when = fmt.Sprintf("expired %s ago", plural(max(-c.Days-1, 0), "day", "days"))
	}
	names := ""
	if len(c.Names) > 0 {
		names = " for " + strings.Join(c.Names, ", ")
	}
	return fmt.Sprintf("%s.%d (%s): %s: %s%s %s (%s)", c.Kind, c.Row, c.ID, c.Field, c.Subject, names, when, stamp(c.NotAfter))
}

func list(p *page, word string, all []Finding) {
	for _, f := range all {
		p.line(0, word, "%s", f)
	}
}

// counts are numbers of entities by kind.
func counts(entities map[string]int) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(entities)) {
		if entities[kind] > 0 {
			words = append(words, fmt.Sprintf("%s %d", kind, entities[kind]))
		}
	}
	return or(strings.Join(words, ", "), "none")
}
