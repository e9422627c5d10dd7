// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// textOf is the text of an element.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// shownStatuses are those that a page shows of the run, and of promises, clauses and
// objectives.
func shownStatuses(t *testing.T, page []byte) (run string, all []string) {
	t.Helper()
	for _, n := range elements(t, page) {
		switch {
		case attribute(n, "class") == "word":
			run = textOf(n)
		case n.Data == "td" && n.PrevSibling != nil && slices.Contains([]string{"good", "bad", "warn", "quiet"}, attribute(n, "class")):
			all = append(all, textOf(n))
		case n.Data == "td" && slices.ContainsFunc([]string{"VIOLATED", "OPEN", "PROVEN", "HELD", "INVALID"}, func(s string) bool { return strings.Contains(textOf(n), s) }):
			all = append(all, textOf(n))
		}
	}
	return run, all
}

// TestSoFarIsNeverFinal: while a run goes on nothing is held, proven or invalid.
func TestSoFarIsNeverFinal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   Input
		run  string
		says []string
	}{
		"nothing broke": {held(), "…RUNNING", []string{"Nothing was seen to break so far", "… OPEN"}},
		"a promise":     {violated(), "✗VIOLATED SO FAR", []string{"So far 1 promise broken: G10.", "✗ VIOLATED SO FAR", "so far: no-op on dp-2&gt;store was not witnessed"}},
		"an objective":  {withObjectives(keptWith("ci")(), provenOne, brokenOne), "✗VIOLATED SO FAR", []string{"So far 1 objective missed: o1."}},
		"no reason":     {withObjectives(sound(held()), objective.Measurement{Total: 20, Doubt: oracle.NotCarriedOut}), "…RUNNING", []string{"<dd>o0 is OPEN.</dd>"}},
		"nothing yet":   {inputs["empty"](), "…RUNNING", []string{"They are looked for when the run has ended.", "It is told when the run has ended."}},
	} {
		page, err := SoFar(c.in)
		if err != nil {
			t.Fatal(err)
		}
		run, all := shownStatuses(t, page)
		if run != c.run {
			t.Errorf("%s: the run is %q, want %q", name, run, c.run)
		}
		for _, final := range []oracle.Status{oracle.Held, oracle.Invalid, oracle.NotMeasured, NotProven, "PROVEN"} {
			if slices.ContainsFunc(all, func(s string) bool { return strings.HasSuffix(s, " "+string(final)) }) {
				t.Errorf("%s: something is %s while the run goes on: %q", name, final, all)
			}
		}
		if bytes.Contains(page, []byte(": .<")) || bytes.Contains(page, []byte("No baseline was kept")) {
			t.Errorf("%s: a reason is empty, or a baseline was looked for", name)
		}
		if slices.ContainsFunc(all, func(s string) bool { return strings.HasSuffix(s, "VIOLATED") }) {
			t.Errorf("%s: something is VIOLATED for good while the run goes on", name)
		}
		for _, want := range c.says {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s: the page does not say %q", name, want)
			}
		}
	}
}

// TestSoFarLeavesItsInput: the same input is reported on when the run has ended.
func TestSoFarLeavesItsInput(t *testing.T) {
	t.Parallel()
	in := violated()
	before := rendered(t, in)
	if _, err := SoFar(in); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, rendered(t, in)) {
		t.Error("the input was changed")
	}
}

// TestSoFarKnowsWhatIsNotDue: before traffic and faults begin, nothing failed for want of
// them; what failed without them did.
func TestSoFarKnowsWhatIsNotDue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		until history.Kind // the first event that is not there yet
		early []string
	}{
		"nothing has begun":  {history.TrafficBegin, []string{oracle.CheckFinished, oracle.CheckSent, oracle.CheckQuiet, oracle.CheckSchedule, oracle.CheckWitnessed}},
		"no fault as yet":    {history.FaultInject, []string{oracle.CheckFinished, oracle.CheckWitnessed}},
		"none looked at yet": {history.FaultWitness, []string{oracle.CheckFinished, oracle.CheckWitnessed}},
		"all of it is there": {"", []string{oracle.CheckFinished}},
	} {
		in := keptRun(t, "good")
		recording := *in.Recording
		if i := slices.IndexFunc(recording.Events, func(e history.Event) bool { return e.Kind == c.until }); i >= 0 {
			recording.Events = recording.Events[:i]
		} else if c.until != "" {
			t.Fatalf("%s: the recording has no %s", name, c.until)
		}
		in.Recording, in.Result.Validity = &recording, nil
		for _, check := range []string{
			oracle.CheckFinished, oracle.CheckSent, oracle.CheckQuiet, oracle.CheckWitnessed, oracle.CheckSchedule, oracle.CheckHarness,
		} {
			in.Result.Validity = append(in.Result.Validity, oracle.Check{Name: check, Text: "it failed"})
		}
		for _, check := range dueChecks(in) {
			if early := slices.Contains(c.early, check.Name); check.Unmeasured != early || (check.Text == "it failed") == early {
				t.Errorf("%s: %s: %+v", name, check.Name, check)
			}
		}
	}
}

// TestSoFarTellsWhoWasBelied: a fault that was not in force is one, whoever is to be
// looked at.
func TestSoFarTellsWhoWasBelied(t *testing.T) {
	t.Parallel()
	for _, belied := range [][]oracle.Belied{nil, {{}}} {
		in := Input{Recording: &history.Recording{Events: []history.Event{{Kind: history.FaultInject, Fault: 1}}}}
		in.Result.Belied = belied
		in.Result.Validity = []oracle.Check{{Name: oracle.CheckWitnessed, Text: "it failed"}}
		if got := dueChecks(in)[0]; got.Unmeasured != (belied == nil) {
			t.Errorf("belied %v: %+v", belied, got)
		}
	}
}

// TestSoFarTellsWhoWasNotSeen: a fault that somebody looked for in vain is none that is
// still to be looked at, whatever else is.
func TestSoFarTellsWhoWasNotSeen(t *testing.T) {
	t.Parallel()
	inject := func(fault int) history.Event { return history.Event{Kind: history.FaultInject, Fault: fault} }
	witness := func(fault int, ok bool) history.Event {
		return history.Event{Kind: history.FaultWitness, Fault: fault, OK: ok}
	}
	for name, c := range map[string]struct {
		events []history.Event
		want   int
	}{
		"both are waited for": {[]history.Event{inject(1), inject(2)}, 2},
		"one is":              {[]history.Event{inject(1), inject(2), witness(2, true)}, 1},
		"one was not seen":    {[]history.Event{inject(1), inject(2), witness(2, false)}, 0},
		"one has lapsed":      {[]history.Event{inject(1), witness(1, true), witness(1, false), inject(2)}, 0},
		"both were":           {[]history.Event{inject(1), inject(2), witness(1, true), witness(2, true)}, 0},
	} {
		if got := unwitnessed(c.events); got != c.want {
			t.Errorf("%s: %d are not looked at yet, want %d", name, got, c.want)
		}
	}
}
