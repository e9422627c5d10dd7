// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// availability is the share of requests due in a phase that were answered well and in
// time. A strict one counts those that the client had to send again as bad.
func availability(r Run, q Query, strict bool) Measurement {
	m := Measurement{Missing: "no request was due in the phase " + q.Phase}
	deadline := q.Duration("deadline", answerDeadline)
	outages, first := newTally(), firsts{}
	masked, late := 0, 0
	for _, a := range r.Recording.Requests {
		stream := r.Recording.Header.Streams[a.Stream]
		w, ok := r.in(q.Phase, stream.Node, a.Intended)
		if !ok || r.isAway(stream.Node, a.Intended, a.Done) {
			continue
		}
		m.Total++
		if m.Doubt == "" {
			m.Doubt = w.doubt
		}
		why := ""
		switch {
		case a.Class != history.Good:
			why = a.Class.String()
		case a.Done.Sub(a.Intended) > deadline:
			why = fmt.Sprintf("an answer after %s", seconds(a.Done.Sub(a.Intended)))
			if a.Done.Sub(a.Sent) <= deadline {
				late++
			}
		case strict && a.Flags&history.Masked != 0:
			why = "a failure that the client hid by sending the request again"
		}
		if a.Flags&history.Masked != 0 {
			masked++
		}
		outages.add(w.episode, why != "")
		if why != "" {
			m.Bad++
			first.add(oracle.Evidence{At: a.Done, Node: stream.Node, Kind: oracle.Answer, Text: stream.Node + ": " + why})
			if excuse := r.excuse(stream.Node, a, deadline); excuse != "" {
				m.Stall = cmp.Or(m.Stall, fmt.Sprintf("%s: %s at %s, while %s", stream.Node, why, seconds(a.Done.Sub(0)), excuse))
				m.Spared++
			}
		}
	}
	m.Evidence = first.seen
	outages.into(&m)
	if late > 0 && m.Doubt == "" {
		m.Doubt = fmt.Sprintf("%d answers came after %s only because the prober sent the requests late", late, deadline)
	}
	if masked > 0 && !strict {
		m.Note = fmt.Sprintf("%d failures that the client hid do not count.", masked)
	}
	return m
}

// shown is a generation and when an answer first showed it.
type shown struct {
	generation int
	at         history.Time
}

// wrongConfigurations counts answers that show a configuration that nobody made, that
// was put into the bucket while the data plane ran, that a newer one had replaced at
// the same data plane, or that is older than the snapshot that a new one could read.
func wrongConfigurations(r Run, q Query) Measurement {
	m := Measurement{Missing: "no answer showed a configuration"}
	grace := history.Time(q.Duration("grace", applyGrace))
	witnesses, first := make(map[string]*witness), firsts{}
	for a := range r.byEnd() {
		s := r.Recording.Header.Streams[a.Stream]
		if s.Guarded || s.Key == history.WrongKey || a.Class != history.WrongBody && (a.Class != history.Good || a.Generation == 0) {
			continue
		}
		w := witnesses[s.Node]
		if w == nil {
			w = newWitness(r, s.Node, grace)
			witnesses[s.Node] = w
		}
		m.Total++
		if why := w.wrong(a); why != "" {
			m.Bad++
			first.add(oracle.Evidence{At: a.Done, Node: s.Node, Kind: oracle.Answer, Text: s.Node + ": " + why})
		}
	}
	m.Evidence = first.seen
	return m
}

// byEnd are the requests in the order in which they ended, which is how they are
// recorded.
func (r Run) byEnd() iter.Seq[history.Request] {
	all := r.Recording.Requests
	if slices.IsSortedFunc(all, func(a, b history.Request) int { return cmp.Compare(a.Done, b.Done) }) {
		return slices.Values(all)
	}
	order := make([]uint32, len(all)) // and not a copy: an hour has millions
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(all[a].Done, all[b].Done) })
	return func(yield func(history.Request) bool) {
		for _, i := range order {
			if !yield(all[i]) {
				return
			}
		}
	}
}

// witness follows the answers of one data plane, by when they were complete.
type witness struct {
	node    string
	grace   history.Time
	rewound bool
	made    map[int]oracle.Made
	starts  []history.Time
	boots   []oracle.Boot

	life    int
	highest shown // of the life, of what was not planted
}

func newWitness(r Run, node string, grace history.Time) *witness {
	w := &witness{node: node, grace: grace, rewound: slices.Contains(r.Rewound, node), made: make(map[int]oracle.Made)}
	for _, m := range r.Made {
		if _, known := w.made[m.Generation]; !known {
			w.made[m.Generation] = m
		}
	}
	for _, e := range r.Recording.Events {
		if e.Kind == history.NodeStart && e.Node == node {
			w.starts = append(w.starts, e.At)
		}
	}
	slices.Sort(w.starts)
	for _, b := range r.Starts {
		if b.Node == node {
			w.boots = append(w.boots, b)
		}
	}
	return w
}

// wrong says what is wrong with the configuration that an answer shows; empty if
// nothing is.
func (w *witness) wrong(a history.Request) string {
	if a.Class == history.WrongBody {
		return "an answer that is not the probed route's"
	}
	for w.life < len(w.starts) && w.starts[w.life] <= a.Sent {
		w.life, w.highest = w.life+1, shown{}
	}
	g := int(a.Generation)
	made, known := w.made[g]
	switch {
	case !known && len(w.made) > 0:
		return fmt.Sprintf("generation %d, which nobody made", g)
	case made.Planted && w.life > 0 && w.starts[w.life-1] < made.At:
		return fmt.Sprintf("generation %d, which was put into the bucket while it ran", g)
	case made.Planted:
		return ""
	}
	if w.highest.generation > g && a.Sent > w.highest.at+w.grace && !w.rewound {
		return fmt.Sprintf("generation %d, %s after it had served generation %d", g, seconds(a.Sent.Sub(w.highest.at)), w.highest.generation)
	}
	for _, b := range w.boots {
		if b.Served != nil && a.Sent >= *b.Served && a.Done < b.Outage.Heal && w.life > 0 && w.starts[w.life-1] == b.At && g < b.Snapshot {
			return fmt.Sprintf("generation %d, though the store had held generation %d when it started", g, b.Snapshot)
		}
	}
	if g > w.highest.generation {
		w.highest = shown{g, a.Done}
	}
	return ""
}

// answered yields the good answers to requests that were due in a phase, each with the
// outage that it was in, but those of a data plane that the harness kept from answering:
// some come when it is back. The steady phase ends with the first fault.
func (r Run) answered(phase string) iter.Seq2[window, *history.Request] {
	first := r.firstFault()
	return func(yield func(window, *history.Request) bool) {
		for i := range r.Recording.Requests {
			a := &r.Recording.Requests[i]
			if a.Class != history.Good || phase == "steady" && a.Done >= first {
				continue
			}
			node := r.Recording.Header.Streams[a.Stream].Node
			if w, ok := r.in(phase, node, a.Intended); ok && !r.isAway(node, a.Intended, a.Done) && !yield(w, a) {
				return
			}
		}
	}
}

// latencies are the times of good answers, from when the requests were due and in that
// order, of the data planes that answered both in the steady phase and during an outage.
type latencies struct {
	steady, outage []timed
	doubt          string // why that outage cannot be believed
}

// latencies counts them first: grown bit by bit, millions take twice the memory.
func (r Run) latencies() latencies {
	streams := r.Recording.Header.Streams
	before, during, doubt := make(map[string]int), make(map[string]int), ""
	for _, a := range r.answered("steady") {
		before[streams[a.Stream].Node]++
	}
	for w, a := range r.answered("outage") {
		if during[streams[a.Stream].Node]++; doubt == "" {
			doubt = w.doubt
		}
	}
	of := func(phase string, counts, others map[string]int) []timed {
		n := 0
		for node, count := range counts {
			if others[node] > 0 {
				n += count
			}
		}
		all := make([]timed, 0, n)
		for _, a := range r.answered(phase) {
			if others[streams[a.Stream].Node] > 0 {
				all = append(all, timed{At: time.Duration(a.Intended), Value: a.Done.Sub(a.Intended)})
			}
		}
		slices.SortFunc(all, func(x, y timed) int { return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.Value, y.Value)) })
		return all
	}
	return latencies{of("steady", before, during), of("outage", during, before), doubt}
}

// firstFault is when the first fault of the run, of any kind, was injected.
func (r Run) firstFault() history.Time {
	first := r.End
	for _, e := range r.Recording.Events {
		if e.Kind == history.FaultInject {
			first = min(first, e.At)
		}
	}
	return first
}
