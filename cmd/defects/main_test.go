// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/defect"
	"blackout/harness/history"
	"blackout/harness/journal"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/scenarios"
)

// asHarness makes this test binary a harness that judges as it says: an exit code,
// and the clauses that it finds VIOLATED.
const asHarness = "DEFECTS_TEST_AS_HARNESS"

func TestMain(m *testing.M) {
	if as := os.Getenv(asHarness); as != "" {
		os.Exit(behave(as, os.Args))
	}
	os.Exit(m.Run())
}

// behave writes the report of a run and returns its exit code. "4,0" is a harness
// that calls its first run INVALID and the next one good.
func behave(as string, args []string) int {
	out := args[slices.Index(args, "--out")+1]
	first, next, two := strings.Cut(as, ",")
	if two && strings.HasSuffix(out, "-again") {
		first = next
	}
	code, violated, _ := strings.Cut(first, " ")
	fmt.Println("the last line")
	var exit int
	_, err := fmt.Sscan(code, &exit)
	if err := errors.Join(err, report(filepath.Join(out, "run"), strings.Fields(violated))); err != nil {
		fmt.Println(err)
		return run.ExitUsage
	}
	return exit
}

// report writes the report of a run whose first fault came after a second, and that
// found clauses VIOLATED after three.
func report(dir string, violated []string) error {
	m := reports.Model{Run: "run", Duration: time.Minute, Faults: []reports.Fault{
		{Start: reports.Interval{From: history.Time(2 * time.Second)}}, {Start: reports.Interval{From: history.Time(time.Second)}},
	}}
	for _, id := range violated {
		m.Promises = append(m.Promises, reports.Promise{Verdict: oracle.Verdict{Promise: promiseOf(id), Status: oracle.Violated, Clauses: []oracle.Clause{
			{ID: id, Status: oracle.Violated, Evidence: []oracle.Evidence{{At: history.Time(3 * time.Second), Text: "it was seen"}}},
		}}})
	}
	text, err := json.Marshal(m)
	return errors.Join(err, os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, reports.JSONFile), text, 0o600))
}

const (
	preamble = "Promise: G2\nClause: G2.3\nAlso: G3.6\nScenarios: cp-outage-scale-out\nObservable: it polls\n\n"
	diff     = "diff --git a/cmd/gateway/main.go b/cmd/gateway/main.go\n--- a/cmd/gateway/main.go\n+++ b/cmd/gateway/main.go\n"
)

// asked are options with one patch and a harness that judges as it says.
func asked(t *testing.T, as, patch string) options {
	t.Helper()
	t.Setenv(asHarness, as)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "polls.patch"), []byte(patch), 0o600); err != nil {
		t.Fatal(err)
	}
	return options{
		program: os.Args[0], log: filepath.Join(t.TempDir(), "log.jsonl"), table: filepath.Join(t.TempDir(), "table.md"),
		dir: dir, engine: run.Local, seed: 7, parallel: 2,
	}
}

// emptyRoom has room for all, and counts those who asked to be alone.
type emptyRoom struct{ alone atomic.Int64 }

func (r *emptyRoom) Admit(context.Context) (func(), error) { return func() {}, nil }

func (r *emptyRoom) AdmitAlone(context.Context) (func(), error) {
	r.alone.Add(1)
	return func() {}, nil
}

// campaignOf is a campaign that builds nothing.
func campaignOf(t *testing.T, o options) *campaign {
	t.Helper()
	c, err := newCampaign(t.Context(), o, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.build = func(context.Context, defect.Defect) (string, error) { return "gateway-with-a-defect", nil }
	c.room = new(emptyRoom)
	return c
}

// TestDefect: a defect counts as caught by what was found VIOLATED, and as named
// right by the clause and the promises.
func TestDefect(t *testing.T) {
	for as, want := range map[string]struct{ table, err string }{
		"1 G2.3":           {"| polls | G2.3 | cp-outage-scale-out | right | G2.3 | 2.0 s |", ""},
		"1 G2.3 G2.4 G3.1": {"| right | G2.3 G2.4 G3.1 |", ""}, // G3 falls with it
		"1 G2.3 G4.1":      {"| **wrong** | G2.3 G4.1 |", "the right promise was named for 0 of 1 caught"},
		"1 G2.4":           {"| **wrong** | G2.4 |", "the right promise was named for 0 of 1 caught"},
		"1 G4.1":           {"| **wrong** | G4.1 |", "the right promise was named for 0 of 1 caught"},
		"0":                {"| **nobody**: everything HELD in cp-outage-scale-out |", "polls in cp-outage-scale-out, seed 7: not caught, everything HELD"},
		"7":                {"| **nobody**: NOT MEASURED", "not caught, NOT MEASURED"},
		"4,4":              {"| **nobody**: INVALID", "not caught, INVALID"},
		"4,1 G2.3":         {"| right | G2.3 |", ""},
		"5":                {"| not judged yet in cp-outage-scale-out |", "exit code 5: the last line"},
	} {
		t.Run(as, func(t *testing.T) {
			o := asked(t, as, preamble+diff)
			err := campaignOf(t, o).carryOut(t.Context())
			if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("error %v, want %q", err, want.err)
			}
			text, err := os.ReadFile(o.table)
			if err != nil || !strings.Contains(string(text), want.table) {
				t.Errorf("%v, the table is\n%s\nwithout %s", err, text, want.table)
			}
		})
	}
}

// TestClean: a false alarm is one, an INVALID run is made again, and the count
// carries its bound.
func TestClean(t *testing.T) {
	for as, want := range map[string]struct{ table, err string }{
		"0":      {"| cp-outage-scale-out | 5 of 5 | 0 | 45.1 % | 0 | 0 | 0 | 60.0 s |", ""},
		"4,0":    {"| cp-outage-scale-out | 5 of 5 | 0 | 45.1 % | 5 | 0 | 0 |", ""},
		"4,4":    {"| cp-outage-scale-out | 0 of 5 | 0 | none | 5 | 5 | 0 |", "5 of 5 runs came to nothing, 5 of them INVALID twice"},
		"7":      {"| cp-outage-scale-out | 0 of 5 | 0 | none | 0 | 0 | 5 |", ""},
		"1 G4.1": {"| 5 of 5 | **5** (G4.1 with seed ", "false alarm, G4.1 with seed "},
	} {
		t.Run(as, func(t *testing.T) {
			o := asked(t, as, preamble+diff)
			o.clean = repetitions{"cp-outage-scale-out": 5}
			c := campaignOf(t, o)
			c.lanes = slices.DeleteFunc(c.lanes, func(l lane) bool { return l.defect.Name != "" })
			err := c.carryOut(t.Context())
			if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("error %v, want %q", err, want.err)
			}
			text, err := os.ReadFile(o.table)
			if err != nil || !strings.Contains(string(text), want.table) {
				t.Errorf("%v, the table is\n%s\nwithout %s", err, text, want.table)
			}
			if alone := c.room.(*emptyRoom).alone.Load(); (alone == 5) != strings.HasPrefix(as, "4") {
				t.Errorf("%d runs alone: an INVALID one is made again alone, and no other", alone)
			}
		})
	}
}

// TestGoesOn: what the log has of today's sources, plan and patch is not done again;
// what came to nothing is.
func TestGoesOn(t *testing.T) {
	o := asked(t, "1 G2.3", preamble+diff)
	if err := campaignOf(t, o).carryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv(asHarness, "0")
	if err := campaignOf(t, o).carryOut(t.Context()); err != nil {
		t.Errorf("it was done again: %v", err)
	}
	otherWords := strings.Replace(preamble, "it polls", "it reads often", 1) + diff
	otherChange := preamble + diff + "@@ another @@\n"
	for text, again := range map[string]bool{otherWords: false, otherChange: true} {
		if err := os.WriteFile(filepath.Join(o.dir, "polls.patch"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := campaignOf(t, o).carryOut(t.Context())
		if done := errors.Is(err, errShown); done != again {
			t.Errorf("done again: %t, want %t: %v", done, again, err)
		}
	}
	rows, err := journal.Read[heading, row](o.log, ours)
	if err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// TestTell: the table is written from the log alone.
func TestTell(t *testing.T) {
	o := asked(t, "1 G2.3", preamble+diff)
	o.tell = true
	if err := campaignOf(t, o).carryOut(t.Context()); !errors.Is(err, errShown) || !strings.Contains(err.Error(), "not judged yet: 1, first polls") {
		t.Errorf("error %v, want one that says what is not judged", err)
	}
	if text, err := os.ReadFile(o.table); err != nil || !strings.Contains(string(text), "| polls | G2.3 | not judged yet in cp-outage-scale-out |") {
		t.Errorf("%v, the table is\n%s", err, text)
	}
}

func TestEarlierStates(t *testing.T) {
	o := asked(t, "1 G2.3", preamble+diff)
	c := campaignOf(t, o)
	k, err := c.keyOf(c.lanes[0], c.lanes[0].trials[0])
	if err != nil {
		t.Fatal(err)
	}
	k.State = "of yesterday"
	if err := errors.Join(c.journal.Add(row{key: k, Exit: run.ExitViolated, Violated: []violation{{Clause: "G2.3"}}})); err != nil {
		t.Fatal(err)
	}
	k.State = c.state
	if _, found := c.find(k); found {
		t.Error("a run of an earlier state counts")
	}
	c.earlier = true
	if _, found := c.find(k); !found {
		t.Error("a run of an earlier state does not count, though asked for")
	}
	if err := c.journal.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUntilCaught: of a family, or of all, one scenario must catch.
func TestUntilCaught(t *testing.T) {
	o := asked(t, "1 G2.3", strings.Replace(preamble, "cp-outage-scale-out", "all", 1)+diff)
	if err := campaignOf(t, o).carryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := journal.Read[heading, row](o.log, ours); err != nil || len(rows) != 1 {
		t.Errorf("%d runs though the first one caught it, %v", len(rows), err)
	}
	t.Setenv(asHarness, "0")
	o.log = filepath.Join(t.TempDir(), "log.jsonl")
	if err := campaignOf(t, o).carryOut(t.Context()); err == nil {
		t.Error("nobody caught it, and that is no error")
	}
	if rows, err := journal.Read[heading, row](o.log, ours); err != nil || len(rows) != len(scenarios.All) {
		t.Errorf("%d runs of %d scenarios, %v", len(rows), len(scenarios.All), err)
	}
}

// TestUnknownScenario: a preamble that names what is not there is an error that
// names the defect and what there is.
func TestUnknownScenario(t *testing.T) {
	o := asked(t, "0", strings.Replace(preamble, "cp-outage-scale-out", "no-such", 1)+diff)
	_, err := newCampaign(t.Context(), o, t.TempDir(), nil)
	if !errors.Is(err, run.ErrUsage) || !strings.Contains(err.Error(), `defect polls: unknown scenario "no-such"`) || !strings.Contains(err.Error(), "storage") {
		t.Errorf("error %v", err)
	}
}

// TestShippedScenarios: every patch names scenarios that there are.
func TestShippedScenarios(t *testing.T) {
	t.Parallel()
	all, err := defect.All(filepath.Join("..", "..", defect.Dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if _, err := lanes(d, d.Scenarios, 7); err != nil {
			t.Error(err)
		}
	}
	for _, name := range defect.Controls {
		if !slices.ContainsFunc(all, func(d defect.Defect) bool { return d.Name == name }) {
			t.Errorf("the control %s is no defect", name)
		}
	}
}

// TestInterrupted: a run that was cut short has shown nothing.
func TestInterrupted(t *testing.T) {
	o := asked(t, "0", preamble+diff)
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errors.New("enough"))
	if err := campaignOf(t, o).carryOut(ctx); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v, want the interrupt", err)
	}
	if rows, err := journal.Read[heading, row](o.log, ours); err != nil || len(rows) != 0 {
		t.Errorf("rows %+v, %v", rows, err)
	}
}

func TestBuildFails(t *testing.T) {
	o := asked(t, "0", preamble+diff)
	c, err := newCampaign(t.Context(), o, t.TempDir(), nil) // in which there is no gateway
	if err != nil {
		t.Fatal(err)
	}
	if err := c.carryOut(t.Context()); err == nil || !strings.Contains(err.Error(), filepath.Join(o.dir, "polls.patch")) {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// fullRoom has room for nobody.
type fullRoom struct{ emptyRoom }

func (*fullRoom) Admit(ctx context.Context) (func(), error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestNoRoom: on a machine that is too busy nothing begins.
func TestNoRoom(t *testing.T) {
	o := asked(t, "1 G2.3", preamble+diff)
	c := campaignOf(t, o)
	c.room = new(fullRoom)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.carryOut(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the end of the wait", err)
	}
	if rows, err := journal.Read[heading, row](o.log, ours); err != nil || len(rows) > 0 {
		t.Errorf("%d rows, %v: something was run", len(rows), err)
	}
}

func TestCleanSeeds(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]bool)
	for _, l := range cleanLanes(repetitions{"cp-outage-scale-out": 50}, 7) {
		seen[l.trials[0].Seed] = true
	}
	if len(seen) != 50 {
		t.Errorf("50 repetitions with %d seeds", len(seen))
	}
	n := len(cleanLanes(repetitions{"cp-outage-scale-out": 50, others: 5}, 7))
	if want := 50 + 5*(len(scenarios.All)-1); n != want {
		t.Errorf("%d repetitions, want %d", n, want)
	}
}

func TestIsChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "polls.patch"), []byte(preamble+diff), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := defect.All(dir)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"cmd/gateway/main.go": true, defect.Dir + "/polls.patch": true, "README.md": false, "": false} {
		if got := isChanged(all[0], defect.Dir, []string{"go.mod", file}); got != want {
			t.Errorf("%q changed: %t, want %t", file, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{
		{"more"}, {"--parallel", "0"}, {"--engine", "auto"}, {"--clean", "no-such=3"}, {"--clean", "cp-outage-scale-out=-1"}, {"--clean", "many"}, {"--at-most", "-1"},
	} {
		if _, err := parse(bad); !errors.Is(err, run.ErrUsage) {
			t.Errorf("%q: error %v, want one of usage", bad, err)
		}
	}
	o, err := parse([]string{"--clean", "cp-outage-scale-out=3,1"})
	if err != nil || o.clean.of("cp-outage-scale-out") != 3 || o.clean.of("nemesis") != 1 {
		t.Errorf("%+v, %v", o.clean, err)
	}
	for _, none := range [][]string{{"--clean", "none"}, {"--changed", "HEAD"}} {
		if o, err := parse(none); err != nil || o.clean.of("nemesis") != 0 {
			t.Errorf("%q: %+v, %v", none, o.clean, err)
		}
	}
	if o, err = parse(nil); err != nil || o.clean.of("cp-outage-scale-out") != 50 || o.clean.of("nemesis") != 5 || o.clean.String() != "cp-outage-scale-out=50,5" {
		t.Errorf("%+v, %v", o.clean, err)
	}
}

// TestCount: a defect is caught where every scenario that must has caught it.
func TestCount(t *testing.T) {
	t.Parallel()
	p := defect.Preamble{Promise: "G2", Clause: "G2.3"}
	came := func(name string, exit int, clauses ...string) judged {
		j := judged{defect: defect.Defect{Name: name, Preamble: p}, outcome: row{Exit: exit}, done: true}
		for _, c := range clauses {
			j.outcome.Violated = append(j.outcome.Violated, violation{Clause: c})
		}
		return j
	}
	all := table{defects: []judged{
		came("twice", run.ExitViolated, "G2.3"), came("twice", run.ExitViolated, "G2.3", "G2.1"),
		came("once", run.ExitViolated, "G2.3"), came("once", run.ExitHeld),
		came("wrong", run.ExitViolated, "G2.3"), came("wrong", run.ExitViolated, "G4.1"),
		{defect: defect.Defect{Name: "not yet", Preamble: p}},
	}}
	if got, want := all.count(), (count{asked: 4, done: 3, caught: 2, named: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if m := median([]time.Duration{3, 1, 2}); m != 2 {
		t.Errorf("median %d", m)
	}
	if m := median(nil); m != 0 {
		t.Errorf("median of none: %d", m)
	}
}
