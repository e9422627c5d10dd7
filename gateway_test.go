// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness/build"
	"blackout/harness/defect"
	"blackout/harness/label"
	"blackout/harness/match"
	"blackout/harness/run"
	"blackout/scenarios"
)

var _ = Describe("the good gateway", labels(label.Good), func() {
	for _, scenario := range scenarios.All {
		for _, engine := range []string{run.Local, run.Docker} {
			It(fmt.Sprintf("keeps every promise of %s on %s", scenario.Name, engine), labels(scenario.Labels...), labels(label.Label(engine)), func(ctx SpecContext) {
				needs(ctx, engine)
				needsDatabase(ctx, scenario)
				result := carryOut(ctx, scenario, engine)
				Expect(result.Races).To(BeEmpty(), "data races in the nodes")
				Expect(result).To(match.Hold())
			}, SpecTimeout(specTimeout))
		}
	}
})

// The controls alone: make defects judges all, and those whose code a change touched
// with CHANGED.
var _ = Describe("a known-bad gateway", labels(label.Defect, label.Local), func() {
	for _, name := range defect.Controls {
		planted, err := defect.Find(".", name)
		if err != nil {
			panic(err)
		}
		for _, caught := range planted.Scenarios {
			scenario, err := scenarios.Find(caught)
			if err != nil {
				panic(fmt.Errorf("defect %s: %w", name, err))
			}
			It(fmt.Sprintf("is caught by %s: %s", scenario.Name, name), labels(scenario.Labels...), func(ctx SpecContext) {
				needsDatabase(ctx, scenario)
				// The judging run builds the defect and never sees the preamble.
				judged := blackout(ctx, "run", scenario.Name, "--engine", run.Local, "--defect", name)
				Expect(judged).To(match.ExitWith(run.ExitViolated))
				Expect(judged.run).To(match.ViolateOnly(planted.Promise, planted.Clause, planted.Also...))
			}, SpecTimeout(specTimeout))
		}
	}
})

var _ = Describe("the patch that changes nothing", labels(label.Defect, label.Local), func() {
	It("gives the good gateway, byte for byte", func(ctx SpecContext) {
		request := build.Request{Programs: []string{"gateway"}}
		good, err := build.Programs(ctx, request)
		Expect(err).NotTo(HaveOccurred())
		empty, err := defect.Empty.Build(ctx, request)
		Expect(err).NotTo(HaveOccurred())
		Expect(empty.Digest).To(Equal(good["gateway"].Digest))
	}, SpecTimeout(specTimeout))
})
