// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"blackout/harness"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// Preview writes a plan, and what carrying it out would build, start, probe,
// judge and leave. It starts nothing.
func Preview(ctx context.Context, w io.Writer, p plan.Plan, o Options) error {
	p, err := o.apply(p)
	if err != nil {
		return err
	}
	if err := p.Print(w); err != nil {
		return err
	}
	r := &runner{options: o, plan: p}
	lines := []string{""}
	say := func(what, text string) { lines = append(lines, fmt.Sprintf("%-9s %s", what, text)) }
	if r.choice, err = chooseEngine(ctx, o); err != nil {
		say("engine", fmt.Sprintf("%v: the run would end with exit code %d", err, ExitEnvironment))
		r.choice.engine = o.Engine
	} else {
		say("engine", strings.TrimPrefix(r.choice.why, "engine "))
	}
	for _, program := range r.programSources() {
		say("program", program)
	}
	say("start", strings.Join(atStart(p.Topology), ", "))
	if added := addedLater(p); len(added) > 0 {
		say("add", strings.Join(added, ", "))
	}
	for _, s := range harness.Streams(p) {
		say("probe", fmt.Sprintf("%s, every %s", s.Name, s.Interval))
	}
	for _, promise := range p.Promises {
		say("judge", clausesOf(promise, p.Exercises))
	}
	if o.SLO != nil {
		for _, objective := range o.SLO.Objectives {
			say("prove", objective.Name)
		}
	}
	say("write", filepath.Join(o.Out, "RUN")+": "+planFile+", "+recordingDir+", "+logsDir+" and the report")
	if o.Repeat != nil {
		say("command", o.Repeat(o.Engine))
	}
	say("dry run", "nothing was built or started")
	_, err = fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// programSources say where each program of a run comes from, by name.
func (r *runner) programSources() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Values(r.needed())) {
		source := "built"
		switch {
		case r.options.Images[name] != "":
			source = "image " + r.options.Images[name]
		case name == "gateway" && r.options.Gateway != "":
			source = r.options.Gateway
		case name == "gateway" && r.options.BuildGateway != nil:
			source = "built with a known defect"
		}
		out = append(out, name+": "+source)
	}
	return out
}

// atStart are the nodes that the bring-up starts.
func atStart(t topology.Topology) []string {
	names := append([]string{topology.Toxiproxy}, t.UpstreamNames()...)
	for _, store := range t.StoreNames() {
		names = append(names, store, topology.FrontOf(store))
	}
	for _, n := range t.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// addedLater are the nodes that steps start.
func addedLater(p plan.Plan) []string {
	var names []string
	for _, n := range harness.Nodes(p)[len(p.Topology.Nodes):] {
		names = append(names, n.Name)
	}
	return names
}

// clausesOf is a promise with the clauses of it that the plan is there to exercise.
func clausesOf(promise string, exercises []string) string {
	var clauses []string
	for _, c := range exercises {
		if strings.HasPrefix(c, promise+".") {
			clauses = append(clauses, c)
		}
	}
	if len(clauses) == 0 {
		return promise
	}
	return promise + ", at least " + strings.Join(clauses, ", ")
}
