// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"blackout/harness/label"
)

// labels are a spec's labels for Ginkgo.
func labels(all ...label.Label) Labels {
	out := make(Labels, len(all))
	for i, l := range all {
		out[i] = string(l)
	}
	return out
}

// TestComputedIsTested: a test that make test leaves out of the units is in a package
// in which it runs afterwards.
func TestComputedIsTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	unfolded := strings.ReplaceAll(strings.ReplaceAll(string(text), "\\\n", " "), "$$", "$")
	variable := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + ` *= *(.*)$`).FindStringSubmatch(unfolded)
		if found == nil {
			t.Fatalf("the Makefile has no %s", name)
		}
		return found[1]
	}
	computed := regexp.MustCompile(`(?m)^func (Test(?:` + strings.ReplaceAll(variable("COMPUTED"), "$", `\b`) + `)\w*)\(`)
	packages := strings.Fields(variable("ALONE"))
	n := 0
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range computed.FindAllSubmatch(source, -1) {
			if n++; !slices.Contains(packages, "./"+filepath.Dir(path)) {
				t.Errorf("%s: %s runs nowhere: add its package to ALONE in the Makefile", path, found[1])
			}
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("found %d such tests, %v", n, err)
	}
}

// serial is what Ginkgo itself calls a spec that runs beside no other.
const serial = "Serial"

// misfits says what is wrong with the labels of specs: one that is not in the
// vocabulary, no engine or two, no family or two.
func misfits(specs types.SpecReports) []string {
	var out []string
	for _, s := range specs {
		if s.LeafNodeType != types.NodeTypeIt {
			continue
		}
		var all []label.Label
		for _, l := range s.Labels() {
			if l != serial {
				all = append(all, label.Label(l))
			}
		}
		if err := label.Check(all, label.Scenarios, label.Engines, label.Families); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", s.FullText(), err))
		}
		for what, vocabulary := range map[string][]label.Entry{"engine": label.Engines, "family": label.Families} {
			if n := count(all, vocabulary); n != 1 {
				out = append(out, fmt.Sprintf("%s: it has %d labels of its %s: give it one", s.FullText(), n, what))
			}
		}
	}
	return out
}

func count(all []label.Label, vocabulary []label.Entry) int {
	n := 0
	for _, e := range vocabulary {
		if slices.Contains(all, e.Label) {
			n++
		}
	}
	return n
}

// ran is how many specs have run to a result.
func ran(specs types.SpecReports) int {
	n := 0
	for _, s := range specs {
		if s.LeafNodeType == types.NodeTypeIt && s.State != types.SpecStateSkipped && s.State != types.SpecStatePending {
			n++
		}
	}
	return n
}

// leftOut says how many specs were left out, for each reason: those that a filter
// left out have none of their own.
func leftOut(specs types.SpecReports) []string {
	counts := make(map[string]int)
	for _, s := range specs {
		if s.LeafNodeType == types.NodeTypeIt && (s.State == types.SpecStateSkipped || s.State == types.SpecStatePending) {
			counts[s.Failure.Message]++
		}
	}
	var out []string
	for reason, n := range counts {
		if reason == "" {
			reason = "not asked for"
		}
		out = append(out, fmt.Sprintf("LEFT OUT: %d specs: %s", n, strings.TrimPrefix(reason, "LEFT OUT: ")))
	}
	slices.Sort(out)
	return out
}

// longestReason is how much of a failure's message is repeated at the end: a CI
// system may keep no more of a log than that.
const longestReason = 1500

// failures says of every spec that failed, and of what is done around specs, why.
func failures(specs types.SpecReports) []string {
	var out []string
	for _, s := range specs {
		if !s.State.Is(types.SpecStateFailureStates) {
			continue
		}
		why := s.Failure.Message
		if len(why) > longestReason {
			why = strings.ToValidUTF8(why[:longestReason], "") + " …"
		}
		out = append(out, fmt.Sprintf("FAILED: %s after %s: %s", s.FullText(), s.RunTime.Round(time.Second), why))
	}
	return out
}

func spec(state types.SpecState, reason string, all ...string) types.SpecReport {
	return types.SpecReport{
		LeafNodeType: types.NodeTypeIt, LeafNodeText: "spec", State: state, LeafNodeLabels: all,
		Failure: types.Failure{Message: reason},
	}
}

func TestMisfits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		labels []string
		says   string // empty: it fits
	}{
		"fits":         {[]string{"fast", "outage", "local", "good", "Serial"}, ""},
		"misspelt":     {[]string{"fats", "local", "good"}, `unknown label "fats"`},
		"no engine":    {[]string{"fast", "good"}, "it has 0 labels of its engine"},
		"two engines":  {[]string{"docker", "local", "good"}, "it has 2 labels of its engine"},
		"no family":    {[]string{"local"}, "it has 0 labels of its family"},
		"two families": {[]string{"local", "good", "kill"}, "it has 2 labels of its family"},
	} {
		found := misfits(types.SpecReports{spec(types.SpecStatePassed, "", c.labels...)})
		if c.says == "" && found != nil || c.says != "" && (len(found) != 1 || !strings.Contains(found[0], c.says)) {
			t.Errorf("%s: %q, want %q", name, found, c.says)
		}
	}
}

// TestNothingRan: what was left out, and what is no spec, has shown nothing.
func TestNothingRan(t *testing.T) {
	t.Parallel()
	idle := types.SpecReports{
		spec(types.SpecStateSkipped, ""), spec(types.SpecStateSkipped, ""), spec(types.SpecStateSkipped, "LEFT OUT: no daemon"),
		{LeafNodeType: types.NodeTypeSynchronizedBeforeSuite, State: types.SpecStatePassed},
	}
	if n := ran(idle); n != 0 {
		t.Errorf("%d specs have run", n)
	}
	if n := ran(append(idle, spec(types.SpecStateFailed, "so"))); n != 1 {
		t.Errorf("%d specs have run, want 1", n)
	}
	want := "[LEFT OUT: 1 specs: no daemon LEFT OUT: 2 specs: not asked for]"
	if got := fmt.Sprint(leftOut(idle)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestEmptySuiteFails: no spec is both good and a defect.
func TestEmptySuiteFails(t *testing.T) {
	t.Parallel()
	suite := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuite$", "-ginkgo.no-color", "-ginkgo.label-filter=good && defect")
	said, err := suite.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "no spec has run with the label filter") {
		t.Errorf("it ended with %v and said\n%s", err, said)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, engine, want string }{
		{"", "", "!nightly"},
		{"", "auto", "!nightly"},
		{"", "local", "(!nightly) && local"},
		{"nightly || outage", "docker", "(nightly || outage) && docker"},
	} {
		if got, err := filter(c.asked, c.engine); got != c.want || err != nil {
			t.Errorf("%q on %q: %q, %v, want %q", c.asked, c.engine, got, err, c.want)
		}
	}
	if _, err := filter("", "cloud"); err == nil || !strings.Contains(err.Error(), "docker local auto") {
		t.Errorf("an unknown engine: error %v", err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	found := failures(types.SpecReports{
		spec(types.SpecStatePassed, ""), spec(types.SpecStateSkipped, "no daemon"),
		spec(types.SpecStateFailed, "no address"), spec(types.SpecStateTimedout, strings.Repeat("é", longestReason)),
	})
	if len(found) != 2 || found[0] != "FAILED: spec after 0s: no address" {
		t.Fatalf("%q, want one line for each of two", found)
	}
	if last := found[1]; !strings.HasSuffix(last, "é …") || len(last) > 2*longestReason {
		t.Errorf("%q, want it cut between two letters", last)
	}
}
