// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/label"
	"blackout/harness/match"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/scenarios"
)

var _ = Describe("a plan", labels(label.Replay, label.Local), func() {
	It("made smaller by hand is carried out byte for byte", func(ctx SpecContext) {
		smaller := write(withoutScaleOut())
		path := filepath.Join(GinkgoT().TempDir(), "smaller.json")
		Expect(os.WriteFile(path, smaller, 0o600)).To(Succeed())

		replayed := blackout(ctx, "replay", path, "--engine", run.Local)

		Expect(replayed).To(match.ExitWith(run.ExitHeld))
		Expect(os.ReadFile(filepath.Join(string(replayed.run), "plan.json"))).To(Equal(smaller))
		Expect(replayed.report.Steps).NotTo(BeEmpty())
		for _, step := range replayed.report.Steps {
			Expect(step.Began).To(BeNumerically(">=", step.Planned), "step %d (%s) began early", step.Step, step.Text)
		}
	}, SpecTimeout(specTimeout))
})

// withoutScaleOut is the first scenario's plan without the data planes that it
// adds, and without what is done to them.
func withoutScaleOut() plan.Plan {
	GinkgoHelper()
	p, err := scenarios.All[0].NewPlan(seed, topology.Profiles["fast"])
	Expect(err).NotTo(HaveOccurred())
	added := make(map[string]bool)
	for _, n := range harness.Nodes(p)[len(p.Topology.Nodes):] {
		added[n.Name] = true
	}
	isAdded := func(name string) bool { return added[name] }
	var steps []plan.Step
	for _, s := range p.Steps {
		switch a := s.Action.(type) {
		case harness.ScaleOut, harness.AwaitAttempts, harness.Plant:
			continue
		case harness.StartTraffic:
			a.Nodes = slices.DeleteFunc(slices.Clone(a.Nodes), isAdded)
			if len(a.Nodes) == 0 {
				continue
			}
			s.Action = a
		case harness.AwaitServing:
			a.Nodes = slices.DeleteFunc(slices.Clone(a.Nodes), isAdded)
			if len(a.Nodes) == 0 {
				continue
			}
			s.Action = a
		}
		s.Number = len(steps) + 1
		steps = append(steps, s)
	}
	p.Steps, p.Promises, p.Exercises = steps, []string{"G10"}, []string{"G10.1", "G10.2", "G10.4"}
	return p
}

func write(p plan.Plan) []byte {
	GinkgoHelper()
	var b bytes.Buffer
	Expect(p.Encode(&b)).To(Succeed())
	return b.Bytes()
}
