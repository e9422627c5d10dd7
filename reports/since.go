// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/oracle"
)

// series are the runs of an index that asked the same of the same.
type series struct {
	scenario, timers, engine, gateway, control string
	runs                                       []IndexedRun // oldest first
}

// name is what tells the series from the others.
func (s series) name() string {
	name := s.scenario + ", timers " + recordedOr(s.timers) + ", engine " + recordedOr(s.engine) + ", " + recordedOr(s.gateway)
	if s.control != "" {
		name += ", control " + s.control
	}
	return name
}

// seriesOf sorts the runs of an index into series, by name.
func seriesOf(x Index) []series {
	by := map[string]*series{}
	for _, r := range slices.Backward(x.Runs) {
		key := r.seriesKey()
		if by[key] == nil {
			by[key] = &series{scenario: r.Scenario, timers: r.Timers, engine: r.Engine, gateway: r.Gateway, control: r.Control}
		}
		by[key].runs = append(by[key].runs, r)
	}
	var out []series
	for _, key := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[key])
	}
	return out
}

// seriesKey is the same for runs of one series.
func (r IndexedRun) seriesKey() string {
	return strings.Join([]string{r.Scenario, r.Timers, r.Engine, r.Gateway, r.Control}, "\x00")
}

// breakage is a promise that was VIOLATED after it had HELD, the last time that it was.
type breakage struct {
	series   series
	promise  string
	held     IndexedRun  // the last in which it HELD before
	first    IndexedRun  // in which it was VIOLATED
	violated int         // runs in which it was, from the first on until it HELD again
	again    *IndexedRun // in which it HELD again; nil: in none since
}

// newSince lists, for each series and promise, the last change from HELD to VIOLATED:
// first those that stand, and of them the newest first. Runs in which the promise was
// INVALID or NOT MEASURED say nothing of it.
func newSince(x Index) []breakage {
	var out []breakage
	for _, s := range seriesOf(x) {
		for _, promise := range promisesOf(s.runs) {
			if found, ok := s.breakage(promise); ok {
				out = append(out, found)
			}
		}
	}
	stands := func(s breakage) int {
		if s.again == nil {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b breakage) int {
		return cmp.Or(cmp.Compare(stands(a), stands(b)), b.first.Started.Compare(a.first.Started))
	})
	return out
}

// breakage is the last time that a promise of the series was VIOLATED after it had HELD.
func (s series) breakage(promise string) (found breakage, ok bool) {
	var held *IndexedRun
	broken := false // since it last HELD
	for i, r := range s.runs {
		switch status := r.Promises[promise]; {
		case status == oracle.Held:
			if broken && ok && found.again == nil {
				found.again = &s.runs[i]
			}
			held, broken = &s.runs[i], false
		case status != oracle.Violated:
		case broken:
			found.violated++
		case held != nil:
			found, ok, broken = breakage{series: s, promise: promise, held: *held, first: r, violated: 1}, true, true
		}
	}
	return found, ok
}

// promisesOf are the promises that any of some runs was asked for, by number.
func promisesOf(runs []IndexedRun) []string {
	all := map[string]bool{}
	for _, r := range runs {
		for promise := range r.Promises {
			all[promise] = true
		}
	}
	number := func(promise string) int {
		n, err := strconv.Atoi(strings.TrimLeft(promise, "G"))
		if err != nil {
			return 0 // no promise of the contract: by its name
		}
		return n
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b)) })
}
