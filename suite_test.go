// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/defect"
	"blackout/harness/engine/docker"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/scenarios"
)

// suiteEngine names the engines that the suite uses: "docker", "local" or
// "auto", which is both where a Docker daemon answers.
const suiteEngine = "BLACKOUT_ENGINE"

// specTimeout bounds one run, building included.
const specTimeout = 20 * time.Minute

func TestMain(m *testing.M) {
	run.Guard()
	os.Exit(m.Run())
}

func TestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite runs whole topologies; left out by -short")
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "Blackout")
}

var _ = Describe("the good gateway", func() {
	for _, scenario := range scenarios.All {
		for _, engine := range []string{run.Local, run.Docker} {
			It(fmt.Sprintf("keeps every promise of %s on %s", scenario.Name, engine), Label("outage", engine), func(ctx SpecContext) {
				needs(ctx, engine)
				result := carryOut(ctx, scenario, run.Options{Engine: engine, Race: engine == run.Local})
				Expect(result.Races).To(BeEmpty(), "data races in the nodes")
				for _, v := range result.Oracle.Verdicts {
					Expect(v).To(HaveStatus(oracle.Held))
				}
			}, SpecTimeout(specTimeout))
		}
	}
})

var _ = Describe("a known-bad gateway", func() {
	root, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	names, err := defect.Names(root)
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		It("is caught: "+name, Label("defect"), func(ctx SpecContext) {
			needs(ctx, run.Local)
			preamble, err := defect.Read(root, name)
			Expect(err).NotTo(HaveOccurred(), "preamble of %s", name)
			gateway, err := defect.Build(ctx, name, buildRequest(root))
			Expect(err).NotTo(HaveOccurred(), "build of %s", name)
			for _, s := range preamble.Scenarios {
				scenario, err := scenarios.Find(s)
				Expect(err).NotTo(HaveOccurred())
				// The run is given the executable and nothing else.
				result := carryOut(ctx, scenario, run.Options{Engine: run.Local, Gateway: gateway})
				Expect(run.ExitCode(result, nil)).To(Equal(run.ExitViolated), "exit code")
				Expect(result).To(ViolateOnly(preamble.Promise, preamble.Clause))
			}
		}, SpecTimeout(specTimeout))
	}
})

var _ = Describe("the harness, misused", func() {
	for _, control := range harness.Controls {
		It("calls its own run INVALID under "+string(control), Label("control"), func(ctx SpecContext) {
			needs(ctx, run.Local)
			result := carryOut(ctx, scenarios.All[0], run.Options{Engine: run.Local, Control: control})
			Expect(run.ExitCode(result, nil)).To(Equal(run.ExitInvalid), "exit code")
			for _, v := range result.Oracle.Verdicts {
				Expect(v).To(HaveStatus(oracle.Invalid))
			}
		}, SpecTimeout(specTimeout))
	}
})

// needs skips a spec whose engine was not asked for, or, where it was not asked
// for by name, is not there; loudly, since what is left out was not tested.
func needs(ctx SpecContext, engine string) {
	asked := os.Getenv(suiteEngine)
	if asked != "" && asked != run.Auto && asked != engine {
		Skip(fmt.Sprintf("LEFT OUT: %s=%s", suiteEngine, asked))
	}
	if engine != run.Docker {
		return
	}
	if err := docker.Available(ctx); err != nil {
		if asked == run.Docker {
			Fail(err.Error())
		}
		Skip("LEFT OUT: " + err.Error())
	}
}

// carryOut runs a scenario with the fast timers and a fixed seed, and prints where
// its report is. An INVALID run may be done once more, on the record; any other
// outcome stands.
func carryOut(ctx SpecContext, scenario harness.Scenario, o run.Options) run.Result {
	GinkgoHelper()
	o.Timers, o.Seed, o.Progress = "fast", 7, func(line string) { GinkgoWriter.Println(line) }
	o.Out = filepath.Join("reports", "out")
	o.Repeat = repeat(scenario.Name, o)
	result, err := run.Run(ctx, scenario, o)
	if run.ExitCode(result, err) == run.ExitInvalid && o.Control == harness.NoControl {
		AddReportEntry("INVALID, run once more", result.Dir)
		result, err = run.Run(ctx, scenario, o)
	}
	AddReportEntry("report", result.Dir)
	Expect(err).NotTo(HaveOccurred(), "see %s", result.Dir)
	return result
}

func repeat(scenario string, o run.Options) string {
	parts := []string{"bin/blackout run", scenario, "--engine", o.Engine, "--seed", fmt.Sprint(o.Seed), "--timers", o.Timers}
	if o.Gateway != "" {
		parts = append(parts, "--gateway", o.Gateway)
	}
	if o.Control != harness.NoControl {
		parts = append(parts, "--control", string(o.Control))
	}
	return strings.Join(parts, " ")
}
