// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// judge sums up the model's promises. One broken promise outweighs a bad
// measurement, which outweighs a promise that was asked for and not measured.
func judge(m Model) Outcome {
	by := map[oracle.Status][]Promise{}
	for _, p := range m.Promises {
		status := known(p.Status)
		by[status] = append(by[status], p)
	}
	o := Outcome{
		Held: len(by[oracle.Held]), Violated: len(by[oracle.Violated]),
		Invalid: len(by[oracle.Invalid]), NotMeasured: len(by[oracle.NotMeasured]),
	}
	switch {
	case o.Violated > 0:
		o.Status = oracle.Violated
		o.Sentence = fmt.Sprintf("%s broken: %s.", ofPromises(o.Violated, len(m.Promises)), list(names(by[oracle.Violated])))
	case o.Invalid > 0:
		o.Status = oracle.Invalid
		o.Sentence = fmt.Sprintf("The measurement can't carry a verdict on %s; the run proves nothing about %s.",
			list(names(by[oracle.Invalid])), itOrThem(o.Invalid))
	case len(m.Promises) == 0:
		o.Status = oracle.NotMeasured
		o.Sentence = "No promise was judged."
	case o.NotMeasured > 0:
		o.Status = oracle.NotMeasured
		o.Sentence = notMeasuredSentence(by[oracle.NotMeasured])
	case len(m.Validity) == 0:
		o.Status = oracle.Invalid
		o.Sentence = "Nothing was found broken, but nobody checked whether the measurement can be trusted."
	default:
		o.Status = oracle.Held
		o.Sentence = heldSentence(m)
	}
	o.Sentence += errorsSeen(m.Incidents)
	return o
}

// names returns the ids of promises.
func names(promises []Promise) []string {
	var ids []string
	for _, p := range promises {
		ids = append(ids, p.Promise)
	}
	return ids
}

// itOrThem is the pronoun for a number of promises.
func itOrThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// notMeasuredSentence says of promises that are NOT MEASURED whether the run
// never exercised them or left out a part that it should have measured.
func notMeasuredSentence(promises []Promise) string {
	var never, sentences []string
	for _, p := range promises {
		if !inPart(p) {
			never = append(never, p.Promise)
			continue
		}
		sentences = append(sentences, fmt.Sprintf("%s was measured only in part: %s.", p.Promise, shortfall(p)))
	}
	if len(never) > 0 {
		sentences = append(sentences, fmt.Sprintf("The run was asked about %s and never exercised %s.", list(never), itOrThem(len(never))))
	}
	return strings.Join(sentences, " ")
}

// errorsSeen names the errors that are not the gateway's, by their owner.
func errorsSeen(incidents []Incident) string {
	const most = 160 // characters of an error
	var b strings.Builder
	for _, kind := range []string{harnessError, environmentError} {
		var texts []string
		for _, i := range incidents {
			if i.Kind == kind {
				texts = append(texts, strings.TrimSuffix(shorten(i.Text, most), "."))
			}
		}
		switch len(texts) {
		case 0:
		case 1:
			fmt.Fprintf(&b, " 1 %s was recorded: %s.", kind, texts[0])
		default:
			fmt.Fprintf(&b, " %d %ss were recorded, first: %s.", len(texts), kind, texts[0])
		}
	}
	return b.String()
}

// ofPromises counts promises: "2 of 5 promises were".
func ofPromises(n, all int) string {
	if all == 1 {
		return "The only promise asked for was"
	}
	if n == 1 {
		return fmt.Sprintf("1 of %d promises was", all)
	}
	return fmt.Sprintf("%d of %d promises were", n, all)
}

// heldSentence names what a held run leaves open: the clauses that were not
// exercised and the validity checks that failed.
func heldSentence(m Model) string {
	var open []string
	for _, p := range m.Promises {
		open = append(open, p.NotExercised...)
	}
	sentence := "Every promise asked for held."
	if len(m.Promises) == 1 {
		sentence = "The promise asked for held."
	}
	if len(open) > 0 {
		sentence += fmt.Sprintf(" Not exercised: %s.", list(open))
	}
	failed, unmade := failedChecks(m.Validity)
	if len(failed) > 0 {
		sentence += fmt.Sprintf(" Validity checks failed: %s; no verdict here rests on them.", list(failed))
	}
	if len(unmade) > 0 {
		sentence += fmt.Sprintf(" Not measured of the measurement itself: %s.", list(unmade))
	}
	return sentence
}

// known maps a status that this package does not know to INVALID: a verdict
// that can't be read is not good news.
func known(s oracle.Status) oracle.Status {
	switch s {
	case oracle.Held, oracle.Violated, oracle.NotMeasured, NotProven, Running, Open, Broken:
		return s
	}
	return oracle.Invalid
}

// failedChecks returns the names of the validity checks that failed, and of those
// that nobody could make.
func failedChecks(checks []oracle.Check) (failed, unmade []string) {
	for _, c := range checks {
		switch {
		case c.OK:
		case c.Unmeasured:
			unmade = append(unmade, c.Name)
		default:
			failed = append(failed, c.Name)
		}
	}
	return failed, unmade
}

// answers answers a reader's first questions from the rest of the model.
func answers(m Model) []Answer {
	all := []Answer{
		{"Did it hold?", []string{string(m.Outcome.Status) + ". " + m.Outcome.Sentence}},
		{"Which promise broke, and by how much?", broken(m.Promises)},
	}
	if m.SLO != nil {
		all = append(all, Answer{"Which objectives are proven, and what do the others lack?", unproven(m)})
	}
	return append(all,
		Answer{"When, and under which fault?", when(m)},
		Answer{"Is it new?", isNew(m)},
		Answer{"Can the measurement be trusted?", trust(m)},
		Answer{"How to run it again?", []string{recordedOr(m.Environment.Repeat)}},
	)
}

// broken says of each broken clause what broke.
func broken(promises []Promise) []string {
	var lines []string
	for _, p := range promises {
		for _, c := range clausesOf(p) {
			if c.Status == oracle.Violated {
				lines = append(lines, fmt.Sprintf("%s %s: %s", c.ID, strings.TrimSuffix(c.Title, "."), c.Reason))
			}
		}
	}
	switch {
	case len(lines) > 0:
		return lines
	case len(promises) == 0:
		return []string{"No promise was judged."}
	}
	return []string{"None was seen to break."}
}

// when places the first counterexample of each broken clause, and the outages,
// among the faults.
func when(m Model) []string {
	var lines []string
	end := history.Time(m.Duration)
	for _, p := range m.Promises {
		for _, c := range p.Clauses {
			if c.Status != oracle.Violated || len(c.Evidence) == 0 {
				continue
			}
			at := c.Evidence[0].At
			lines = append(lines, fmt.Sprintf("%s first at %s, %s.", c.ID, offset(at), under(inForce(m.Faults, Interval{at, at}, end))))
		}
	}
	return append(lines, outagesSeen(m))
}

// outagesSeen says how many outages there were. Where nobody sent a request
// nobody could have seen one.
func outagesSeen(m Model) string {
	unexplained, probed := 0, 0
	var silent []string
	for _, o := range m.Outages {
		if !o.Explained() {
			unexplained++
		}
	}
	for _, t := range m.Traffic {
		probed += t.Requests
		if t.Requests == 0 {
			silent = append(silent, t.Node)
		}
	}
	if probed == 0 {
		return "Outages: " + notMeasured + ". No request was sent."
	}
	sentence := "No outage was seen on any probed node."
	if len(m.Outages) > 0 {
		sentence = fmt.Sprintf("%s seen, %d of them UNEXPLAINED by any witnessed fault.", count(len(m.Outages), "outage"), unexplained)
	}
	if len(silent) > 0 {
		sentence += " Not probed: " + list(silent) + "."
	}
	return sentence
}

// under puts the faults in force into a sentence.
func under(witnessed, unwitnessed []string) string {
	switch {
	case len(witnessed) > 0:
		return "under " + list(witnessed)
	case len(unwitnessed) > 0:
		return "under no witnessed fault (not witnessed: " + list(unwitnessed) + ")"
	}
	return "under no fault"
}

// trust says whether the measurement can be believed.
func trust(m Model) []string {
	if len(m.Validity) == 0 {
		return []string{"Unknown: no validity check was made."}
	}
	failed, unmade := failedChecks(m.Validity)
	lines := []string{fmt.Sprintf("Yes: %s passed.", count(len(m.Validity)-len(unmade), "validity check"))}
	if len(failed) > 0 {
		lines[0] = fmt.Sprintf("Not in all parts: %d of %s failed: %s.", len(failed), count(len(m.Validity), "validity check"), list(failed))
	}
	if len(unmade) > 0 {
		lines = append(lines, fmt.Sprintf("Not checked, for want of data: %s.", list(unmade)))
	}
	witnessed := 0
	for _, f := range m.Faults {
		if f.Witnessed {
			witnessed++
		}
	}
	lines = append(lines, fmt.Sprintf("Witnessed to be in force: %d of %s.", witnessed, count(len(m.Faults), "fault")))
	if n := len(m.Incidents); n > 0 {
		lines = append(lines, fmt.Sprintf("%s recorded; see Incidents.", count(n, "incident")))
	}
	return lines
}

// list joins names for a sentence; it names at most eight.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
