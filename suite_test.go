// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// suiteEngine is the environment variable that names the suite's engine:
// "docker", "local" or "auto", which is both where a Docker daemon answers.
const suiteEngine = "BLACKOUT_ENGINE"

// seed is the seed of the suite's runs: a failure is repeated by repeating it.
const seed = 7

// specTimeout bounds one spec, building included.
const specTimeout = 20 * time.Minute

// out is where the suite's runs leave their reports.
var out = filepath.Join("reports", "out")

// program is bin/blackout as the suite built it.
var program string

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

var _ = BeforeSuite(func(ctx SpecContext) {
	program = filepath.Join(GinkgoT().TempDir(), "blackout")
	text, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/blackout").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))
}, NodeTimeout(specTimeout))

var _ = Describe("the good gateway", func() {
	for _, scenario := range scenarios.All {
		for _, engine := range []string{run.Local, run.Docker} {
			It(fmt.Sprintf("keeps every promise of %s on %s", scenario.Name, engine), Label("good", engine), func(ctx SpecContext) {
				needs(ctx, engine)
				result := carryOut(ctx, scenario, engine)
				Expect(result.Races).To(BeEmpty(), "data races in the nodes")
				for _, v := range result.Oracle.Verdicts {
					Expect(v).To(HaveStatus(oracle.Held))
				}
			}, SpecTimeout(specTimeout))
		}
	}
})

var _ = Describe("a known-bad gateway", func() {
	names, err := defect.Names(".")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		It("is caught: "+name, Label("defect", run.Local), func(ctx SpecContext) {
			needs(ctx, run.Local)
			preamble, err := defect.Read(".", name)
			Expect(err).NotTo(HaveOccurred())
			for _, scenario := range preamble.Scenarios {
				// The judging run builds the defect and never sees the preamble.
				judged := blackout(ctx, "run", scenario, "--engine", run.Local, "--defect", name)
				Expect(judged).To(ExitWith(run.ExitViolated))
				Expect(judged).To(ViolateOnly(preamble.Promise, preamble.Clause))
			}
		}, SpecTimeout(specTimeout))
	}
})

var _ = Describe("the harness, misused", func() {
	for _, control := range harness.Controls {
		It(fmt.Sprintf("calls its own run INVALID under %s", control), Label("control", run.Local), func(ctx SpecContext) {
			needs(ctx, run.Local)
			judged := blackout(ctx, "run", scenarios.All[0].Name, "--engine", run.Local, "--control", string(control))
			Expect(judged).To(ExitWith(run.ExitInvalid))
			for _, p := range judged.report.Promises {
				Expect(p.Status).To(Equal(oracle.Invalid), p.Promise)
			}
		}, SpecTimeout(specTimeout))
	}
})

// needs skips a spec whose engine was not asked for or, where it was not asked
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

// carryOut runs a scenario in this process; on local, the nodes run with the race
// detector. An INVALID run may be done once more, on the record; any other
// outcome stands.
func carryOut(ctx SpecContext, scenario harness.Scenario, engine string) run.Result {
	GinkgoHelper()
	options := run.Options{
		Engine: engine, Race: engine == run.Local, Timers: "fast", Seed: seed, Out: out,
		Repeat: func(engine string) string {
			return fmt.Sprintf("bin/blackout run %s --engine %s --seed %d --timers fast", scenario.Name, engine, seed)
		},
		Progress: func(line string) { GinkgoWriter.Println(line) },
	}
	result, err := run.Run(ctx, scenario, options)
	if run.ExitCode(result, err) == run.ExitInvalid {
		AddReportEntry("INVALID, run once more", result.Dir, ReportEntryVisibilityAlways)
		result, err = run.Run(ctx, scenario, options)
	}
	AddReportEntry("report", result.Dir)
	Expect(err).NotTo(HaveOccurred(), "see %s", result.Dir)
	return result
}
