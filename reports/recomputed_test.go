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
	return all
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

// altered lists a report once for each of its numbers and truth values, with that one a
// little different, and its path.
func altered(t *testing.T, report []byte, each func(path string, report []byte)) {
	t.Helper()
	in := json.NewDecoder(bytes.NewReader(report))
	in.UseNumber()
	var root any
	if err := in.Decode(&root); err != nil {
		t.Fatal(err)
	}
	try := func(path string, set func(any), was, other any) {
		set(other)
		text, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		set(was)
		each(path, text)
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
			try(path, set, v, !v)
		case json.Number:
			try(path, set, v, slightly(v))
		}
	}
	walk("", nil, root)
}

// slightly is a number that differs a little.
func slightly(n json.Number) json.Number {
	if whole, err := n.Int64(); err == nil {
		return json.Number(strconv.FormatInt(whole+1, 10))
	}
	value, _ := n.Float64()
	return json.Number(strconv.FormatFloat(value*1.001, 'g', -1, 64))
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
			seen, taken := 0, 0
			altered(t, report, func(path string, report []byte) {
				found, err := run.Differences(report)
				switch {
				case err != nil:
					t.Fatal(err)
				case slices.ContainsFunc(found, func(d recompute.Difference) bool { return d.Path == path }):
					seen++
				case given.MatchString(path):
					taken++
				default:
					t.Errorf("%s was changed, and nobody saw it", path)
				}
			})
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
