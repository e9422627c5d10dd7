// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package blackout_test is the suite: scenarios, defects and misuse of the
// harness as specs. It is a thin adapter over harness/run:
//
//	go test . -timeout=0                                                     every spec but the nightly ones
//	go test . -timeout=0 -ginkgo.label-filter='outage && local && !nightly'  some of them, by harness/label
//	go tool ginkgo -p --label-filter='defect'                                several at a time, each in a topology of its own
//
// BLACKOUT_ENGINE=local or docker keeps it to one engine. Specs that need Docker
// are left out, and say so, where no daemon answers.
package blackout_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness/label"
	"blackout/harness/run"
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

// program is bin/blackout as the suite built it, recomputer what computes a report's figures
// a second time: a program too, because the suite's race detector makes it ten times slower.
var program, recomputer string

func TestMain(m *testing.M) {
	run.Guard()
	os.Exit(m.Run())
}

func TestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite runs whole topologies; left out by -short")
	}
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	var err error
	if suite.LabelFilter, err = filter(suite.LabelFilter, os.Getenv(suiteEngine)); err != nil {
		t.Fatal(err)
	}
	if bad := misfits(PreviewSpecs("Blackout", suite, reporter).SpecReports); len(bad) > 0 {
		t.Fatal(strings.Join(bad, "\n"))
	}
	RunSpecs(t, "Blackout", suite, reporter)
}

// filter is the label filter that was asked for, or one for all but the nightly
// specs, kept to the engine that was asked for.
func filter(asked, engine string) (string, error) {
	if asked == "" {
		asked = "!" + string(label.Nightly)
	}
	switch {
	case engine == "" || engine == run.Auto:
		return asked, nil
	case slices.Contains(run.Engines, engine):
		return fmt.Sprintf("(%s) && %s", asked, engine), nil
	}
	return "", fmt.Errorf("%s=%s: the engines are %v", suiteEngine, engine, run.Engines)
}

// What all specs share is built once, by the first of several processes.
var _ = SynchronizedBeforeSuite(func(ctx SpecContext) []byte {
	built := GinkgoT().TempDir()
	text, err := exec.CommandContext(ctx, "go", "build", "-o", built+string(filepath.Separator), "./cmd/blackout", "./cmd/recompute").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))
	return []byte(built)
}, func(_ SpecContext, built []byte) {
	program, recomputer = filepath.Join(string(built), "blackout"), filepath.Join(string(built), "recompute")
}, NodeTimeout(specTimeout))

var _ = ReportAfterSuite("the suite has shown something", func(r Report) {
	if r.SuiteConfig.DryRun {
		return
	}
	for _, line := range slices.Concat(leftOut(r.SpecReports), failures(r.SpecReports)) {
		AddReportEntry(line, ReportEntryVisibilityAlways)
	}
	Expect(ran(r.SpecReports)).NotTo(BeZero(), "no spec has run with the label filter %q: a suite that runs nothing shows nothing", r.SuiteConfig.LabelFilter)
})
