// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/admission"
	"blackout/harness/engine/docker"
	"blackout/harness/match"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/reports"
)

// needs leaves out a spec that needs Docker where no daemon answers, loudly,
// since what is left out was not tested. Asked for by name, Docker must be there.
func needs(ctx SpecContext, engine string) {
	if engine != run.Docker {
		return
	}
	if err := docker.Available(ctx); err != nil {
		if os.Getenv(suiteEngine) == run.Docker {
			Fail(err.Error())
		}
		Skip("LEFT OUT: " + err.Error())
	}
}

// room is where runs are side by side, those of other processes included.
var room = must(admission.New(limits()))

// limits are those of the suite's engine, and of Docker where it has runs on both.
func limits() admission.Limits {
	if os.Getenv(suiteEngine) == run.Local {
		return admission.Processes
	}
	return admission.Containers
}

func must(c *admission.Control, err error) *admission.Control {
	if err != nil {
		panic(err)
	}
	return c
}

// leave ends what the spec was admitted to.
var leave = func() {}

// enter waits for room. A spec leaves with its end, or when it enters again.
func enter(ctx context.Context, admit func(context.Context) (func(), error)) {
	GinkgoHelper()
	leave()
	begun := time.Now()
	next, err := admit(ctx)
	Expect(err).NotTo(HaveOccurred())
	leave = sync.OnceFunc(next)
	DeferCleanup(leave)
	if waited := time.Since(begun); waited > time.Second {
		GinkgoWriter.Printf("waited %.0f s for room for a run\n", waited.Seconds())
	}
}

// artifacts are what a run leaves for those who want to know more.
var artifacts = []string{reports.HTMLFile, "plan.json", "recording", "logs", "watchdog.log"}

// home makes a directory for the runs of a spec, and waits for room for them. What lies
// there when the spec ends, however it ends, is attached to its report by path.
func home(ctx context.Context) string {
	GinkgoHelper()
	enter(ctx, room.Admit)
	Expect(os.MkdirAll(out, 0o755)).To(Succeed())
	dir, err := os.MkdirTemp(out, "suite-")
	Expect(err).NotTo(HaveOccurred())
	dir, err = filepath.Abs(dir)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(SpecContext) {
		Expect(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if slices.Contains(artifacts, filepath.Base(path)) {
				AddReportEntry(filepath.Base(path), path, ReportEntryVisibilityFailureOrVerbose)
			}
			return err
		})).To(Succeed())
	}, NodeTimeout(specTimeout))
	return dir
}

// runIn is the directory of the run in a home, or empty if it made none.
func runIn(home string) string {
	GinkgoHelper()
	dirs, err := filepath.Glob(filepath.Join(home, "*"))
	Expect(err).NotTo(HaveOccurred())
	if len(dirs) == 0 {
		return ""
	}
	Expect(dirs).To(HaveLen(1), "one run's directory in %s", home)
	return dirs[0]
}

// raceNodes is how many nodes run with the race detector, which makes each several
// times as costly. In a crowd of them nobody keeps the contract's times.
const raceNodes = 7

// nodes is how many nodes a scenario comes to.
func nodes(s harness.Scenario) int {
	GinkgoHelper()
	p, err := s.NewPlan(seed, topology.Profiles["fast"])
	Expect(err).NotTo(HaveOccurred())
	n := len(p.Topology.Nodes)
	for _, step := range p.Steps {
		if added, ok := step.Action.(harness.ScaleOut); ok {
			n += len(added.Nodes)
		}
	}
	return n
}

// optionsIn are the options of the suite's runs of a scenario in this process; on
// local, the nodes run with the race detector, unless they are many.
func optionsIn(home, engine string, s harness.Scenario) run.Options {
	GinkgoHelper()
	return run.Options{
		Engine: engine, Race: engine == run.Local && nodes(s) <= raceNodes, Timers: "fast", Seed: seed, Out: home,
		Progress: func(line string) { GinkgoWriter.Println(line) },
	}
}

// carryOut runs a scenario in this process. An INVALID run may be done once more,
// on the record; any other outcome stands.
func carryOut(ctx SpecContext, scenario harness.Scenario, engine string) run.Result {
	GinkgoHelper()
	options := optionsIn(home(ctx), engine, scenario)
	options.Repeat = func(engine string) string {
		return fmt.Sprintf("bin/blackout run %s --engine %s --seed %d --timers fast", scenario.Name, engine, seed)
	}
	result, err := run.Run(ctx, scenario, options)
	if run.ExitCode(result, err) == run.ExitInvalid {
		AddReportEntry("INVALID, run once more, alone", result.Dir, ReportEntryVisibilityAlways)
		enter(ctx, room.AdmitAlone)
		result, err = run.Run(ctx, scenario, options)
	}
	Expect(err).NotTo(HaveOccurred(), "see %s", result.Dir)
	recomputed(ctx, result.Dir)
	return result
}

// recomputed expects a second implementation to come from the recording in a run's
// directory to what the report there says.
func recomputed(ctx SpecContext, dir string) {
	GinkgoHelper()
	text, err := exec.CommandContext(ctx, recomputer, dir).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "the report in %s is not what its recording comes to:\n%s", dir, text)
}

// judgement is what the command line made of a run.
type judgement struct {
	*os.ProcessState
	command, text string // what it was asked, and all that it printed
	run           match.Dir
	report        reports.Model // report.json
}

// String is for messages.
func (j judgement) String() string {
	return fmt.Sprintf("%s (%s), which printed\n%s\n", j.command, j.ProcessState, strings.TrimSpace(j.text))
}

// blackout runs the program and reads the report that it wrote; `blackout run`
// gets the suite's seed and fast timers.
func blackout(ctx SpecContext, args ...string) judgement {
	GinkgoHelper()
	home := home(ctx)
	args = append(args, "--out", home)
	if args[0] == "run" {
		args = append(args, "--seed", fmt.Sprint(seed))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	text, err := cmd.CombinedOutput()
	GinkgoWriter.Println(string(text))
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		Expect(err).NotTo(HaveOccurred())
	}
	dir := runIn(home)
	Expect(dir).NotTo(BeEmpty(), "the run made no directory in %s; it printed:\n%s", home, text)
	recomputed(ctx, dir)
	return judgement{
		ProcessState: cmd.ProcessState, command: "blackout " + strings.Join(args, " "), text: string(text),
		run: match.Dir(dir), report: readReport(dir),
	}
}

// readReport is the report.json of a run.
func readReport(dir string) reports.Model {
	GinkgoHelper()
	b, err := os.ReadFile(filepath.Join(dir, reports.JSONFile))
	Expect(err).NotTo(HaveOccurred())
	var m reports.Model
	Expect(json.Unmarshal(b, &m)).To(Succeed())
	return m
}
