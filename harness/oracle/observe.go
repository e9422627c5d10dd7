// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

// Observed is what oracles make of a recording before they judge: what happened,
// in the terms of a topology, and what each thing rests on. Objectives are measured
// on it, so that they and the promises mean the same by an outage, a new data plane
// or a snapshot. Everything is ordered by time.
type Observed struct {
	Void       string // why nothing of the run counts; empty if it does
	Unfinished string // why nothing of it can be called good; empty if it can
	End        history.Time

	Outages  []Outage
	Away     []Absence
	Starts   []Boot
	Exports  []Export
	Returns  []Return
	Residing []Residence
	Audited  bool // somebody recorded who asked the store for what
	Looked   bool // an independent reader looked into the store
	Made     []Made
	Rewound  []string // the data planes whose control plane was given an older database, by name

	control control // what KeptFrom goes by
}

// Outage is a time in which a fault kept the control plane of a data plane from giving
// it a configuration. Its edges are intervals: it began between Inject and Active and
// ended between Heal and Healed, which are the recording's end if nobody healed it.
type Outage struct {
	Node, Fault                  string
	Export                       bool // the node is a backup node
	Inject, Active, Heal, Healed history.Time
	Doubt                        string        // why it cannot be believed: it was not witnessed, or its meter shows the contrary
	HealDoubt                    string        // the same of its healing; also if nobody healed it
	Detection                    time.Duration // how long a new data plane may take to know, by the timers of the run and how the control plane fails
}

// KeptFrom says what of the machine's kept a node from answering within a time, ""
// for nothing. A request that timed out in it has no other owner.
func (o Observed) KeptFrom(node string, from, to history.Time) string {
	return o.control.keptFrom(node, from, to)
}

// Absence is a time in which the harness had ended or frozen a data plane, until it
// served again or had time enough for it. It cannot answer then.
type Absence struct {
	Node     string
	From, To history.Time
}

// Boot is the start of a data plane without a cache that may import and that, while its
// control plane was gone, had a whole snapshot to read and a store that was well.
type Boot struct {
	Node   string
	At     history.Time
	Outage Outage // the fault that it met
	Until  history.Time
	Rushed bool // it had less time than a good one may take

	// What was seen of it, nil if it was not. Of what was learnt by asking, when the
	// answer was complete.
	Dialled, Asked, Got, Ready, Served *history.Time

	Snapshot int // the generation that a reader had last found in the store
}

// Made is a generation that the harness made, and when. One that was planted was put
// into the bucket, to be followed by no data plane that ran.
type Made struct {
	At         history.Time
	Generation int
	Planted    bool
}

// Residence is a time in which a data plane that may import was ready and watched, and
// what of it reached its store.
type Residence struct {
	Node     string
	From, To history.Time
	Requests []Evidence // with its own credential
	Dials    []Evidence // connection attempts on its own edge to the store
	Metered  bool       // that edge has a meter
}

// Observe reads a recording.
func Observe(rec *history.Recording) (Observed, error) {
	source := rec.Source()
	v, err := newView(source)
	if err != nil {
		return Observed{}, err
	}
	if err := v.pass(source); err != nil {
		return Observed{}, err
	}
	o := Observed{End: v.end, Outages: v.observeOutages(), Away: v.observeAbsences(), Starts: v.observeBoots(), Exports: v.observeExports(),
		Returns: v.observeReturns(), Residing: v.observeResidences(), Looked: len(v.objects) > 0, Made: v.observeMade(), control: v.control}
	o.Void, o.Unfinished = v.usable()
	for _, n := range v.nodes {
		o.Audited = o.Audited || len(n.requests) > 0
	}
	for _, n := range v.planes {
		if len(v.faultsOf(n, "cp-older-database")) > 0 {
			o.Rewound = append(o.Rewound, n.Name)
		}
	}
	return o, nil
}

func (v *view) observeOutages() []Outage {
	var out []Outage
	for _, n := range v.planes {
		for _, f := range v.cutOff(n) {
			out = append(out, v.outageOf(n, f))
		}
	}
	byTime(out, func(o Outage) history.Time { return o.Inject })
	return out
}

// outageOf is what a fault is to a data plane.
func (v *view) outageOf(n *node, f *fault) Outage {
	o := Outage{
		Node: n.Name, Fault: f.String(), Export: n.Export, Inject: f.inject, Active: min(f.active, v.end),
		Heal: min(f.heal, v.end), Healed: min(f.healed, v.end), Detection: v.detection(f.kind),
	}
	o.Doubt = (&finding{rests: []*fault{f}}).unfounded(v)
	if o.Doubt == "" && f.active == never {
		o.Doubt = "nobody said that the fault " + f.String() + " was in force"
	}
	o.HealDoubt = (&finding{healed: []*fault{f}}).unfounded(v)
	return o
}

// detection is how long a good data plane may take to know that its control plane
// cannot give it a configuration.
func (v *view) detection(kind string) time.Duration {
	p := v.header.Profile
	how := outages[kind]
	switch {
	case how.manner == silent, how.manner == mute && how.attempt == dialTime:
		return p.DialTimeout
	case how.manner == mute, how.manner == useless:
		return p.NoConfiguration
	}
	return 0 // it is told at once
}

func (v *view) observeAbsences() []Absence {
	var out []Absence
	for _, n := range v.planes {
		add := func(from, to history.Time) {
			back := never
			for _, k := range n.serves {
				if k.good() && k.at >= to {
					back = seenBy(k)
					break
				}
			}
			if to != never {
				to = min(back, to+history.Time(v.importBound()))
			}
			out = append(out, Absence{n.Name, from, min(to, v.end)})
		}
		for _, f := range v.ownFaults(n, endsNode...) {
			add(f.inject, f.healed)
		}
		for _, stop := range n.stops {
			back := never
			for _, s := range n.starts {
				if s.at >= stop.at {
					back = s.at
					break
				}
			}
			add(stop.at, back)
		}
	}
	byTime(out, func(a Absence) history.Time { return a.From })
	return out
}

// seenBy is when an answer was complete.
func seenBy(k look) history.Time { return max(k.at, k.until) }

func (v *view) observeBoots() []Boot {
	var out []Boot
	for _, b := range v.importers() {
		var last object
		for _, o := range v.snapshotsOf(b.node) {
			if o.at < b.start {
				last = o
			}
		}
		if b.Export || last.err != "" || last.generation == 0 || v.storeFaultAt(b.node, b.start) != nil || len(in(b.ready, b.life)) == 0 {
			continue
		}
		seen := Boot{Node: b.Name, At: b.start, Outage: v.outageOf(b.node, b.cut), Until: b.until(v), Rushed: v.rushed(b), Snapshot: last.generation}
		if dials := v.dialled(b.node, v.cpEdge(b.node), b.start, b.end); len(dials) > 0 {
			seen.Dialled = &dials[0]
		}
		if reads := b.readsIn(b.life); len(reads) > 0 {
			seen.Asked, seen.Got = &reads[0].at, &reads[0].until
		}
		for _, k := range in(b.ready, b.life) {
			if k.code == http.StatusOK {
				at := seenBy(k)
				seen.Ready = &at
				break
			}
		}
		if k, ok := b.firstGood(b.life); ok && k.at <= b.cut.heal {
			at := seenBy(k)
			seen.Served = &at
		}
		out = append(out, seen)
	}
	byTime(out, func(b Boot) history.Time { return b.At })
	return out
}

func (v *view) observeResidences() []Residence {
	var out []Residence
	for _, n := range v.planes {
		if !n.Import || n.Export {
			continue
		}
		for _, l := range n.lives {
			i := slices.IndexFunc(in(n.ready, l), func(k look) bool { return k.code == http.StatusOK })
			if i < 0 {
				continue
			}
			r := Residence{Node: n.Name, From: seenBy(in(n.ready, l)[i]), To: min(l.end, v.end), Metered: v.edges[storeEdge(n)] != nil}
			for _, q := range n.requestsIn(l) {
				if q.at > r.From {
					r.Requests = append(r.Requests, n.tells(q.at, history.StoreRequest, "sent %s, %s after it was ready", q, seconds(q.at.Sub(r.From))))
				}
			}
			for _, at := range v.dialled(n, storeEdge(n), r.From+1, r.To) {
				r.Dials = append(r.Dials, n.tells(at, history.EdgeConnect, "dialled its store %s after it was ready", seconds(at.Sub(r.From))).on(storeEdge(n)))
			}
			out = append(out, r)
		}
	}
	byTime(out, func(r Residence) history.Time { return r.From })
	return out
}

func (v *view) observeMade() []Made {
	var out []Made
	for _, c := range v.changes.sent {
		out = append(out, Made{At: c.at, Generation: c.generation})
	}
	for _, p := range v.planted {
		out = append(out, Made{At: p.at, Generation: p.generation, Planted: true})
	}
	byTime(out, func(m Made) history.Time { return m.At })
	return out
}
