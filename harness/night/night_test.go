// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package night

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"blackout/harness"
	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
)

// lasting is a scenario that lasts so long with fast timers, and ten times as long with
// those of a Kong.
func lasting(name string, d time.Duration) harness.Scenario {
	return harness.Scenario{Name: name, Labels: []label.Label{label.Nightly}, Plan: func(_ plan.Source, p history.Profile) (topology.Topology, []plan.Step) {
		length := d
		if p.Name == "kong" {
			length *= 10
		}
		t := plan.NewTimetable(p)
		t.Phase(plan.BringUp, harness.BringUp{})
		t.Phase("steady", harness.Hold{For: length}, harness.Hold{})
		return topology.Topology{Nodes: []topology.Node{{Name: "cp", Role: topology.ControlPlane}}}, t.Steps()
	}}
}

func choice() Choice {
	c := Choice{
		Nemesis:    lasting("nemesis", 30*time.Second),
		MostRounds: 5, Soak: lasting("soak", 2*time.Minute), ShortSoak: lasting("short", time.Minute),
	}
	c.Nemesis.Rounds = func(rounds int) harness.Planner { return lasting("nemesis", time.Duration(rounds)*10*time.Second).Plan }
	c.All = []harness.Scenario{lasting("a", 30*time.Second), lasting("b", 40*time.Second), lasting("c", time.Hour/2), c.Nemesis, c.Soak, c.ShortSoak}
	return c
}

func draw(t *testing.T, seed uint64, budget time.Duration) []Item {
	t.Helper()
	items, err := Draw(seed, budget, choice())
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// TestDraw: the night is filled and not overfilled, every scenario that fits has its
// turn before one has two, and one seed is one night.
func TestDraw(t *testing.T) {
	t.Parallel()
	for _, budget := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 3 * time.Hour} {
		items := draw(t, 7, budget)
		if again := draw(t, 7, budget); !slices.Equal(items, again) {
			t.Errorf("%s: two nights of one seed differ:\n%v\n%v", budget, items, again)
		}
		left, times, seeds := budget, make(map[string]int), make(map[uint64]bool)
		for i, it := range items {
			left -= it.Length + Overhead
			times[it.Scenario]++
			seeds[it.Seed] = true
			if it.Number != i+1 {
				t.Errorf("%s: run %d has number %d", budget, i+1, it.Number)
			}
		}
		if left < 0 || left >= 30*time.Second+Overhead {
			t.Errorf("%s: %s is left", budget, left)
		}
		if len(seeds) != len(items) {
			t.Errorf("%s: %d seeds of %d runs", budget, len(seeds), len(items))
		}
		if d := times["a"] - times["b"]; budget >= 15*time.Minute && (d < 0 || d > 1 || times["a"] < 2) {
			t.Errorf("%s: %v", budget, times)
		}
	}
}

// TestNemesisAndSoak have the timers of a Kong where the night is long enough.
func TestNemesisAndSoak(t *testing.T) {
	t.Parallel()
	for budget, want := range map[time.Duration][2]string{
		5 * time.Minute:  {"nemesis fast 1", "short fast 0"}, // a round of 100 s and its overhead are more than a third
		15 * time.Minute: {"nemesis kong 2", "short fast 0"},
		4 * time.Hour:    {"nemesis kong 5", "soak kong 0"},
	} {
		items := draw(t, 7, budget)
		for i, w := range want {
			if got := items[i].Scenario + " " + items[i].Timers + " " + string(rune('0'+items[i].Rounds)); got != w {
				t.Errorf("%s: run %d is %s, want %s", budget, i+1, got, w)
			}
		}
	}
}

// TestLongNemesis lasts for its share of the night, also if that is more than other plans
// may last.
func TestLongNemesis(t *testing.T) {
	t.Parallel()
	c := choice()
	c.MostRounds = 100
	items, err := Draw(7, 6*time.Hour, c)
	if err != nil {
		t.Fatal(err)
	}
	if first := items[0]; first.Rounds != 71 || first.Length <= harness.DefaultBudget {
		t.Errorf("the first run is %s, want 71 rounds of 100 s in two hours", first)
	}
}

var aNight = Night{Began: "2026-01-02T03:04:05Z", Commit: "abc", Seed: 7, Engine: "local", Budget: time.Hour, Items: 3}

// result is that of a run with a verdict on G13.
func result(status oracle.Status) run.Result {
	return run.Result{Dir: "runs/x", Oracle: oracle.Result{Verdicts: []oracle.Verdict{{Promise: "G13", Status: status, Clauses: []oracle.Clause{
		{ID: flatClause, Status: status, Evidence: []oracle.Evidence{{Text: "dp-1 has 20 open files"}}},
	}}}}}
}

// TestLine: the worst code counts, and every verdict and every failure is there.
func TestLine(t *testing.T) {
	t.Parallel()
	runs := []Done{
		DoneOf(Item{Number: 1}, result(oracle.Held), nil),
		DoneOf(Item{Number: 2}, result(oracle.Violated), nil),
		DoneOf(Item{Number: 3}, result(oracle.Invalid), nil),
	}
	if !slices.Equal(runs[1].Violated, []string{flatClause}) || runs[1].Code != run.ExitViolated || len(runs[0].Figures) != 1 {
		t.Errorf("%+v", runs)
	}
	l := LineOf(aNight, "done", runs)
	if l.Code != run.ExitViolated || l.Runs != 3 || l.Invalid != 1 || len(l.Failures) != 2 || len(l.Figures) != 3 ||
		!reflect.DeepEqual(l.Promises, map[string]map[string]int{"G13": {"HELD": 1, "VIOLATED": 1, "INVALID": 1}}) {
		t.Errorf("%+v", l)
	}
	broken := DoneOf(Item{}, run.Result{}, errors.Join(engine.ErrUnavailable))
	if l := LineOf(aNight, "done", append(runs, broken)); l.Code != run.ExitEnvironment || broken.Error == "" {
		t.Errorf("%+v", l)
	}
	if l := LineOf(aNight, "interrupted", nil); l.Code != run.ExitNotMeasured {
		t.Errorf("a night without a run: %+v", l)
	}
}

// TestRecover: what was noted of a night that was killed comes into the history, once,
// and a night that goes on does not.
func TestRecover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, j, err := Begin(dir, aNight)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Add(DoneOf(Item{Number: 1}, result(oracle.Violated), nil)); err != nil {
		t.Fatal(err)
	}
	if found, err := Recover(dir); err != nil || len(found) != 0 {
		t.Errorf("while it goes on: %v, %v", found, err)
	}
	if err := j.Close(); err != nil { // as the end of its process does
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(path, journalFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"number":2,"scen`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := Recover(dir)
	if err != nil || len(found) != 1 || found[0].Ended != "killed" || found[0].Runs != 1 || found[0].Code != run.ExitViolated || found[0].Night != aNight {
		t.Errorf("%+v, %v", found, err)
	}
	if again, err := Recover(dir); err != nil || len(again) != 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	other := aNight
	other.Seed = 8
	if err := Remember(dir, LineOf(other, "done", nil)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, historyFile))
	if err != nil || bytes.Count(text, []byte("\n")) != 3 {
		t.Errorf("the history:\n%s\n%v", text, err)
	}
}
