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
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// leave writes the report of a run below a directory.
func leave(t *testing.T, dir, name string, m Model) {
	t.Helper()
	content, err := renderJSON(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, content, dir, name, JSONFile)
}

func put(t *testing.T, content []byte, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// nights are runs of two series, one a day: G10 breaks in one of them and mends, then
// breaks again; in the other it was never anything but VIOLATED.
func nights(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	day := func(n int, in Input, change func(*Model)) {
		m := Build(in)
		m.Run, m.Started = fmt.Sprintf("run-%d", n), m.Started.AddDate(0, 0, n)
		m.Environment.Gateway, m.Environment.Control, m.Environment.Blackout = "reference gateway", "", fmt.Sprintf("c0ffee%d", n)
		if change != nil {
			change(&m)
		}
		leave(t, dir, m.Run, m)
	}
	day(1, held(), nil)
	day(2, violated(), nil)
	day(3, held(), nil)
	day(4, held(), func(m *Model) {
		m.Traffic, m.Promises[1].Status, m.Outcome.Status = nil, oracle.NotMeasured, oracle.NotMeasured
	})
	day(5, violated(), nil)
	day(6, violated(), func(m *Model) { m.Promises[1].Status = oracle.Invalid })
	day(7, violated(), nil)
	day(8, violated(), func(m *Model) { m.Engine = "docker" })
	m := Build(held())
	m.Run, m.Scenario = hostile, hostile
	leave(t, dir, "suite-1/it's a <run>:&%", m)
	put(t, []byte("{"), dir, "torn", JSONFile)
	put(t, nil, dir, "nights", "20260301-020000", NightHTMLFile)
	return dir
}

func TestIndexGolden(t *testing.T) {
	t.Parallel()
	dir := nights(t)
	x, err := WriteIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	// The style is that of reports, too, and changes with them.
	golden(t, filepath.Join("index", IndexFile), bytes.Replace(page, []byte(pageStyle+indexStyle), nil, 1))
	if len(x.Runs) != 9 || len(x.Unread) != 1 || len(x.Nights) != 1 || x.Runs[0].Run != "run-8" || x.Runs[7].Run != "run-1" {
		t.Errorf("%d runs, not read %v, nights %v", len(x.Runs), x.Unread, x.Nights)
	}
	// The page itself is no run, and where the runs lie is not on it.
	if _, err := WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(dir, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, again) || bytes.Contains(page, []byte(dir)) {
		t.Error("the same runs gave another page, or it names their place")
	}
}

// TestIndexIsSelfContained: it loads nothing, runs nothing, and leads nowhere but below
// its directory.
func TestIndexIsSelfContained(t *testing.T) {
	t.Parallel()
	x, err := ReadIndex(nights(t))
	if err != nil {
		t.Fatal(err)
	}
	page, err := renderIndex(x)
	if err != nil {
		t.Fatal(err)
	}
	counts, policy, links := map[string]int{}, "", []string{}
	for _, n := range elements(t, page) {
		counts[n.Data]++
		if attribute(n, "http-equiv") == "Content-Security-Policy" {
			policy = attribute(n, "content")
		}
		if n.Data == "th" && attribute(n, "scope") == "" {
			t.Error("a <th> has no scope")
		}
		if n.Data == "svg" && attribute(n, "role") == "" {
			t.Error("an <svg> is not named")
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "src" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			case a.Key == "href" && strings.HasPrefix(a.Val, "./"):
				links = append(links, a.Val)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
				t.Errorf("<%s href=%q> leaves the directory", n.Data, a.Val)
			}
		}
	}
	if want := "default-src 'none'; style-src 'unsafe-inline'; img-src data:"; policy != want {
		t.Errorf("policy %q, want %q", policy, want)
	}
	for element, want := range map[string]int{"main": 1, "h1": 1, "script": 0, "link": 0, "img": 0, "iframe": 0} {
		if counts[element] != want {
			t.Errorf("%d <%s>, want %d", counts[element], element, want)
		}
	}
	for _, want := range []string{"./run-1/report.html", "./suite-1/it%27s%20a%20%3Crun%3E%3A&%25/report.html", "./nights/20260301-020000/night.html"} {
		if !slices.Contains(links, want) && !slices.Contains(links, strings.ReplaceAll(want, "%3A", ":")) {
			t.Errorf("no link to %s among %q", want, links)
		}
	}
	if bytes.ContainsAny(page, "\x1b\u202e") || !bytes.Contains(page, []byte("&lt;script&gt;alert(1)")) {
		t.Error("text of a run is not escaped")
	}
}

// TestNewSince: which run a promise broke in, and whether it mended.
func TestNewSince(t *testing.T) {
	t.Parallel()
	x, err := ReadIndex(nights(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range newSince(x) {
		again := "not since"
		if s.again != nil {
			again = s.again.Run
		}
		got = append(got, fmt.Sprintf("%s %s: %s, %s, %d, %s", s.promise, s.series.engine, s.held.Run, s.first.Run, s.violated, again))
	}
	if want := []string{"G10 local: run-3, run-5, 2, not since"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBreakage: the histories of one promise, oldest run first.
func TestBreakage(t *testing.T) {
	t.Parallel()
	verdicts := map[rune]oracle.Status{'h': oracle.Held, 'v': oracle.Violated, 'i': oracle.Invalid, 'n': oracle.NotMeasured}
	for runs, want := range map[string]string{
		"": "", "h": "", "v": "", "vv": "", "hh": "", "vh": "", "hi": "", "hn": "", "h-": "",
		"hv": "0 1 1", "hvv": "0 1 2", "hhvv": "1 2 2", "hvh": "0 1 1 again 2", "hvvhh": "0 1 2 again 3", "hvhv": "2 3 1", "hvhvh": "2 3 1 again 4",
		"hinv": "0 3 1", "hvin": "0 1 1", "hviv": "0 1 2", "vhv": "1 2 1", "hv-h": "0 1 1 again 3", "ihv": "1 2 1",
	} {
		var s series
		for i, c := range runs {
			r := IndexedRun{Run: fmt.Sprint(i), Promises: map[string]oracle.Status{}}
			if status, asked := verdicts[c]; asked {
				r.Promises["G1"] = status
			}
			s.runs = append(s.runs, r)
		}
		got := ""
		if b, ok := s.breakage("G1"); ok {
			got = fmt.Sprintf("%s %s %d", b.held.Run, b.first.Run, b.violated)
			if b.again != nil {
				got += " again " + b.again.Run
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", runs, got, want)
		}
	}
}

func TestIndexRefuses(t *testing.T) {
	t.Parallel()
	own := t.TempDir()
	leave(t, own, ".", Build(held()))
	for name, c := range map[string]struct{ dir, says string }{
		"nothing there": {filepath.Join(t.TempDir(), "x"), "no such file"},
		"no run":        {t.TempDir(), "there is no report.json"},
		"a run":         {own, "name the one above"},
	} {
		if _, err := WriteIndex(c.dir); !errors.Is(err, ErrNoRuns) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	torn := t.TempDir()
	put(t, []byte("[]"), torn, "a", JSONFile)
	if x, err := WriteIndex(torn); err != nil || len(x.Unread) != 1 || !strings.HasPrefix(x.Unread[0], "a/report.json: ") {
		t.Errorf("one that cannot be read: %v, %v", x, err)
	}
}

// TestIndexLimit: what is not shown is counted.
func TestIndexLimit(t *testing.T) {
	t.Parallel()
	var x Index
	for i := range indexRows + 7 {
		x.Runs = append(x.Runs, IndexedRun{Run: fmt.Sprintf("run-%d.", i), Dir: "x"})
	}
	page, err := renderIndex(x)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("And 7 older runs.")) || !bytes.Contains(page, []byte("run-499.")) || bytes.Contains(page, []byte("run-500.")) {
		t.Error("the page does not show the newest runs and count the others")
	}
}

// TestIndexedFigures: of a run whose data planes were cut off, one of which was started
// meanwhile.
func TestIndexedFigures(t *testing.T) {
	t.Parallel()
	at := func(s float64) history.Time { return sec(s) }
	took := func(d time.Duration) *time.Duration { return &d }
	cut := func(edge string, from, to float64) Fault {
		return Fault{Edge: edge, Start: Interval{at(from), at(from + 0.1)}, End: &Interval{at(to), at(to + 0.1)}, Active: true, Witnessed: true}
	}
	plane := func(name string, serves ...Span) NodeHistory {
		return NodeHistory{Node: name, Role: roleDataPlane, Serves: serves}
	}
	base := func() Model {
		return Model{
			Nodes: []NodeHistory{{Node: "cp", Role: roleControlPlane}, plane("dp-1", Span{From: at(1), Generation: 1}, Span{From: at(11), Generation: 2}),
				plane("dp-2", Span{From: at(6), Generation: 1}, Span{From: at(12), Generation: 2})},
			Faults: []Fault{cut("dp-1>cp", 4, 10), cut("dp-2>cp", 4, 10)},
			Starts: []Start{{Node: "dp-1", At: at(0), FirstGood: took(9 * time.Second)}, {Node: "dp-2", At: at(5), FirstGood: took(time.Second)}},
		}
	}
	for name, c := range map[string]struct {
		change          func(*Model)
		start, recovery string
	}{
		"as it is":                   {func(*Model) {}, "1.000 s", "2.000 s"},
		"nobody saw the cut":         {func(m *Model) { m.Faults[1].Witnessed = false }, notMeasured, "1.000 s"},
		"never confirmed":            {func(m *Model) { m.Faults[1].Active = false }, notMeasured, "1.000 s"},
		"not healed":                 {func(m *Model) { m.Faults[1].End = nil }, "1.000 s", "1.000 s"},
		"another edge":               {func(m *Model) { m.Faults[1].Edge = "dp-2>store" }, notMeasured, "1.000 s"},
		"the control plane as such":  {func(m *Model) { m.Faults = []Fault{cut("", 4, 10)}; m.Faults[0].Node = "cp" }, "1.000 s", "2.000 s"},
		"served after it was healed": {func(m *Model) { m.Starts[1].FirstGood = took(6 * time.Second) }, notMeasured, "2.000 s"},
		"never served":               {func(m *Model) { m.Starts[1].FirstGood = nil }, notMeasured, "2.000 s"},
		"cut after it was started":   {func(m *Model) { m.Faults[1].Start.To = at(5.5) }, notMeasured, "2.000 s"},
		"nothing newer":              {func(m *Model) { m.Nodes[2].Serves = m.Nodes[2].Serves[:1] }, "1.000 s", "1.000 s"},
		"newer before the healing":   {func(m *Model) { m.Nodes[2].Serves[1].From = at(9) }, "1.000 s", "1.000 s"},
		"no generation before":       {func(m *Model) { m.Nodes[2].Serves = m.Nodes[2].Serves[1:] }, "1.000 s", "1.000 s"},
		"cut again before":           {func(m *Model) { m.Faults = append(m.Faults, cut("dp-2>cp", 11, 15)) }, "1.000 s", "1.000 s"},
		"cut again after":            {func(m *Model) { m.Faults = append(m.Faults, cut("dp-2>cp", 13, 15)) }, "1.000 s", "2.000 s"},
	} {
		m := base()
		c.change(&m)
		r := indexed("x", m)
		if span(r.Start) != c.start || span(r.Recovery) != c.recovery {
			t.Errorf("%s: RTO %s, recovery %s, want %s and %s", name, span(r.Start), span(r.Recovery), c.start, c.recovery)
		}
	}
	if r := indexed("x", Build(violated())); percent(r.Availability) != "67.5925%" {
		t.Errorf("availability %s, want that of the worst node", percent(r.Availability))
	}
}

func TestSpark(t *testing.T) {
	t.Parallel()
	say := func(f float64) string { return fmt.Sprint(f) }
	of := func(figures ...float64) []*float64 {
		var out []*float64
		for _, f := range figures {
			if f < 0 {
				out = append(out, nil)
				continue
			}
			out = append(out, &f)
		}
		return out
	}
	for name, c := range map[string]struct {
		figures    []*float64
		path, says string
		dots       int
	}{
		"none":         {of(), "", notMeasured, 0},
		"not measured": {of(-1, -1), "", notMeasured, 0},
		"one":          {of(3), "M90.0 18.0", "newest 3, lowest 3, highest 3, in 1 of 1 run", 1},
		"two":          {of(1, 3), "M4.0 32.0L176.0 4.0", "newest 3, lowest 1, highest 3, in 2 of 2 runs", 1},
		"all alike":    {of(2, 2), "M4.0 18.0L176.0 18.0", "newest 2, lowest 2, highest 2, in 2 of 2 runs", 1},
		"a gap":        {of(1, -1, 3), "M4.0 32.0M176.0 4.0", "newest 3, lowest 1, highest 3, in 2 of 3 runs", 2},
		"ends in none": {of(3, 1, -1), "M4.0 4.0L90.0 32.0", "newest 1, lowest 1, highest 3, in 2 of 3 runs", 1},
	} {
		s := newSpark("x", c.figures, say)
		if s.Path != c.path || s.Says != c.says || len(s.Dots) != c.dots || s.Empty != (c.path == "") {
			t.Errorf("%s: %+v, want %q, %q, %d dots", name, s, c.path, c.says, c.dots)
		}
	}
	many := make([]float64, sparkRuns+5)
	many[0] = 9
	if s := newSpark("x", of(many...), say); !strings.Contains(s.Says, "highest 0, in 100 of 100 runs") {
		t.Errorf("of many: %s", s.Says)
	}
}
