// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
)

// shapes has what a topology can have: control planes that share a database and
// one that does not, a backup node that is a control plane, two stores, two
// upstreams, and a data plane that is changed and one that goes while it runs, and
// back again.
var shapes = harness.Scenario{
	Name: "shapes", Summary: "every shape of topology comes up and changes", Promises: []string{"G13"},
	Plan: func(plan.Source, history.Profile) (topology.Topology, []plan.Step) {
		before := topology.Topology{}.WithStores(topology.Store, "second-store").WithUpstreams(topology.Upstream, "second-upstream").With(
			topology.Node{Name: "cp-1", Role: topology.ControlPlane, Database: "main", Export: true},
			topology.Node{Name: "cp-2", Role: topology.ControlPlane, Database: "main"},
			topology.Node{Name: "cp-3", Role: topology.ControlPlane},
			topology.Node{Name: "dp-1", Role: topology.DataPlane, Import: true},
			topology.Node{Name: "dp-2", Role: topology.DataPlane, ControlPlane: "cp-2", Import: true, Store: "second-store"},
			topology.Node{Name: "dp-3", Role: topology.DataPlane, ControlPlane: "cp-3"},
		)
		after := before.WithParameter("dp-2", "log_level", "info").Without("dp-3").
			With(topology.Node{Name: "dp-4", Role: topology.DataPlane, ControlPlane: "cp-2"})
		var steps []plan.Step
		for _, a := range []plan.Action{
			harness.BringUp{},
			harness.Configure{Generation: 1, Routes: 3},
			harness.AwaitServing{Nodes: []string{"dp-1", "dp-2"}, Generation: 1, Steady: true},
			harness.AwaitSnapshot{Generation: 1, Steady: true},
			harness.Become{Topology: after},
			harness.Change{Generation: 2},
			harness.AwaitServing{Nodes: []string{"dp-1", "dp-2", "dp-4"}, Generation: 2, Steady: true},
			harness.Become{Topology: before}, // a node comes back, a parameter goes
			harness.Change{Generation: 3},
			harness.AwaitServing{Nodes: []string{"dp-1", "dp-2"}, Generation: 3, Steady: true},
			// It serves nothing that could be waited for.
			harness.Hold{For: 2 * time.Second, Why: "dp-3 says that it runs"},
		} {
			steps = append(steps, plan.Step{Phase: "bring-up", Action: a})
		}
		return before, steps
	},
}

var _ = Describe("a topology of many parts", labels(label.Topology), func() {
	for _, engine := range []string{run.Local, run.Docker} {
		It("comes up and changes on "+engine, labels(label.Label(engine)), func(ctx SpecContext) {
			needs(ctx, engine)
			options := optionsIn(home(ctx), engine, shapes)
			options.Race = engine == run.Local // however many they are: nobody has to keep times
			options.Repeat = func(string) string { return "go test . -ginkgo.focus='many parts'" }
			result, err := run.Run(ctx, shapes, options)
			Expect(err).NotTo(HaveOccurred(), "see %s", result.Dir)
			// Every wait of the plan is for a steady state: had one not come about, the
			// run would have ended there. No fault was in force, so nothing is judged.
			Expect(result.Err).NotTo(HaveOccurred(), "see %s", result.Dir)
			Expect(result.Races).To(BeEmpty(), "data races in the nodes")
			Expect(fmt.Sprint(steps(result))).To(ContainSubstring("dp-4"))
			Expect(starts(result, "dp-2")).To(Equal(3), "once, and at each change")
			Expect(starts(result, "dp-3")).To(Equal(2), "once, and when it came back")
		}, SpecTimeout(specTimeout))
	}
})

// starts is how often a node was started and then wrote that it runs, each time.
func starts(result run.Result, node string) int {
	GinkgoHelper()
	rec, err := result.Recording()
	Expect(err).NotTo(HaveOccurred())
	var started, wrote int
	for _, e := range rec.Events {
		switch {
		case e.Node == node && e.Kind == history.NodeStart:
			started++
		case e.Node == node && e.Kind == history.NodeLog && strings.Contains(e.Text, "node.started"):
			wrote++
		}
	}
	Expect(wrote).To(Equal(started), "every life of %s is in the recording", node)
	return started
}

// steps are the titles of the steps that a run carried out to their end.
func steps(result run.Result) []string {
	GinkgoHelper()
	rec, err := result.Recording()
	Expect(err).NotTo(HaveOccurred())
	var titles []string
	for _, e := range rec.Events {
		if e.Kind == history.StepEnd && e.OK {
			titles = append(titles, e.Text)
		}
	}
	return titles
}
