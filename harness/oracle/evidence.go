// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"blackout/harness/history"
)

// evidence is what was observed of one sort: the earliest observations, whatever
// the order in which they come, and how many there were.
type evidence struct {
	count int
	first []Evidence // by time, at most MaxEvidence
}

func (e *evidence) add(seen Evidence) {
	e.count++
	i, _ := slices.BinarySearchFunc(e.first, seen, earlier)
	if i == MaxEvidence {
		return
	}
	e.first = slices.Insert(e.first, i, seen)
	if len(e.first) > MaxEvidence {
		e.first = e.first[:MaxEvidence]
	}
}

// note adds an observation of a moment. It asks what was seen only if that is among the
// earliest: there may be millions.
func (e *evidence) note(at history.Time, seen func() Evidence) {
	if len(e.first) == MaxEvidence && at > e.first[MaxEvidence-1].At {
		e.count++
		return
	}
	e.add(seen())
}

// addAll adds what was collected elsewhere.
func (e *evidence) addAll(more evidence) {
	for _, seen := range more.first {
		e.add(seen)
	}
	e.count += more.count - len(more.first)
}

// earlier orders observations by time, and at one time by what they say, so that
// the order of writing does not show.
func earlier(a, b Evidence) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text))
}

// tells is evidence of something that a node did: its name begins the sentence.
func (n *node) tells(at history.Time, kind history.Kind, format string, args ...any) Evidence {
	return Evidence{At: at, Node: n.Name, Kind: kind, Text: n.Name + " " + fmt.Sprintf(format, args...)}
}

// got is evidence of a request to a node and what came of it.
func (n *node) got(r history.Request, format string, args ...any) Evidence {
	return Evidence{At: r.Done, Node: n.Name, Kind: Answer, Text: n.Name + ": " + describe(r) + fmt.Sprintf(format, args...)}
}

// on is the evidence with its edge.
func (e Evidence) on(edge string) Evidence {
	e.Edge = edge
	return e
}
