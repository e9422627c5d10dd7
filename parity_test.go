// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/scenarios"
)

// inContainers are the clauses that the outage exercises where nodes run in
// containers alone, and why.
var inContainers = map[string]string{
	"G4.4": "an edge that refuses is seen to be dialled by its packets, which are counted in a network namespace",
	"G4.7": "so is the phase of running data planes' attempts",
}

// For the night: the good gateway is judged in the same scenario on each engine at
// every change.
var _ = Describe("one seed", labels(label.Parity, label.Docker, label.Nightly), func() {
	scenario := scenarios.All[0]
	It("makes the same plan and comes to the same verdicts on both engines, also when judged again", func(ctx SpecContext) {
		needs(ctx, run.Docker)
		judged := make(map[string]judgement)
		for _, engine := range []string{run.Local, run.Docker} {
			j := blackout(ctx, "run", scenario.Name, "--engine", engine)
			judged[engine] = j
			again, err := exec.CommandContext(ctx, program, "rejudge", string(j.run)).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(again))
			Expect(string(again)).To(ContainSubstring("0 violated, 0 invalid, 0 not measured"))
			Expect(statuses(rejudged(j))).To(Equal(statuses(reported(j))), "judged again, %s", engine)
		}
		local, docker := judged[run.Local], judged[run.Docker]
		Expect(savedPlan(docker)).To(Equal(savedPlan(local)), "the plans' bytes")
		for id, status := range statuses(reported(docker)) {
			other := statuses(reported(local))[id]
			if why := inContainers[id]; why != "" && status == oracle.Held {
				Expect(other).To(Equal(oracle.NotMeasured), "%s on local: %s", id, why)
				continue
			}
			Expect(other).To(Equal(status), "%s on local and on docker", id)
		}
	}, SpecTimeout(specTimeout))
})

// savedPlan is a run's plan as it was saved.
func savedPlan(j judgement) string {
	GinkgoHelper()
	b, err := os.ReadFile(filepath.Join(string(j.run), "plan.json"))
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// reported are the clauses in a run's report.
func reported(j judgement) []oracle.Clause {
	var out []oracle.Clause
	for _, p := range j.report.Promises {
		for _, c := range p.Clauses {
			out = append(out, oracle.Clause{ID: c.ID, Status: c.Status})
		}
	}
	return out
}

// rejudged are the clauses that today's oracles make of a run's recording alone.
func rejudged(j judgement) []oracle.Clause {
	GinkgoHelper()
	rec, err := history.Load(filepath.Join(string(j.run), "recording"))
	Expect(err).NotTo(HaveOccurred())
	result, err := oracle.Judge(rec, rec.Header.Promises, rec.Header.Exercises...)
	Expect(err).NotTo(HaveOccurred())
	var out []oracle.Clause
	for _, v := range result.Verdicts {
		out = append(out, v.Clauses...)
	}
	return out
}

// statuses are clauses' statuses by id. A clause that is there twice is none.
func statuses(clauses []oracle.Clause) map[string]oracle.Status {
	out := make(map[string]oracle.Status)
	for _, c := range clauses {
		if _, twice := out[c.ID]; twice || !strings.HasPrefix(c.ID, "G") {
			panic(fmt.Sprintf("clause %q", c.ID))
		}
		out[c.ID] = c.Status
	}
	return out
}
