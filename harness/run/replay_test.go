// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// idle is a scenario that does next to nothing.
var idle = harness.Scenario{Name: "idle", Promises: []string{"G10"}, Exercises: []string{"G10.1"},
	Plan: func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		t := plan.NewTimetable(timers)
		t.Phase(plan.BringUp, harness.BringUp{})
		t.Phase("steady", harness.Hold{For: draw.Duration("idle", time.Second, time.Minute)}, harness.StopTraffic{})
		return topology.Topology{Nodes: []topology.Node{{Name: "cp", Role: topology.ControlPlane}}}, t.Steps()
	},
}

// TestReadPlan: what a run saves is the plan that it drew, from its directory or
// from the file.
func TestReadPlan(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 7, Timers: "fast", Engine: Local}
	drawn, err := o.Draw(idle)
	if err != nil {
		t.Fatal(err)
	}
	r := runner{plan: drawn, dir: t.TempDir()}
	if err := r.savePlan(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{r.dir, filepath.Join(r.dir, planFile)} {
		if back, err := ReadPlan(path, 0); err != nil || !reflect.DeepEqual(back, drawn) {
			t.Errorf("%s: read back as %+v, %v", path, back, err)
		}
	}
	for name, path := range map[string]string{"nothing there": t.TempDir(), "no such file": filepath.Join(r.dir, "x")} {
		if _, err := ReadPlan(path, 0); !errors.Is(err, ErrUsage) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := ReadPlan(r.dir, time.Second); !errors.Is(err, ErrUsage) || !errors.Is(err, plan.ErrBudget) {
		t.Errorf("over its budget: error %v", err)
	}
}

// TestPromisesAreKnown: a plan that asks for what nobody judges is refused, drawn,
// read or handed over.
func TestPromisesAreKnown(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]struct{ promises, exercises []string }{
		"": {[]string{"G10", "G1"}, []string{"G1.1", "G10.2"}},
		`unknown promise "G99": the promises are G1, `:                      {[]string{"G10", "G99"}, nil},
		`exercises: unknown clause "G10.99"`:                                {[]string{"G10"}, []string{"G10.1", "G10.99"}},
		`exercises: unknown clause "G10"`:                                   {[]string{"G10"}, []string{"G10"}},
		"exercises: clause G1.1 is of G1, which is not asked for: the prom": {[]string{"G10"}, []string{"G1.1"}},
	} {
		s := idle
		s.Promises, s.Exercises = c.promises, c.exercises
		o := Options{Seed: 7, Timers: "fast", Engine: Local}
		drawn, err := s.NewPlan(7, topology.Profiles["fast"])
		if err != nil {
			t.Fatal(err)
		}
		r := runner{plan: drawn, dir: t.TempDir()}
		if err := r.savePlan(); err != nil {
			t.Fatal(err)
		}
		_, drew := o.Draw(s)
		_, read := ReadPlan(r.dir, 0)
		_, applied := o.apply(drawn)
		for what, err := range map[string]error{"draw": drew, "read": read, "apply": applied} {
			if err == nil && says != "" || err != nil && (says == "" || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s %v, %v: error %v, want %q", what, c.promises, c.exercises, err, says)
			}
		}
	}
}

func TestDrawKeepsToTheBudget(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 7, Timers: "fast", Budget: time.Second / 2}
	if _, err := o.Draw(idle); !errors.Is(err, ErrUsage) || !errors.Is(err, plan.ErrBudget) {
		t.Errorf("error %v", err)
	}
}

// TestApply: a replayed plan keeps its timers unless others are asked for, and
// its times in any case.
func TestApply(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 7, Timers: "fast", Engine: Local}
	drawn, err := o.Draw(idle)
	if err != nil {
		t.Fatal(err)
	}
	drawn.Profile.Silence = time.Hour // as a plan may have been edited
	for name, c := range map[string]struct {
		timers string
		want   history.Profile
	}{
		"none":     {"", drawn.Profile},
		"the same": {"fast", drawn.Profile},
		"others":   {"kong", topology.Profiles["kong"]},
	} {
		o.Timers = c.timers
		p, err := o.apply(drawn)
		if err != nil || p.Profile != c.want || !reflect.DeepEqual(p.Steps, drawn.Steps) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	o.Timers = "slow"
	if _, err := o.apply(drawn); !errors.Is(err, ErrUsage) {
		t.Errorf("unknown timers: error %v", err)
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 7, Timers: "fast", Engine: Local, Out: "out"}
	p, err := o.Draw(idle)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := Preview(t.Context(), &text, p, o); err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(text.String(), "stop traffic\n")
	want := `
engine    local: asked for
program   gateway: built
program   impostor: built
program   store: built
program   storefront: built
program   toxiproxy: built
program   upstream: built
start     toxiproxy, upstream, store, storefront, cp
judge     G10, at least G10.1
write     out/RUN: plan.json, recording, logs and the report
dry run   nothing was built or started
`
	if after != want {
		t.Errorf("it said\n%s\nwant\n%s", after, want)
	}
	o.Engine = "cloud"
	if err := Preview(t.Context(), &text, p, o); !errors.Is(err, ErrUsage) {
		t.Errorf("unknown engine: error %v", err)
	}
}
