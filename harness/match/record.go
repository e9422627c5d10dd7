// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"
	"math"

	"blackout/harness/history"
)

// record is a recording as these matchers ask it.
type record struct{ *history.Recording }

// mustHave refuses a node that the run does not know: of a misspelt one, much is
// true.
func (r record) mustHave(node string) error {
	var names []string
	for _, n := range r.Header.Nodes {
		if n.Name == node {
			return nil
		}
		names = append(names, n.Name)
	}
	return fmt.Errorf("there is no node %s: the nodes are %s", node, listed(names, "none"))
}

// requests calls f for each request of the prober to a node.
func (r record) requests(node string, f func(history.Request)) {
	for _, q := range r.Requests {
		if r.Header.Streams[q.Stream].Node == node {
			f(q)
		}
	}
}

// episode is a fault from its injection to its healing, at their widest.
type episode struct {
	kind, target             string
	from, to                 history.Time
	witnessed, healWitnessed bool
	witness, healWitness     string // what was seen
}

// faults are the episodes that are wanted, in order.
func (r record) faults(wanted func(*episode) bool) []*episode {
	var all []*episode
	open := make(map[string]*episode)
	for _, e := range r.Events {
		target := e.Edge
		if target == "" {
			target = e.Node
		}
		key := fmt.Sprintf("%d %s", e.Fault, target)
		if e.Kind == history.FaultInject {
			open[key] = &episode{kind: e.Text, target: target, from: e.At, to: math.MaxInt64}
			all = append(all, open[key])
			continue
		}
		f := open[key]
		if f == nil {
			continue
		}
		switch e.Kind {
		case history.FaultWitness:
			f.witnessed, f.witness = e.OK, e.Text
		case history.FaultHealed:
			f.to = e.At
		case history.HealWitness:
			f.healWitnessed, f.healWitness = e.OK, e.Text
		}
	}
	var out []*episode
	for _, f := range all {
		if wanted(f) {
			out = append(out, f)
		}
	}
	return out
}

// injected are all faults, "reset on dp-3>cp".
func (r record) injected() []string {
	var out []string
	for _, f := range r.faults(func(*episode) bool { return true }) {
		out = append(out, f.kind+" on "+f.target)
	}
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func orNobody(seen string) string {
	if seen == "" {
		return "nobody looked"
	}
	return seen
}

func describe(q history.Request) string {
	switch q.Class {
	case history.Good:
		return "a failure that the client hid by sending the request again"
	case history.WrongStatus:
		return fmt.Sprintf("status %d", q.Status)
	}
	return q.Class.String()
}
