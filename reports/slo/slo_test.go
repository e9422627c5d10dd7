// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// base is a file that is read; the tests change it.
const base = `apiVersion: openslo/v1
kind: SLO
metadata:
  name: availability
  displayName: Requests are answered
  annotations:
    blackout/tier: ci
    blackout/confidence: "0.99"
    blackout/min-samples: "5000"
    blackout/phase: outage
    team/owner: platform
spec:
  service: gateway
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        rawType: success
        raw:
          metricSource: {type: blackout, spec: {sli: proxy-availability, deadline: 1s, weight: 2.5}}
  objectives:
    - target: 0.999
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: rto
  annotations:
    blackout/tier: ci
    blackout/invariant: "true"
spec:
  service: gateway
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicatorRef: rto-seconds
  objectives:
    - {op: lte, value: 5, target: 0}
    - {displayName: a second limit, op: lte, value: 10, target: 0}
---
apiVersion: openslo/v1
kind: SLI
metadata:
  name: rto-seconds
spec:
  thresholdMetric:
    metricSource: {type: blackout, spec: {sli: data-plane-rto}}
`

func TestParse(t *testing.T) {
	t.Parallel()
	doc, err := Parse("base.yaml", []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	if doc.Name != "base.yaml" || doc.Tier != "ci" || doc.Window != "30d" || string(doc.Source) != base || len(doc.Objectives) != 3 {
		t.Fatalf("%+v", doc)
	}
	a, b, c := doc.Objectives[0], doc.Objectives[1], doc.Objectives[2]
	if a.Name != "availability" || a.Title != "Requests are answered" || a.Indicator != "proxy-availability" || a.Phase != "outage" ||
		a.Confidence != 0.99 || a.MinSamples != 5000 || a.Target != 0.999 || a.Limit != nil || a.Invariant ||
		len(a.Parameters) != 2 || a.Parameters["deadline"] != "1s" || a.Parameters["weight"] != "2.5" {
		t.Errorf("%+v", a)
	}
	if b.Name != "rto" || b.Title != "rto" || b.Indicator != "data-plane-rto" || *b.Limit != 5 || !b.Invariant || b.Confidence != 0.95 || b.Target != 0 || b.Phase != "" {
		t.Errorf("%+v", b)
	}
	if c.Name != "rto#2" || c.Title != "a second limit" || *c.Limit != 10 {
		t.Errorf("%+v", c)
	}
}

// onlyRaw is how the file names the source of its ratio.
const onlyRaw = `        rawType: success
        raw:
          metricSource: {type: blackout, spec: {sli: proxy-availability, deadline: 1s, weight: 2.5}}
`

// goodAndTotal is the other way, with two deadlines.
func goodAndTotal(good, total string) string {
	const one = "          metricSource: {type: blackout, spec: {sli: proxy-availability, deadline: "
	return "        good:\n" + one + good + "}}\n        total:\n" + one + total + "}}\n"
}

// TestGoodAndTotal: a ratio may name its source twice.
func TestGoodAndTotal(t *testing.T) {
	t.Parallel()
	doc, err := Parse("base.yaml", []byte(strings.Replace(base, onlyRaw, goodAndTotal("2s", "2s"), 1)))
	if err != nil || doc.Objectives[0].Parameters["deadline"] != "2s" {
		t.Errorf("%+v, %v", doc.Objectives, err)
	}
}

// TestErrorsNameTheField changes one place of the file at a time.
func TestErrorsNameTheField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown annotation", "blackout/phase: outage", "blackout/fase: outage", `base.yaml:10: metadata.annotations["blackout/fase"]: no such annotation: those of ours are blackout/tier, blackout/confidence, blackout/min-samples, blackout/phase, blackout/invariant`},
		{"unknown phase", "phase: outage", "phase: outge", `base.yaml:10: metadata.annotations["blackout/phase"]: "outge" is no phase: the phases are steady, outage, recovery, run`},
		{"unknown tier", "blackout/tier: ci", "blackout/tier: prod", `base.yaml:7: metadata.annotations["blackout/tier"]: "prod" is no tier: the tiers are ci, nightly, evidence`},
		{"no tier", "    blackout/tier: ci\n", "", `base.yaml:6: metadata.annotations["blackout/tier"]: it is missing: the tiers are`},
		{"two tiers", "tier: ci\n    blackout/invariant", "tier: nightly\n    blackout/invariant", `base.yaml:32: metadata.annotations["blackout/tier"]: "nightly", but the file's first SLO is of the tier "ci"`},
		{"confidence of one", `"0.99"`, `"1"`, `base.yaml:8: metadata.annotations["blackout/confidence"]: "1" is no confidence`},
		{"confidence that is none", `"0.99"`, `"NaN"`, `base.yaml:8: metadata.annotations["blackout/confidence"]: "NaN" is no confidence`},
		{"confidence as a number", `"0.99"`, `0.99`, `base.yaml:6: metadata.annotations: it is a number, and should be a string`},
		{"no samples", `"5000"`, `"0"`, `base.yaml:9: metadata.annotations["blackout/min-samples"]: "0" is no number of samples`},
		{"too few samples", `"5000"`, `"100"`, `base.yaml:9: metadata.annotations["blackout/min-samples"]: 100 samples cannot prove the target 0.999 at the confidence 0.99: it takes 4603`},
		{"neither true nor false", `"true"`, `"yes"`, `base.yaml:33: metadata.annotations["blackout/invariant"]: "yes" is neither`},
		{"an invariant with a target", "value: 5, target: 0}", "value: 5, target: 0.9}", `base.yaml:33: metadata.annotations["blackout/invariant"]: an invariant has no error budget, spec.objectives[0].target of 0.9 is one`},
		{"a ratio that is invariant", "blackout/phase: outage", `blackout/invariant: "true"`, `base.yaml:10: metadata.annotations["blackout/invariant"]: an invariant has no error budget, a ratio's target is one`},
		{"a target beyond one", "target: 0.999", "target: 1.2", `base.yaml:25: spec.objectives[0].target: must be less than '1' (it is 1.2)`},
		{"a target of nothing", "target: 0.999", "target: 0", `base.yaml:25: spec.objectives[0].target: 0 asks for nothing`},
		{"no target", ", target: 0}\n    - {display", "}\n    - {display", `base.yaml:40: spec.objectives[0]: one of [target, targetPercent] properties must be set`},
		{"a ratio with a value", "- target: 0.999", "- {value: 1, op: lte, target: 0.999}", `base.yaml:25: spec.objectives[0].`},
		{"no value", "op: lte, value: 5", "op: lte", `base.yaml:40: spec.objectives[0].value: it is missing`},
		{"a negative value", "value: 5,", "value: -5,", `base.yaml:40: spec.objectives[0].value: -5 is negative`},
		{"another operator", "op: lte, value: 10", "op: gt, value: 10", `base.yaml:41: spec.objectives[1].op: "gt" is not read: write lte`},
		{"an unknown field", "  service: gateway\n  budgeting", "  servise: gateway\n  budgeting", `base.yaml:13: spec.servise: OpenSLO v1 has no such field`},
		{"a missing field", "  service: gateway\n  budgetingMethod: Occurrences\n  timeW", "  budgetingMethod: Occurrences\n  timeW", `base.yaml:12: spec.service: property is required but was empty`},
		{"a reference to nothing", "indicatorRef: rto-seconds", "indicatorRef: rto", `base.yaml:38: spec.indicatorRef: no document of the file is the SLI "rto"`},
		{"another source", "{type: blackout, spec: {sli: data", "{type: prometheus, spec: {sli: data", `base.yaml:38: spec.indicatorRef.thresholdMetric.metricSource.type: "prometheus" is not ours`},
		{"two sources that differ", onlyRaw, goodAndTotal("1s", "2s"), `base.yaml:24: spec.indicator.spec.ratioMetric.total.metricSource.spec: it differs`},
		{"no indicator named", "sli: proxy-availability, ", "", `spec.indicator.spec.ratioMetric.raw.metricSource.spec.sli: it is missing`},
		{"a parameter that is a list", "deadline: 1s", "deadline: [1s]", `base.yaml:23: spec.indicator.spec.ratioMetric.raw.metricSource.spec.deadline: it is neither text nor a number`},
		{"a share of failures", "rawType: success", "rawType: failure", `base.yaml:21: spec.indicator.spec.ratioMetric.rawType: failure is not read`},
		{"time slices", "budgetingMethod: Occurrences\n  timeW", "budgetingMethod: Timeslices\n  timeW", `spec.objectives[0].timeSlice`},
		{"an alpha version", "apiVersion: openslo/v1\nkind: SLI", "apiVersion: openslo/v2alpha\nkind: SLI", `base.yaml:43: apiVersion: "openslo/v2alpha" is not read: write openslo/v1`},
		{"an unknown kind", "kind: SLI", "kind: Poem", `base.yaml:44: kind: "Poem" is no kind of OpenSLO v1: write SLO, SLI`},
		{"no version", "apiVersion: openslo/v1\nkind: SLI", "kind: SLI", `base.yaml:43: apiVersion: it is missing`},
		{"a key twice", "    team/owner: platform", "    blackout/phase: steady", `base.yaml:11: metadata.annotations["blackout/phase"]: it is there twice`},
		{"two of one name", "name: rto\n", "name: availability\n", `base.yaml:30: metadata.name: "availability" is the name of another SLO`},
		{"no YAML", "kind: SLO", "kind: [SLO", `it is not YAML`},
		{"a list", base, "- 1\n", `base.yaml:1: a document is a mapping`},
		{"nothing", base, "# nothing\n", `base.yaml:1: kind: no SLO is in the file`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(base, c.old, c.new, 1)
			if text == base {
				t.Fatal("the change changes nothing")
			}
			_, err := Parse("base.yaml", []byte(text))
			if err == nil {
				t.Fatal("it is read")
			}
			if at := strings.Index(err.Error(), c.want); at < 0 || at > 0 && strings.HasPrefix(c.want, "base") {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
			var at *Error
			if strings.Contains(err.Error(), "\n") || !errors.As(err, &at) || at.Line < 1 || at.File != "base.yaml" {
				t.Errorf("%q names no file and line in one line", err)
			}
		})
	}
}

// TestErrorfNamesTheLine: who finds an objective wrong later names its place as well.
func TestErrorfNamesTheLine(t *testing.T) {
	t.Parallel()
	doc, err := Parse("base.yaml", []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	err = doc.Objectives[0].Errorf(`metadata.annotations["blackout/phase"]`, "not %s", "so")
	if want := `base.yaml:10: metadata.annotations["blackout/phase"]: not so`; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTiers reads the files that come with the program.
func TestTiers(t *testing.T) {
	t.Parallel()
	const dir = "../../fixtures/slo"
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var tiers []string
	for _, f := range files {
		doc, err := Read(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Error(err)
			continue
		}
		tiers = append(tiers, doc.Tier)
		if want := doc.Tier + ".yaml"; f.Name() != want || doc.Window != "30d" {
			t.Errorf("%s is of the tier %s and the window %s", f.Name(), doc.Tier, doc.Window)
		}
	}
	slices.Sort(tiers)
	if want := []string{"ci", "evidence", "nightly"}; !slices.Equal(tiers, want) {
		t.Errorf("the tiers are %v, want %v", tiers, want)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Read(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("# comment\n", maxSize/10+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(large); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
}

// FuzzParse: whatever a file holds, it is read or refused in one line.
func FuzzParse(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte("a: &a [*a]\n---\n- b\n---\nkind: SLO\napiVersion: openslo/v1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Parse("fuzz.yaml", text)
		switch {
		case err == nil && len(doc.Objectives) == 0:
			t.Error("a file without objectives is read")
		case err != nil && strings.ContainsAny(err.Error(), "\n\r"):
			t.Errorf("the error has several lines: %q", err)
		}
	})
}
