// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/match"
	"blackout/harness/oracle"
	"blackout/harness/residue"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/scenarios"
)

// spoils are the promises of which something rests on what a control spoils, where
// that is not all of them.
var spoils = map[harness.Control][]string{
	harness.LapsingCut: {"G1", "G3", "G4", "G10", "G13"}, // what a data plane does while the control plane is gone; none reads the store, for G2
	harness.NoopHeal:   {"G4", "G10"},                    // what a data plane does once the control plane is back
	harness.ClosedLoop: {"G2", "G3", "G10"},              // what is seen in requests
}

// everyChange are the controls for every change: each spoils another thing that a
// verdict rests on. The others are for the night.
var everyChange = []harness.Control{harness.NoopCut, harness.LapsingCut, harness.NoTraffic}

// nightlyUnless labels a spec that is not for every change.
func nightlyUnless(often bool) Labels {
	if often {
		return nil
	}
	return labels(label.Nightly)
}

var _ = Describe("the harness, misused", labels(label.Control, label.Local), func() {
	for _, control := range harness.Controls {
		It(fmt.Sprintf("calls its own run INVALID under %s", control), nightlyUnless(slices.Contains(everyChange, control)), func(ctx SpecContext) {
			judged := blackout(ctx, "run", scenarios.All[0].Name, "--engine", run.Local, "--control", string(control))
			Expect(judged).To(match.ExitWith(run.ExitInvalid))
			Expect(judged.run).To(match.HaveStatus(oracle.Invalid, spoils[control]...))
		}, SpecTimeout(specTimeout))
	}
})

// residueLimit is how long after its harness was killed a run may leave traces.
const residueLimit = 30 * time.Second

// moments are the progress lines at which the harness is killed; for every change,
// one in the bring-up and one with faults in force.
var moments = []moment{{"engine ", false}, {"start store", false}, {"load generation", true}, {"add dp-3", true}, {"hold for", false}, {"heal every fault", false}}

type moment struct {
	line  string
	often bool
}

// Serial, for every run begins by removing what dead runs have left: beside
// another one, nobody could tell whether the watchdog does its work.
var _ = Describe("a harness that is killed", Serial, labels(label.Kill), func() {
	for _, engine := range []string{run.Local, run.Docker} {
		for _, moment := range moments {
			It(fmt.Sprintf("leaves nothing behind on %s, killed at %q", engine, moment.line), labels(label.Label(engine)), nightlyUnless(moment.often), func(ctx SpecContext) {
				needs(ctx, engine)
				ended, dir := runAndSignal(ctx, engine, moment.line, syscall.SIGKILL)
				Expect(ended.Sys()).To(WithTransform(syscall.WaitStatus.Signal, Equal(syscall.SIGKILL)))
				if dir == "" {
					return // it was killed before it had an id, and made anything
				}
				Eventually(residue.Of).WithContext(ctx).WithArguments(engine, filepath.Base(dir)).WithTimeout(residueLimit).
					Should(Or(BeEmpty(), HaveEach(HavePrefix("network "))))
				wantNothingLeft(ctx, engine, dir)
			}, SpecTimeout(specTimeout))
		}
	}
})

// wantNothingLeft fails if anything of a run is left now, but for an empty network
// that Docker does not let go.
func wantNothingLeft(ctx context.Context, engine, dir string) {
	GinkgoHelper()
	left, err := residue.Of(ctx, engine, filepath.Base(dir))
	Expect(err).NotTo(HaveOccurred())
	Expect(residue.WithoutStuck(ctx, left)).To(BeEmpty())
}

var _ = Describe("a run that is interrupted", labels(label.Interrupt), func() {
	for _, engine := range []string{run.Local, run.Docker} {
		It("heals, cleans up and still writes its report on "+engine, labels(label.Label(engine)), func(ctx SpecContext) {
			needs(ctx, engine)
			ended, dir := runAndSignal(ctx, engine, "add dp-3", syscall.SIGINT)
			Expect(ended).To(match.ExitWith(run.ExitInvalid))
			wantNothingLeft(ctx, engine, dir) // at its end, not later
			rec, err := history.Load(filepath.Join(dir, "recording"))
			Expect(err).NotTo(HaveOccurred())
			Expect(kinds(rec)).To(ContainElements(history.Interrupted, history.FaultHealed, history.HealWitness))
			Expect(filepath.Join(dir, reports.HTMLFile)).To(BeARegularFile())
		}, SpecTimeout(specTimeout))
	}
})

// kinds are the kinds of events in a recording.
func kinds(rec *history.Recording) []history.Kind {
	var out []history.Kind
	for _, e := range rec.Events {
		out = append(out, e.Kind)
	}
	return out
}

// runAndSignal starts a run, signals its harness when a progress line holds
// moment, waits for its end and returns how it ended and the run's directory, if
// it made one.
func runAndSignal(ctx context.Context, engine, moment string, signal os.Signal) (ended *os.ProcessState, dir string) {
	GinkgoHelper()
	home := home(ctx)
	cmd := exec.CommandContext(ctx, program, "run", scenarios.All[0].Name, "--engine", engine, "--seed", fmt.Sprint(seed), "--out", home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed())
	seen := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		GinkgoWriter.Println(lines.Text())
		if !seen && strings.Contains(lines.Text(), moment) {
			seen = true
			Expect(cmd.Process.Signal(signal)).To(Succeed())
		}
	}
	// How it ended is for the caller to judge.
	_ = cmd.Wait()
	Expect(seen).To(BeTrue(), "the run never printed %q", moment)
	return cmd.ProcessState, runIn(home)
}
