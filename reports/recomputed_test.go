// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/reports/objective"
	"blackout/reports/recompute"
	"blackout/reports/slo"
)

// recomputedInputs are the kept runs, each kept recording with each tier, and the inputs of
// renderers, which have what no kept run has.
func recomputedInputs(t *testing.T) map[string]Input {
	all := map[string]Input{}
	for name, in := range inputs {
		all[name] = in()
	}
	recordings, err := os.ReadDir(filepath.Join("..", "fixtures", "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recordings {
		for _, tier := range slo.Tiers {
			all[r.Name()+" "+tier] = kept(t, filepath.Join("..", "fixtures", "recordings", r.Name()), filepath.Join("..", "fixtures", "slo", tier+".yaml"))
		}
	}
	for _, name := range keptRuns {
		all["run "+name] = keptRun(t, name)
	}
	all["a run with more values than a report has"] = manyValues(keptRun(t, "violated"))
	return all
}

// manyValues is a run with 310 values of an objective, the worst of which its report has not.
func manyValues(in Input) Input {
	in.Indicators = slices.Clone(objective.All)
	i := slices.IndexFunc(in.Indicators, func(s objective.SLI) bool { return s.Name == "snapshot-staleness" })
	in.Indicators[i].Measure = func(objective.Run, objective.Query) (m objective.Measurement) {
		for n := range 310 {
			m.Values = append(m.Values, objective.Value{At: history.Time(n), Value: float64(n), Text: "a value"})
		}
		return m
	}
	return in
}

// differences are between the report in a run's directory and the recording there.
func differences(t *testing.T, dir string) []recompute.Difference {
	t.Helper()
	report, err := os.ReadFile(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	run, err := recompute.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	found, err := run.Differences(report)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRecomputed: a second implementation comes to every figure of a report.
func TestRecomputed(t *testing.T) {
	t.Parallel()
	for name, in := range recomputedInputs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range differences(t, finished(t, in)) {
				t.Errorf("%+v", d)
			}
		})
	}
	t.Logf("taken from the report as it is:\n%s", strings.Join(recompute.Given, "\n"))
}

// alterable is a number or truth value of a report.
type alterable struct {
	path            string
	change, restore func() // of it, in the report
}

// numbersOf are all numbers and truth values of a decoded report.
func numbersOf(root any) []alterable {
	var all []alterable
	add := func(path string, set func(any), was, other any) {
		all = append(all, alterable{path, func() { set(other) }, func() { set(was) }})
	}
	var walk func(path string, set func(any), v any)
	walk = func(path string, set func(any), v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, field := range v {
				walk(path+"/"+name, func(to any) { v[name] = to }, field)
			}
		case []any:
			for i, element := range v {
				at := fmt.Sprintf("%s/%d", path, i)
				if o, ok := element.(map[string]any); ok && o["indicator"] != nil {
					at += fmt.Sprint(" ", o["indicator"])
				}
				walk(at, func(to any) { v[i] = to }, element)
			}
		case bool:
			add(path, set, v, !v)
		case json.Number:
			add(path, set, v, slightly(v))
		}
	}
	walk("", nil, root)
	return all
}

// apart are numbers in sets that may be changed at a time: what is recomputed from the
// recording is so before any report is there, and what also rests on the report (figures.sql:
// judged) is changed alone.
func apart(all []alterable) [][]alterable {
	const together = 50
	rests := regexp.MustCompile(`^/(objectives|error_budgets|outcome|promises|faults|connections)\b`)
	alone, others := [][]alterable(nil), []alterable(nil)
	for _, n := range all {
		if rests.MatchString(n.path) {
			alone = append(alone, []alterable{n})
		} else {
			others = append(others, n)
		}
	}
	return slices.AppendSeq(alone, slices.Chunk(others, together))
}

// slightly is a number that differs a little.
func slightly(n json.Number) json.Number {
	if whole, err := n.Int64(); err == nil {
		return json.Number(strconv.FormatInt(whole+1, 10))
	}
	value, _ := n.Float64()
	return json.Number(strconv.FormatFloat(value*1.001, 'g', -1, 64))
}

// withChanges are the paths at which a report differs from its recording when a set of its
// numbers is changed.
func withChanges(t *testing.T, run recompute.Run, root any, set []alterable) map[string]bool {
	t.Helper()
	for _, n := range set {
		n.change()
	}
	report, err := json.Marshal(root)
	for _, n := range set {
		n.restore()
	}
	if err != nil {
		t.Fatal(err)
	}
	differences, err := run.Differences(report)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, d := range differences {
		found[d.Path] = true
	}
	return found
}

// TestRecomputesEveryNumber: whichever number of a report is changed, that is seen at its
// place, or the number is one of those that are declared to be taken as they are.
func TestRecomputesEveryNumber(t *testing.T) {
	t.Parallel()
	given := regexp.MustCompile("^(" + strings.ReplaceAll(strings.Join(recompute.Given, "|"), "*", ".*") + ")$")
	for name, in := range map[string]Input{"the kept run violated": keptRun(t, "violated"), "a run with outages of its streams": violated()} {
		dir := finished(t, in)
		report, err := os.ReadFile(filepath.Join(dir, JSONFile))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, err := recompute.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer run.Close()
			var root any
			in := json.NewDecoder(bytes.NewReader(report))
			in.UseNumber()
			if err := in.Decode(&root); err != nil {
				t.Fatal(err)
			}
			seen, taken := 0, 0
			for _, set := range apart(numbersOf(root)) {
				found := withChanges(t, run, root, set)
				for _, n := range set {
					switch {
					case found[n.path]:
						seen++
					case given.MatchString(n.path):
						taken++
					default:
						t.Errorf("%s was changed, and nobody saw it", n.path)
					}
				}
			}
			if seen == 0 {
				t.Error("no number was changed")
			}
			t.Logf("of %d changed numbers %d were seen and %d are taken as they are", seen+taken, seen, taken)
		})
	}
}

// TestRecomputesEveryRequest: a report is not that of a recording in which one request
// ended otherwise.
func TestRecomputesEveryRequest(t *testing.T) {
	t.Parallel()
	dir := finished(t, keptRun(t, "good"))
	path := filepath.Join(dir, "recording", "requests.bin")
	records, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(record []byte){
		"a failure":               func(r []byte) { r[32] = byte(history.Reset) },
		"a masked failure":        func(r []byte) { r[33] ^= history.Masked },
		"a new connection":        func(r []byte) { r[33] ^= history.NewConnection },
		"an answer that is later": func(r []byte) { r[16+3]++ },
		"another stream":          func(r []byte) { r[28] ^= 2 },
	} {
		other := slices.Clone(records)
		change(other[100*history.RequestSize:])
		if err := os.WriteFile(path, other, 0o644); err != nil {
			t.Fatal(err)
		}
		if len(differences(t, dir)) == 0 {
			t.Errorf("%s in one of %d requests was not seen", what, len(records)/history.RequestSize)
		}
	}
}
