// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// Comparison is two runs side by side. It shows figures and does not call a difference
// between them better or worse: a single run has no spread to tell that by. Only
// verdicts get worse.
type Comparison struct {
	Basis         []Basis             `json:"basis"`          // what the runs have in common, and what not
	NotComparable []string            `json:"not_comparable"` // sentences: which figures are left out, and why
	Notes         []string            `json:"notes"`          // sentences: what to think of when reading the rest
	Promises      []ComparedPromise   `json:"promises"`
	Objectives    []ComparedVerdict   `json:"objectives"` // of one SLO file
	Traffic       []Compared[Figures] `json:"traffic"`
	Outages       []Compared[Spans]   `json:"outages"`
	Starts        []Compared[Start]   `json:"starts"` // a node's first with its first, and so on

	shares, times bool // shares of requests, and times, are compared
}

// Basis is one thing that two runs have alike or not.
type Basis struct {
	What string `json:"what"`
	A    string `json:"a"` // empty: not recorded
	B    string `json:"b"`
}

// Same reports whether both runs recorded the same.
func (b Basis) Same() bool { return b.A == b.B && b.A != "" }

// ComparedVerdict is a promise or a clause in two runs.
type ComparedVerdict struct {
	ID     string        `json:"id"`
	Title  string        `json:"title"`
	A      oracle.Status `json:"a,omitempty"` // empty: the run was not asked
	B      oracle.Status `json:"b,omitempty"`
	Reason string        `json:"reason,omitempty"` // of a clause in the second run, or in the first if only that has it
}

// Changed reports whether the verdicts differ.
func (v ComparedVerdict) Changed() bool { return v.A != v.B }

// ComparedPromise is a promise and its clauses in two runs.
type ComparedPromise struct {
	ComparedVerdict
	Clauses []ComparedVerdict `json:"clauses"`
}

// Compared is what two runs have of one node; nil is a run that has nothing of it.
type Compared[T any] struct {
	Node string `json:"node"`
	A    *T     `json:"a"`
	B    *T     `json:"b"`
}

// Figures are those of a node's probes that are compared. Nil pointers were not measured,
// or are not comparable.
type Figures struct {
	Requests     int      `json:"requests"`
	Failed       int      `json:"failed"`
	Availability *float64 `json:"availability"`
	LowerBound   *float64 `json:"availability_lower_95"`
	Latency      Latency  `json:"latency"`
}

// Spans sum up a node's outages.
type Spans struct {
	Outages     int            `json:"outages"`
	Unexplained int            `json:"unexplained"`
	Longest     time.Duration  `json:"longest_min_ns"` // it lasted at least so long; 0 without an outage
	LongestMax  *time.Duration `json:"longest_max_ns"` // and at most so long; null: an edge was not seen
}

// Compare puts two runs side by side. The first is the one that is compared with.
func Compare(a, b Model) Comparison {
	c := Comparison{Basis: basis(a, b), NotComparable: []string{}, Notes: []string{}, Promises: comparePromises(a, b),
		Objectives: []ComparedVerdict{}, Traffic: []Compared[Figures]{}, Outages: []Compared[Spans]{}, Starts: []Compared[Start]{}}
	same := func(what string) bool {
		i := slices.IndexFunc(c.Basis, func(b Basis) bool { return b.What == what })
		return c.Basis[i].Same()
	}
	if !same(basisScenario) {
		c.NotComparable = append(c.NotComparable, "The scenarios differ: no figures are compared, and a clause that both judged was exercised in other ways by each.")
		return c
	}
	c.shares, c.times = same(basisTimers), same(basisEngine) && same(basisHost)
	if !c.shares {
		c.NotComparable = append(c.NotComparable, "The timers differ or were not recorded: availability, outages and starts are not compared, because faults last and nodes wait by them.")
	}
	if !c.times {
		c.NotComparable = append(c.NotComparable, "Engine or host differ or were not recorded: latency and starts are not compared, because they depend on the machine.")
	}
	if !same(basisSeed) {
		c.Notes = append(c.Notes, "The seeds differ: other faults at other times can be the reason for any difference.")
	}
	c.notes("first", a)
	c.notes("second", b)
	c.compareObjectives(a, b)
	c.compareTraffic(a, b)
	if c.shares {
		c.compareOutages(a, b)
	}
	if c.shares && c.times {
		c.compareStarts(a, b)
	}
	return c
}

// What two runs can have alike.
const (
	basisScenario = "scenario"
	basisSeed     = "seed"
	basisTimers   = "timers"
	basisEngine   = "engine"
	basisHost     = "host"
)

func basis(a, b Model) []Basis {
	at := func(m Model) string {
		if m.Started.IsZero() {
			return ""
		}
		return started(m)
	}
	return []Basis{
		{"run", a.Run, b.Run},
		{"outcome", string(a.Outcome.Status), string(b.Outcome.Status)},
		{basisScenario, a.Scenario, b.Scenario},
		{basisSeed, strconv.FormatUint(a.Seed, 10), strconv.FormatUint(b.Seed, 10)},
		{basisTimers, a.Profile.Name, b.Profile.Name},
		{basisEngine, a.Engine, b.Engine},
		{basisHost, a.Environment.machine(), b.Environment.machine()},
		{"gateway", a.Environment.Gateway, b.Environment.Gateway},
		{"its digest", a.Environment.Images["gateway"], b.Environment.Images["gateway"]},
		{"blackout", a.Environment.Blackout, b.Environment.Blackout},
		{"started", at(a), at(b)},
	}
}

// machine is what tells a host from others; empty if it was not recorded.
func (e Environment) machine() string {
	if e.Host == "" {
		return ""
	}
	return fmt.Sprintf("%s, %d CPUs, kernel %s", e.Host, e.CPUs, recordedOr(e.Kernel))
}

// notes says what of a run's measurement is not to be believed.
func (c *Comparison) notes(which string, m Model) {
	failed, _ := failedChecks(m.Validity)
	switch {
	case len(m.Validity) == 0:
		c.Notes = append(c.Notes, fmt.Sprintf("Nobody checked whether the measurement of the %s run can be trusted.", which))
	case len(failed) > 0:
		c.Notes = append(c.Notes, fmt.Sprintf("Validity checks of the %s run failed: %s.", which, list(failed)))
	}
}

// comparePromises puts the verdicts side by side, in the order of the first run, then
// what only the second has.
func comparePromises(a, b Model) []ComparedPromise {
	out := []ComparedPromise{}
	for _, pair := range pairs(a.Promises, b.Promises, func(p Promise) string { return p.Promise }) {
		var p ComparedPromise
		var clauses [2][]oracle.Clause
		for i, from := range pair {
			if from == nil {
				continue
			}
			p.ID, p.Title, clauses[i] = from.Promise, from.Title, from.Clauses
			p.set(i, known(from.Status))
		}
		p.Clauses = []ComparedVerdict{}
		for _, pair := range pairs(clauses[0], clauses[1], func(c oracle.Clause) string { return c.ID }) {
			var v ComparedVerdict
			for i, from := range pair {
				if from == nil {
					continue
				}
				v.ID, v.Title, v.Reason = from.ID, from.Title, from.Reason
				v.set(i, known(from.Status))
			}
			p.Clauses = append(p.Clauses, v)
		}
		out = append(out, p)
	}
	return out
}

// set sets the verdict of the first run, 0, or the second, 1.
func (v *ComparedVerdict) set(run int, s oracle.Status) {
	if run == 0 {
		v.A = s
		return
	}
	v.B = s
}

// pairs are the items of two lists by their name; nil where one list lacks it. The order
// is that of the first, then of the second.
func pairs[T any](a, b []T, name func(T) string) [][2]*T {
	var out [][2]*T
	find := func(in []T, id string) *T {
		for i := range in {
			if name(in[i]) == id {
				return &in[i]
			}
		}
		return nil
	}
	for i := range a {
		out = append(out, [2]*T{&a[i], find(b, name(a[i]))})
	}
	for i := range b {
		if find(a, name(b[i])) == nil {
			out = append(out, [2]*T{nil, &b[i]})
		}
	}
	return out
}

// compareObjectives puts the objectives of one SLO file side by side.
func (c *Comparison) compareObjectives(a, b Model) {
	if a.SLO == nil && b.SLO == nil {
		return
	}
	if a.SLO == nil || b.SLO == nil || a.SLO.SHA256 != b.SLO.SHA256 {
		c.NotComparable = append(c.NotComparable, "The SLO files differ, or one run had none: objectives are not compared.")
		return
	}
	for _, pair := range pairs(a.Objectives, b.Objectives, func(v objective.Verdict) string { return v.Name }) {
		var v ComparedVerdict
		for i, from := range pair {
			if from == nil {
				continue
			}
			v.ID, v.Title, v.Reason = from.Name, from.Title, from.Reason
			v.set(i, oracle.Status(from.Status))
		}
		c.Objectives = append(c.Objectives, v)
	}
}

// compareTraffic compares what of the probes' figures is comparable.
func (c *Comparison) compareTraffic(a, b Model) {
	figures := func(t *Traffic) *Figures {
		if t == nil {
			return nil
		}
		f := Figures{Requests: t.Requests, Failed: t.Failed()}
		if c.shares {
			f.Availability, f.LowerBound = t.Availability, t.LowerBound
		}
		if c.times {
			f.Latency = t.Latency
		}
		return &f
	}
	for _, pair := range pairs(a.Traffic, b.Traffic, func(t Traffic) string { return t.Node }) {
		node := pair[0]
		if node == nil {
			node = pair[1]
		}
		c.Traffic = append(c.Traffic, Compared[Figures]{node.Node, figures(pair[0]), figures(pair[1])})
	}
}

// compareOutages compares the outages of every node that was probed.
func (c *Comparison) compareOutages(a, b Model) {
	for _, t := range c.Traffic {
		c.Outages = append(c.Outages, Compared[Spans]{t.Node, spansOf(a, t.Node), spansOf(b, t.Node)})
	}
}

// spansOf sums up a node's outages; nil if nobody could have seen one.
func spansOf(m Model, node string) *Spans {
	probed := func(t Traffic) bool { return t.Node == node && t.Requests > 0 }
	if !slices.ContainsFunc(m.Traffic, probed) {
		return nil
	}
	s := Spans{LongestMax: new(time.Duration)}
	for _, o := range m.Outages {
		if o.Node != node {
			continue
		}
		s.Outages++
		if !o.Explained() {
			s.Unexplained++
		}
		s.Longest = max(s.Longest, o.Min)
		switch {
		case o.OpenStart || o.OpenEnd:
			s.LongestMax = nil
		case s.LongestMax != nil:
			longest := max(*s.LongestMax, o.Max)
			s.LongestMax = &longest
		}
	}
	return &s
}

// compareStarts compares each start of a node with the same of the other run.
func (c *Comparison) compareStarts(a, b Model) {
	for _, pair := range pairs(numbered(a.Starts), numbered(b.Starts), func(s numberedStart) string { return s.name }) {
		var one Compared[Start]
		if pair[0] != nil {
			one.Node, one.A = pair[0].name, &pair[0].Start
		}
		if pair[1] != nil {
			one.Node, one.B = pair[1].name, &pair[1].Start
		}
		c.Starts = append(c.Starts, one)
	}
}

// numberedStart is a start with its node's name and, from the second on, its number.
type numberedStart struct {
	name string
	Start
}

func numbered(starts []Start) []numberedStart {
	var out []numberedStart
	seen := map[string]int{}
	for _, s := range starts {
		seen[s.Node]++
		name := s.Node
		if n := seen[s.Node]; n > 1 {
			name += " #" + strconv.Itoa(n)
		}
		out = append(out, numberedStart{name, s})
	}
	return out
}

// Worse is what got worse from the first run to the second: Violated if something is
// that was not before, else Invalid or NotMeasured if something that was judged is that,
// or was not asked for, or the runs are of two scenarios, else NotProven if something was
// Proven before; Held if nothing got worse.
func (c Comparison) Worse() oracle.Status {
	all := slices.Clone(c.Objectives)
	for _, p := range c.Promises {
		all = append(append(all, p.ComparedVerdict), p.Clauses...)
	}
	seen := []oracle.Status{oracle.Held}
	if slices.ContainsFunc(c.Basis, func(b Basis) bool { return b.What == basisScenario && !b.Same() }) || len(c.Promises) == 0 {
		seen = append(seen, oracle.NotMeasured)
	}
	for _, v := range all {
		seen = append(seen, v.worse())
	}
	return worst[slices.IndexFunc(worst, func(s oracle.Status) bool { return slices.Contains(seen, s) })]
}

// worse is what the verdict became if that is worse, else Held.
func (v ComparedVerdict) worse() oracle.Status {
	judged := v.A == oracle.Held || v.A == oracle.Violated || v.A == statusProven || v.A == NotProven
	switch {
	case v.B == oracle.Violated && v.A != oracle.Violated:
		return oracle.Violated
	case judged && v.B == oracle.Invalid:
		return oracle.Invalid
	case judged && (v.B == oracle.NotMeasured || v.B == ""):
		return oracle.NotMeasured
	case v.A == statusProven && v.B == NotProven:
		return NotProven
	}
	return oracle.Held
}

// statusProven is the best verdict on an objective.
const statusProven = oracle.Status(objective.Proven)
