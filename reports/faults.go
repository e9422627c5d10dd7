// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strconv"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// faults pairs the events of each fault, in the order of injection. Faults are
// told apart by their number. Those of a recording without numbers are told by
// their target, whose healing ends every fault that is in force on it.
func (r recorded) faults() []Fault {
	faults := []Fault{}
	open := map[string][]int{}   // target to the faults that are not healed
	healed := map[string][]int{} // target to the faults of the last healing
	for _, e := range r.events {
		key := e.Edge + e.Node
		if e.Fault > 0 {
			key = strconv.Itoa(e.Fault)
		}
		switch e.Kind {
		case history.FaultInject:
			open[key] = append(open[key], len(faults))
			faults = append(faults, Fault{Edge: e.Edge, Node: e.Node, Mode: e.Text, Start: Interval{From: e.At, To: r.end}})
		case history.FaultActive:
			activate(faults, open[key], e)
		case history.FaultWitness:
			for _, i := range open[key] {
				faults[i].witness(e)
			}
		case history.FaultHeal:
			for _, i := range open[key] {
				faults[i].End = &Interval{From: e.At, To: r.end}
			}
			if len(open[key]) > 0 {
				healed[key], open[key] = open[key], nil
			}
		case history.FaultHealed:
			for _, i := range healed[key] {
				faults[i].End.To = e.At
			}
		case history.HealWitness:
			for _, i := range healed[key] {
				faults[i].HealWitnessed, faults[i].HealWitness = &e.OK, e.Text
			}
		}
	}
	return faults
}

// disbelieve takes back what was witnessed of faults that the recording contradicts.
func disbelieve(faults []Fault, belied []oracle.Belied) []Fault {
	for _, b := range belied {
		for i := range faults {
			if f := &faults[i]; f.Edge == b.Edge && f.Start.From == b.Inject {
				f.Witnessed, f.Witness = false, f.Witness+"; but "+b.Text
			}
		}
	}
	return faults
}

// Target is what the fault acts on: an edge or a node.
func (f Fault) Target() string { return f.Edge + f.Node }

// activate notes that the call which put a fault in force returned. It
// belongs to the oldest open fault of the edge that still waits for it.
func activate(faults []Fault, open []int, e history.Event) {
	for _, i := range open {
		if f := &faults[i]; !f.Active && f.Mode == e.Text {
			f.Active, f.Start.To = true, e.At
			return
		}
	}
}

// witness adds what a witness saw. One that saw the fault not in force
// outweighs all others.
func (f *Fault) witness(e history.Event) {
	if f.Witness == "" || !e.OK {
		f.Witnessed = e.OK
		f.Witness = e.Text
	}
}

// last is the latest moment at which the fault may have been in force.
func (f Fault) last(end history.Time) history.Time {
	if f.End == nil {
		return end
	}
	return f.End.To
}

// overlaps reports whether the fault may have been in force at any time of
// [from, to]. Both of its edges are taken at their widest.
func (f Fault) overlaps(from, to, end history.Time) bool {
	return f.Start.From <= to && from <= f.last(end)
}

// inForce names the faults that may have been in force within an interval,
// apart those that nobody witnessed: they may never have been.
func inForce(faults []Fault, within Interval, end history.Time) (witnessed, unwitnessed []string) {
	witnessed, unwitnessed = []string{}, []string{}
	for _, f := range faults {
		name := fmt.Sprintf("%s on %s", f.Mode, f.Target())
		switch {
		case !f.overlaps(within.From, within.To, end):
		case f.Witnessed:
			witnessed = append(witnessed, name)
		default:
			unwitnessed = append(unwitnessed, name)
		}
	}
	return witnessed, unwitnessed
}
