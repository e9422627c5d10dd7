// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"io"
	"strings"
)

// Text writes the difference for people.
func (d Difference) Text(w io.Writer) error {
	var p page
	if d.Storage != "" {
		p.line(0, "storage", "%s", d.Storage)
		p.line(0, "snapshot", "%s, hash %s", d.Key, d.Hash)
	}
	p.line(0, "with", "%s, hash %s", d.With, d.HashWith)
	d.lines(&p, 0)
	if d.Equal {
		p.item(0, "they configure the same")
	} else {
		p.item(0, "they differ: %s", d.counts())
	}
	return p.to(w)
}

// mostShown is how many entities of a kind are shown to people; JSON has all.
const mostShown = 50

func (d Difference) lines(p *page, depth int) {
	for _, k := range d.Kinds {
		p.item(depth, "%s", k.Kind)
		shown := 0
		show := func(sign string, e Entity, rest string) {
			if shown++; shown <= mostShown {
				p.item(depth+1, "%s %s%s", sign, e, rest)
			}
		}
		for _, e := range k.Added {
			show("+", e, "")
		}
		for _, e := range k.Removed {
			show("-", e, "")
		}
		for _, c := range k.Changed {
			show("~", c.Entity, ": "+strings.Join(c.Fields, ", "))
		}
		if shown > mostShown {
			p.item(depth+1, "and %d more; --json has all", shown-mostShown)
		}
	}
}

// String is "name of service orders (id)".
func (e Entity) String() string {
	var words []string
	if e.Name != "" {
		words = append(words, e.Name)
	}
	if e.Of != "" {
		words = append(words, "of "+e.Of)
	}
	if e.ID != "" && len(words) > 0 {
		words = append(words, "("+e.ID+")")
	}
	return or(strings.Join(words, " "), e.ID)
}
