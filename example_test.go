// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness/label"
	"blackout/harness/match"
	"blackout/harness/oracle"
)

// The document that holds the example, and the package that it says to put it in.
const (
	exampleDocument = "docs/writing-scenarios.md"
	examplePackage  = "scenarios/mine"
)

var _ = Describe("the example of "+exampleDocument, labels(label.Example, label.Local), func() {
	It("compiles, runs, and holds what it says", func(ctx SpecContext) {
		home := home(ctx)
		binary := filepath.Join(home, "mine.test")
		compile := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay(home), "-o", binary, "./"+examplePackage)
		text, err := compile.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(text))

		said, ran, err := runExample(ctx, binary, filepath.Join(home, "first"))
		if err != nil && readReport(ran).Outcome.Status == oracle.Invalid {
			AddReportEntry("INVALID, run once more, alone", ran, ReportEntryVisibilityAlways)
			enter(ctx, room.AdmitAlone)
			said, ran, err = runExample(ctx, binary, filepath.Join(home, "again"))
		}
		Expect(err).NotTo(HaveOccurred(), said)
		Expect(said).To(ContainSubstring("Ran 1 of 1 Specs"))
		Expect(match.Dir(ran)).To(match.Hold("G3.1", "G10.1"))
	}, SpecTimeout(specTimeout))
})

// runExample runs the compiled example in the directory that it is to be saved
// in, below root, and returns what it said and the directory of its run.
func runExample(ctx SpecContext, binary, root string) (said, ran string, err error) {
	GinkgoHelper()
	example := exec.CommandContext(ctx, binary, "-ginkgo.v", "-ginkgo.no-color")
	example.Dir = filepath.Join(root, examplePackage)
	Expect(os.MkdirAll(example.Dir, 0o755)).To(Succeed())
	text, err := example.CombinedOutput()
	GinkgoWriter.Println(string(text))
	ran = runIn(filepath.Join(root, "reports", "out"))
	Expect(ran).NotTo(BeEmpty(), string(text))
	return string(text), ran, err
}

// overlay is a file that tells the go command that the example stands where its
// document says it is to be saved.
func overlay(home string) string {
	GinkgoHelper()
	root, err := os.Getwd()
	Expect(err).NotTo(HaveOccurred())
	source := filepath.Join(home, "mine.go.txt")
	Expect(os.WriteFile(source, []byte(example()), 0o600)).To(Succeed())
	b, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, examplePackage, "mine_test.go"): source}})
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(home, "overlay.json")
	Expect(os.WriteFile(path, b, 0o600)).To(Succeed())
	return path
}

// example is the one Go program in the document.
func example() string {
	GinkgoHelper()
	text, err := os.ReadFile(exampleDocument)
	Expect(err).NotTo(HaveOccurred())
	Expect(string(text)).To(ContainSubstring("`"+examplePackage+"/mine_test.go`"), "where to save it")
	programs := strings.Split(string(text), "\n```go\n")
	Expect(programs).To(HaveLen(2), "one Go program in %s", exampleDocument)
	program, _, closed := strings.Cut(programs[1], "\n```\n")
	Expect(closed).To(BeTrue())
	return program
}
