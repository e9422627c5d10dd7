// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "io"

// Text writes the inventory for people.
func (i Inventory) Text(w io.Writer) error {
	var p page
	p.line(0, "storage", "%s", i.Storage)
	if i.Settings != nil {
		i.Settings.text(&p)
	}
	for _, v := range i.Versions {
		p.line(0, "version", "%s", v.Version)
		v.text(&p)
	}
	switch {
	case i.More:
		p.item(0, "these are the first %d objects below the prefix, and there are more: --version looks at one version without listing", MaxListed)
	case len(i.Versions) == 0:
		p.item(0, "there is no snapshot")
	}
	if len(i.Others) > 0 {
		p.item(0, "%s that no node wrote:", plural(len(i.Others), "object", "objects"))
		for _, o := range i.Others {
			p.item(1, "%s, %d bytes, %s", o.Key, o.Bytes, ago(o.AgeSeconds))
		}
	}
	return p.to(w)
}

func (v Version) text(p *page) {
	if v.Snapshot == nil {
		p.line(1, "snapshot", "none")
	} else {
		v.Snapshot.text(p)
	}
	switch l := v.Lease; {
	case l == nil:
		p.line(1, "lease", "none")
	case l.Error != "":
		p.line(1, "lease", "not known: %s", l.Error)
	case l.Released:
		p.line(1, "lease", "released by %s (%s), term %d, %s", or(l.Name, "a node"), l.Holder, l.Term, ago(l.AgeSeconds))
	default:
		p.line(1, "lease", "held by %s (%s), term %d, beat %d, renewed %s ago", or(l.Name, "a node"), l.Holder, l.Term, l.Beat, span(l.AgeSeconds))
	}
	for _, o := range v.Election {
		p.line(1, "election", "%s, %d bytes, %s", o.Key, o.Bytes, ago(o.AgeSeconds))
	}
}

func (s Snapshot) text(p *page) {
	if s.Error != "" {
		p.line(1, "snapshot", "%s, not known: %s", s.Key, s.Error)
		return
	}
	p.line(1, "snapshot", "%s, %d bytes, %s (%s)", s.Key, s.Bytes, ago(s.AgeSeconds), stamp(s.Modified))
	p.line(1, "hash", "%s", or(s.Hash, "not noted"))
	exported := ""
	if s.ExportedAt != nil {
		exported = ", sent " + stamp(*s.ExportedAt)
	}
	p.line(1, "exporter", "%s%s", or(s.Exporter, "not noted"), exported)
	p.line(1, "epoch", "%s", or(s.Epoch, "none"))
	if s.Cluster != "" {
		p.line(1, "cluster", "%s", s.Cluster)
	}
	p.line(1, "encryption", "%s", or(s.Encryption, "none that the store told of"))
}
