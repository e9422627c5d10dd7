// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

// TestMetersBelieAWitness: a fault that its edge's meters contradict proves nothing,
// and nothing that honest meters show contradicts one.
func TestMetersBelieAWitness(t *testing.T) {
	t.Parallel()
	moves := func(at float64, offered, passed int64) mutation {
		return add(func(s *story) {
			s.event(at, history.Event{Kind: history.EdgeBytes, Edge: "dp-1>cp", Offered: offered, Passed: passed})
		})
	}
	dials := func(at float64) mutation { return add(func(s *story) { s.dials("dp-1", "dp-1>cp", at) }) }
	cut := func(kind string) mutation {
		return edit(match{kind: history.FaultInject, edge: "dp-1>cp"}, func(e *history.Event) { e.Text = kind })
	}
	for name, c := range map[string]struct {
		do     mutation
		belied string // empty: the fault is believed
	}{
		"bytes came through a blackhole":          {all(cut("blackhole"), moves(9, 4100, 0), moves(15, 4900, 600)), "bytes came through before 15.00 s"},
		"and through a reset":                     {all(cut("reset"), moves(9, 4100, 0), moves(15, 4900, 600)), "bytes came through before 15.00 s"},
		"bytes reached a refusing edge":           {all(cut("exit"), moves(15, 4900, 0)), "bytes reached the edge before 15.00 s"},
		"so did an attempt":                       {all(cut("exit"), dials(15)), "dp-1 reached the edge at 15.00 s"},
		"one reached an edge that drops":          {all(cut("drop"), dials(15)), "dp-1 reached the edge at 15.00 s"},
		"the first bytes of an edge came through": {all(cut("blackhole"), drop(match{kind: history.EdgeBytes}), moves(15, 900, 600)), "bytes came through before 15.00 s"},
		"attempts reach a blackhole":              {all(cut("blackhole"), dials(15), moves(15.1, 4900, 0)), ""},
		"bytes reach an edge that drops answers":  {all(cut("drop"), moves(15, 4900, 0)), ""},
		"slow bytes come through":                 {all(cut("latency"), dials(15), moves(15, 4900, 600)), ""},
		"a poll finds late what moved before":     {all(cut("blackhole"), moves(8.4, 4900, 600)), ""},
		"what moves after the healing is another": {all(cut("exit"), dials(25.3), moves(25.4, 4900, 600)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := goodRun()
			c.do(rec)
			result, err := Judge(rec, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, check := range result.Validity {
				if check.Name == "faults witnessed" && (check.OK != (c.belied == "") || !strings.Contains(check.Text, c.belied)) {
					t.Errorf("the check says %t, %s", check.OK, check.Text)
				}
			}
			var belied []string
			for _, b := range result.Belied {
				belied = append(belied, b.Edge+": "+b.Text)
			}
			if want := "dp-1>cp: " + c.belied; (c.belied != "") != slices.Equal(belied, []string{want}) {
				t.Errorf("belied %q, want %q alone if it says anything", belied, want)
			}
			loses := statuses(t, all(c.do, request("dp-1", 14, lose(history.Timeout))))["G10.1"]
			if c.belied != "" && (loses.Status != Invalid || !strings.Contains(loses.Reason, "was not in force all the time: "+c.belied)) {
				t.Errorf("G10.1 is %s: %s", loses.Status, loses.Reason)
			}
			if c.belied == "" && loses.Status != Violated {
				t.Errorf("G10.1 is %s though a request was lost: %s", loses.Status, loses.Reason)
			}
		})
	}
}
