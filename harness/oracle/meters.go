// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"

	"blackout/harness/history"
)

// A fault's witness looks at its beginning. The meters of its edge go on for as
// long as it is said to be in force, and may show that it was not.
var (
	admitsNobody   = []string{"exit", "drop"}       // no connection attempt reaches the edge
	takesNothing   = []string{"exit"}               // so that no byte does
	passesNothing  = []string{"blackhole", "reset"} // what arrives goes no further
	metersTellLate = history.Time(1e9)              // bytes may have moved this long before a poll finds them
)

func (v *view) belied() []Belied {
	var out []Belied
	for _, f := range v.faults {
		if f.witnessed && f.belied != "" {
			out = append(out, Belied{f.edge, f.inject, f.belied})
		}
	}
	return out
}

// belies says what the meters show against a fault's having been in force from
// its witness to its healing; empty if nothing does.
func (g *edge) belies(f *fault) string {
	from, to := f.active+history.Time(distanceSlack), f.heal-history.Time(distanceSlack)
	if f.active == never {
		return ""
	}
	if f.is(admitsNobody...) {
		if i := slices.IndexFunc(g.dials, func(d dial) bool { return d.at > from && d.at < to }); i >= 0 {
			return fmt.Sprintf("%s reached the edge at %s", g.dials[i].node, seconds(g.dials[i].at.Sub(0)))
		}
	}
	var before, now moved // the first reading follows the edge's opening, with nothing moved yet
	for _, next := range g.bytes {
		before, now = now, next
		if now.at <= from+metersTellLate || now.at >= to {
			continue
		}
		switch {
		case f.is(takesNothing...) && now.offered > before.offered:
			return fmt.Sprintf("bytes reached the edge before %s", seconds(now.at.Sub(0)))
		case f.is(passesNothing...) && now.passed > before.passed:
			return fmt.Sprintf("bytes came through before %s", seconds(now.at.Sub(0)))
		}
	}
	return ""
}
