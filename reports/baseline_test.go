// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness/oracle"
)

// daysBefore is the model of a run that began some days before the one of an input.
func daysBefore(days int, in Input, change func(*Model)) Model {
	m := Build(in)
	m.Run, m.Started = fmt.Sprintf("run-%03d", days), m.Started.AddDate(0, 0, -days)
	if change != nil {
		change(&m)
	}
	return m
}

// withBaseline gives an input a baseline of runs, the newest first.
func withBaseline(in Input, runs ...Model) Input {
	b := Baseline{Schema: BaselineSchema, Run: in.Recording.Header.Run, Runs: []EarlierRun{}, NotRead: []string{}}
	for _, m := range runs {
		b.Runs = append(b.Runs, earlier(m.Run, m))
	}
	in.Baseline = &b
	return in
}

// besideOthers is a run with objectives and a baseline: a promise that is newly VIOLATED, one
// that HELD again, an objective that was better, and text of a hostile neighbour.
func besideOthers() Input {
	in := keptWith("ci")()
	in.Result.Verdicts = slices.Clone(in.Result.Verdicts)
	in.Result.Verdicts[1].Status = oracle.Violated
	held := keptWith("ci")()
	in = withBaseline(in,
		daysBefore(1, held, func(m *Model) {
			worse := 0.995
			m.Promises[0].Status, m.Traffic[0].Availability = oracle.Violated, &worse
		}),
		daysBefore(2, held, func(m *Model) {
			m.Run, m.Environment.Host, m.Outcome.Status = hostile, "ci-2", oracle.Invalid
			for i := range m.Objectives {
				m.Objectives[i].Status = "PROVEN"
			}
		}),
		daysBefore(3, held, func(m *Model) { m.SLO = nil; m.Objectives = nil }),
	)
	in.Baseline.NotRead, in.Baseline.More = []string{"torn/report.json: " + hostile}, 2
	return in
}

func encoded(t *testing.T, b Baseline) []byte {
	t.Helper()
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBaselineIsReadBack: what is saved is read back, and the report is the same.
func TestBaselineIsReadBack(t *testing.T) {
	t.Parallel()
	in, dir := besideOthers(), t.TempDir()
	if err := in.Baseline.Save(dir); err != nil {
		t.Fatal(err)
	}
	first, err := renderJSON(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	if in.Baseline, err = ReadBaseline(dir, in.Recording.Header.Run); err != nil {
		t.Fatal(err)
	}
	again, err := renderJSON(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Error("a baseline that is read back gives another report")
	}
	if b, err := ReadBaseline(t.TempDir(), "any"); b != nil || err != nil {
		t.Errorf("where there is none: %v, %v", b, err)
	}
	if _, err := ReadBaseline(dir, "another"); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "baseline.json") {
		t.Errorf("of another run: %v", err)
	}
}

// TestBaselineIsRefused: what no program wrote is named in one line.
func TestBaselineIsRefused(t *testing.T) {
	t.Parallel()
	good := string(encoded(t, *besideOthers().Baseline))
	if _, err := DecodeBaseline([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, says string }{
		{"another schema", `"schema": 1`, `"schema": 2`, "its schema is 2"},
		{"an unknown field", `"schema": 1`, `"scheme": 1`, `unknown field "scheme"`},
		{"a field twice", `"schema": 1,`, `"schema": 1, "schema": 1,`, "missing or repeated"},
		{"a missing field", ",\n \"not_read_more\": 2", "", "missing or repeated"},
		{"an unknown verdict", `"G10": "HELD"`, `"G10": "FINE"`, `"FINE" is no verdict on G10`},
		{"an unknown objective's verdict", `"status": "PROVEN"`, `"status": "FINE"`, `"FINE" is no verdict on the objective`},
		{"the run itself", `"run": "run-001"`, `"run": "` + besideOthers().Baseline.Run + `"`, "run 1 is the run itself"},
		{"another series", `"engine": "` + besideOthers().Recording.Header.Engine, `"engine": "other`, "of another series"},
		{"another order", fmt.Sprintf(`"started": "%d`, besideOthers().Recording.Header.Started.Year()), `"started": "1999`, "the newest comes first"},
		{"more than there can be", `"samples": `, `"samples": 9000000000000`, "has 0 bad of 9000000000000"},
		{"less than nothing", `"bad": 0`, `"bad": -1`, "has -1 bad of"},
		{"no JSON", good, "{", "unexpected EOF"},
		{"something behind it", "\n}\n", "\n}\n{}\n", "written in another way"},
		{"other white space", "{\n ", "{\n\t", "written in another way"},
		{"a number of another kind", `"samples": `, `"samples": 1.5e300, "x": `, "cannot unmarshal"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: the baseline has no %q", c.name, c.old)
		}
		_, err := DecodeBaseline([]byte(strings.Replace(good, c.old, c.new, 1)))
		if !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q in one line", c.name, err, c.says)
		}
	}
}

// FuzzDecodeBaseline: whatever is taken is written the same.
func FuzzDecodeBaseline(f *testing.F) {
	small := *besideOthers().Baseline // a large one would take all of the time to be made smaller
	small.Runs = small.Runs[:1]
	small.Runs[0].Objectives = small.Runs[0].Objectives[2:3]
	for _, b := range []Baseline{small, {Schema: 1, Runs: []EarlierRun{}, NotRead: []string{}}} {
		text, err := b.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	m := Build(keptWith("ci")())
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := DecodeBaseline(text)
		if err != nil {
			return
		}
		if again := encoded(t, b); !bytes.Equal(again, text) {
			t.Fatalf("%q became %q", text, again)
		}
		one := m
		one.Baseline = lastRuns(m, &b)
		one.Answers = answers(one)
		if _, err := renderHTML(one); err != nil {
			t.Fatal(err)
		}
	})
}

// neighbours leaves runs below a directory, one a day before the one of held: of its series,
// of another, later ones, the run itself, and what cannot be read.
func neighbours(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := 1; i <= n; i++ {
		m := daysBefore(i, held(), nil)
		leave(t, dir, filepath.Join("suite", m.Run), m)
	}
	leave(t, dir, "self", Build(held()))
	leave(t, dir, "later", daysBefore(-1, held(), nil))
	copied := daysBefore(1, held(), nil)
	leave(t, dir, "a copy", copied)
	for i, change := range []func(*Model){
		func(m *Model) { m.Scenario = "other" }, func(m *Model) { m.Engine = "docker" }, func(m *Model) { m.Profile.Name = "kong" },
		func(m *Model) { m.Environment.Gateway = "other" }, func(m *Model) { m.Environment.Control = "other" },
	} {
		m := daysBefore(1, held(), change)
		m.Run = fmt.Sprintf("other-%d", i)
		leave(t, dir, m.Run, m)
	}
	put(t, []byte("{"), dir, "torn", JSONFile)
	put(t, []byte(`{"schema": 9, "run": "r", "scenario": "s", "engine": "e", "profile": {}, "started": "2026-01-01T00:00:00Z"`), dir, "from the future", JSONFile)
	if err := os.MkdirAll(filepath.Join(dir, "killed", "recording"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGatherBaseline(t *testing.T) {
	t.Parallel()
	in := held()
	for _, n := range []int{0, 3, 25} {
		dir := neighbours(t, n)
		b := GatherBaseline(dir, in.Recording.Header, in.Environment)
		var got, want []string
		for _, r := range b.Runs {
			got = append(got, r.Dir)
		}
		for i := 1; i <= min(n, 20); i++ {
			want = append(want, fmt.Sprintf("suite/run-%03d", i))
		}
		if want == nil {
			want = []string{"a copy"}
		} else {
			want[0] = "a copy" // the same run: whichever comes first by name
		}
		if !slices.Equal(got, want) || b.Run != "held-1" {
			t.Errorf("of %d: %q, want %q", n, got, want)
		}
		if len(b.NotRead) != 2 || b.More != 0 || !strings.HasPrefix(b.NotRead[0], "from the future/report.json: ") || !strings.HasPrefix(b.NotRead[1], "torn/report.json: ") {
			t.Errorf("not read: %q and %d more", b.NotRead, b.More)
		}
		text := encoded(t, b)
		if bytes.Contains(text, []byte(dir)) {
			t.Error("the baseline names its place")
		}
		if _, err := DecodeBaseline(text); err != nil {
			t.Error(err)
		}
		if again := encoded(t, GatherBaseline(dir, in.Recording.Header, in.Environment)); !bytes.Equal(again, text) {
			t.Error("the same runs gave another baseline")
		}
	}
}

// TestGatherReadsNoMoreThanItMust: of a run of another scenario what comes after the head
// is not looked at; of one of the series it is, and what is wrong with it is named.
func TestGatherReadsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	in, dir := held(), t.TempDir()
	for name, scenario := range map[string]string{"other": "other", "same": in.Recording.Header.Scenario} {
		m := daysBefore(1, held(), func(m *Model) { m.Scenario = scenario })
		content, err := renderJSON(m)
		if err != nil {
			t.Fatal(err)
		}
		put(t, content[:len(content)/2], dir, name, JSONFile)
	}
	b := GatherBaseline(dir, in.Recording.Header, in.Environment)
	if len(b.Runs) != 0 || len(b.NotRead) != 1 || !strings.HasPrefix(b.NotRead[0], "same/report.json: ") {
		t.Errorf("%d runs, not read: %q", len(b.Runs), b.NotRead)
	}
}

// TestGatherNamesAFew: of many reports that cannot be read not all are named; a directory
// that cannot be looked through is.
func TestGatherNamesAFew(t *testing.T) {
	t.Parallel()
	in, dir := held(), t.TempDir()
	for i := range 25 {
		put(t, nil, dir, fmt.Sprint(i), JSONFile)
	}
	if b := GatherBaseline(dir, in.Recording.Header, in.Environment); len(b.NotRead) != 20 || b.More != 5 {
		t.Errorf("%d named, %d more", len(b.NotRead), b.More)
	}
	b := GatherBaseline(filepath.Join(dir, "nowhere"), in.Recording.Header, in.Environment)
	if len(b.Runs) != 0 || len(b.NotRead) != 1 || strings.Contains(b.NotRead[0], dir) {
		t.Errorf("of no directory: %+v", b)
	}
}

// TestGatherWithoutATime: a run that does not say when it began is before no other.
func TestGatherWithoutATime(t *testing.T) {
	t.Parallel()
	in, dir := held(), neighbours(t, 2)
	in.Recording.Header.Started = in.Recording.Header.Started.AddDate(-3000, 0, 0)
	if b := GatherBaseline(dir, in.Recording.Header, in.Environment); len(b.Runs) != 0 {
		t.Errorf("%d runs before the first", len(b.Runs))
	}
}

// BenchmarkGather is the last of 300 runs, of which 30 are of its series.
func BenchmarkGather(b *testing.B) {
	dir := b.TempDir()
	for i := 1; i <= 300; i++ {
		content, err := renderJSON(daysBefore(i, held(), func(m *Model) {
			if i%10 != 0 {
				m.Scenario = "other"
			}
		}))
		if err == nil {
			err = errors.Join(os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755), os.WriteFile(filepath.Join(dir, fmt.Sprint(i), JSONFile), content, 0o600))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	in := held()
	for b.Loop() {
		if n := len(GatherBaseline(dir, in.Recording.Header, in.Environment).Runs); n != 20 {
			b.Fatalf("%d runs", n)
		}
	}
}
