// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"

	"blackout/harness/oracle"
	"blackout/reports"
)

// judgement is what the command line made of a run.
type judgement struct {
	code   int
	text   string // everything that it printed
	dir    string
	report reports.Model // report.json
}

// blackout runs the program on fast timers with the suite's seed, and reads the
// report that it wrote.
func blackout(ctx SpecContext, args ...string) judgement {
	GinkgoHelper()
	home, err := os.MkdirTemp(mustMake(out), "suite-")
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, program, append(args, "--seed", fmt.Sprint(seed), "--out", home)...)
	text, err := cmd.CombinedOutput()
	GinkgoWriter.Println(string(text))
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		Expect(err).NotTo(HaveOccurred())
	}
	dirs, err := filepath.Glob(filepath.Join(home, "*"))
	Expect(err).NotTo(HaveOccurred())
	Expect(dirs).To(HaveLen(1), "one run's directory in %s; the run printed:\n%s", home, text)
	j := judgement{code: cmd.ProcessState.ExitCode(), text: string(text), dir: dirs[0]}
	b, err := os.ReadFile(filepath.Join(j.dir, reports.JSONFile))
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(b, &j.report)).To(Succeed())
	return j
}

func mustMake(dir string) string {
	GinkgoHelper()
	Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	return dir
}

// HaveStatus matches a promise's verdict.
func HaveStatus(want oracle.Status) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(v oracle.Verdict) (bool, error) { return v.Status == want, nil }).
		WithMessage(fmt.Sprintf("be %s", want))
}

// ExitWith matches a run's exit code; its failure shows the closing lines.
func ExitWith(code int) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(j judgement) (bool, error) {
		if j.code != code {
			return false, fmt.Errorf("it exited with %d; see %s\n%s", j.code, j.dir, j.text)
		}
		return true, nil
	}).WithMessage(fmt.Sprintf("exit with %d", code))
}

// ViolateOnly matches a run that found one promise violated, by a certain clause,
// with an event to show for it.
func ViolateOnly(promise, clause string) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(j judgement) (bool, error) {
		var violated []string
		shown := false
		for _, p := range j.report.Promises {
			if p.Status != oracle.Violated {
				continue
			}
			violated = append(violated, p.Promise)
			for _, c := range p.Clauses {
				shown = shown || c.ID == clause && c.Status == oracle.Violated && len(c.Evidence) > 0
			}
		}
		if len(violated) != 1 || violated[0] != promise || !shown {
			return false, fmt.Errorf("violated: %s; clause %s with evidence: %t; see %s", strings.Join(violated, ", "), clause, shown, j.dir)
		}
		return true, nil
	}).WithMessage(fmt.Sprintf("violate %s alone, by clause %s", promise, clause))
}
