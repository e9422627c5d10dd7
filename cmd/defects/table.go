// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"blackout/harness/defect"
	"blackout/harness/run"
	"blackout/reports/stats"
)

// errShown is returned, wrapped, where the harness was shown to be wrong.
var errShown = errors.New("not as it should be")

// enough is the share of caught defects whose promise must be named right.
const enough = 0.9

// judged is what came of a lane of a defect.
type judged struct {
	defect  defect.Defect
	outcome row  // that caught it, or the last
	done    bool // there is an outcome, of all that is needed
}

// repeated is what came of the good gateway in one scenario.
type repeated struct {
	scenario                                 string
	asked, held, alarms, invalid, unmeasured int
	again                                    int // INVALID runs that were made once more
	lasted, took                             []time.Duration
	commits                                  []string
	found                                    []string // "G2.3 with seed 7"
}

// table is what came of everything that was asked for.
type table struct {
	defects []judged
	clean   []repeated
}

// table takes from the log what belongs to today's sources.
func (c *campaign) table() table {
	var t table
	for _, l := range c.lanes {
		if l.defect.Name == "" {
			for _, trial := range l.trials {
				t.repeat(trial, c.outcomeOf(l, trial))
			}
			continue
		}
		t.defects = append(t.defects, c.judged(l))
	}
	return t
}

// outcomeOf is a trial's row, or nil if it was not made yet.
func (c *campaign) outcomeOf(l lane, t trial) *row {
	k, err := c.keyOf(l, t)
	if err != nil {
		return nil
	}
	if r, done := c.find(k); done {
		return &r
	}
	return nil
}

func (c *campaign) judged(l lane) judged {
	j := judged{defect: l.defect, outcome: row{key: key{trial: l.trials[0]}}}
	missing := false
	for _, t := range l.trials {
		r := c.outcomeOf(l, t)
		if r == nil {
			missing = true
			continue
		}
		j.outcome = *r
		if r.caught() {
			j.done = true
			return j
		}
	}
	j.done = !missing
	return j
}

// repeat counts a run of the good gateway.
func (t *table) repeat(asked trial, r *row) {
	i := slices.IndexFunc(t.clean, func(c repeated) bool { return c.scenario == asked.Scenario })
	if i < 0 {
		i = len(t.clean)
		t.clean = append(t.clean, repeated{scenario: asked.Scenario})
	}
	c := &t.clean[i]
	c.asked++
	if r == nil {
		return
	}
	switch r.Exit {
	case run.ExitHeld:
		c.held++
	case run.ExitViolated:
		c.alarms++
		c.found = append(c.found, fmt.Sprintf("%s with seed %d", strings.Join(clauses(*r), " and "), r.Seed))
	case run.ExitInvalid:
		c.invalid++
	case run.ExitNotMeasured:
		c.unmeasured++
	}
	c.again += r.Invalid
	c.lasted, c.took = append(c.lasted, r.Lasted), append(c.took, r.Took)
	if !slices.Contains(c.commits, short(r.Commit)) {
		c.commits = append(c.commits, short(r.Commit))
	}
}

// short is a commit as tables name it.
func short(commit string) string {
	id, changes, changed := strings.Cut(commit, "+")
	if len(id) > 10 {
		id = id[:10]
	}
	if changed {
		id += "+" + changes
	}
	return id
}

// count is how many defects there are, how many of them were judged and caught in
// every scenario that must catch them, and for how many all of those named the
// right promise.
type count struct{ asked, done, caught, named int }

func (t table) count() count {
	var c count
	for i, j := range t.defects {
		if i > 0 && t.defects[i-1].defect.Name == j.defect.Name {
			continue // counted with the first of its scenarios
		}
		c.asked++
		done, caught, named := true, true, true
		for _, o := range t.defects[i:] {
			if o.defect.Name == j.defect.Name {
				done = done && o.done
				caught = caught && o.done && o.outcome.caught()
				named = named && o.done && o.outcome.named(o.defect.Preamble)
			}
		}
		c.done += one(done)
		c.caught += one(caught)
		c.named += one(named)
	}
	return c
}

// one is 1 for what is so.
func one(so bool) int {
	if so {
		return 1
	}
	return 0
}

// problems is the error for what is not as it should be.
func (t table) problems() error {
	var wrong, unjudged []string
	n := t.count()
	for _, j := range t.defects {
		switch {
		case !j.done:
			unjudged = append(unjudged, j.defect.Name)
		case !j.outcome.caught():
			wrong = append(wrong, fmt.Sprintf("%s: not caught, %s", j.outcome.trial, outcomes[j.outcome.Exit]))
		}
	}
	if float64(n.named) < enough*float64(n.caught) {
		wrong = append(wrong, fmt.Sprintf("the right promise was named for %d of %d caught: at least %.0f %% are needed", n.named, n.caught, 100*enough))
	}
	for _, c := range t.clean {
		if c.alarms > 0 {
			wrong = append(wrong, fmt.Sprintf("the good gateway in %s: false alarm, %s", c.scenario, strings.Join(c.found, "; ")))
		}
		made := len(c.took)
		if nothing := made - c.held - c.alarms - c.unmeasured; nothing > 0 {
			wrong = append(wrong, fmt.Sprintf("the good gateway in %s: %d of %d runs came to nothing, %d of them INVALID twice", c.scenario, nothing, made, c.invalid))
		}
		if made < c.asked {
			unjudged = append(unjudged, "the good gateway in "+c.scenario)
		}
	}
	if len(unjudged) > 0 {
		wrong = append(wrong, fmt.Sprintf("not judged yet: %d, first %s", len(unjudged), unjudged[0]))
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of %d defects judged; %s", errShown, n.done, n.asked, strings.Join(wrong, "; "))
}

// tell writes the tables, to a file as well if one is named.
func (t table) tell(w io.Writer, path string) error {
	text := t.markdown()
	_, err := fmt.Fprintf(w, "\n%s", text)
	if path == "" {
		return err
	}
	if mkErr := os.MkdirAll(filepath.Dir(path), 0o755); mkErr != nil {
		return errors.Join(err, mkErr)
	}
	return errors.Join(err, os.WriteFile(path, []byte(preface+text), 0o644))
}

// preface opens the file of the tables.
const preface = `# Known-bad gateways, judged

Written by ` + "`make defects`" + `, which goes on where it was; do not edit. Each patch of ` + "`fixtures/defects`" + ` is built, and a run that is given the
built gateway alone must find the promise that it breaks VIOLATED. The good gateway is judged many times over, and must never be. What the
scenarios are: [scenarios.md](scenarios.md); what the clauses are: [contract.md](contract.md).

- **after** is the recording's time from the first fault to the first counterexample (with a minus, before it; without a fault, from the start);
  **run** is the whole run, bring-up and report included.
- **promise** is right where the clause that the patch names is among those found VIOLATED, and no promise is that does not fall with it.
- The **bound** is what the count carries: with as many runs, a false alarm's probability is below it, with 95 % confidence (one-sided, exact,
  Clopper-Pearson). An INVALID run is made once more, on the record; a VIOLATED one never.

`

func (t table) markdown() string {
	var b strings.Builder
	if n := t.count(); n.asked > 0 {
		fmt.Fprintf(&b, "**%d of %d caught** by every scenario that must, the promise named right for %d of them", n.caught, n.asked, n.named)
		if n.done < n.asked {
			fmt.Fprintf(&b, "; %d not judged in all of them yet", n.asked-n.done)
		}
		b.WriteString(".\n\n| defect | clause | caught by | promise | VIOLATED | after | run | seed | commit |\n|---|---|---|---|---|---|---|---|---|\n")
		for _, j := range t.defects {
			b.WriteString(j.line())
		}
	}
	if len(t.clean) == 0 {
		return b.String()
	}
	alarms, runs := 0, 0
	for _, c := range t.clean {
		alarms, runs = alarms+c.alarms, runs+c.held+c.alarms
	}
	fmt.Fprintf(&b, "\n**%d false alarms** of the good gateway in %d runs.\n\n", alarms, runs)
	b.WriteString("| scenario | runs | false alarms | bound | INVALID, made again | INVALID twice | NOT MEASURED | recording | run | commit |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range t.clean {
		b.WriteString(c.line())
	}
	return b.String()
}

func (j judged) line() string {
	r, d := j.outcome, j.defect
	scenario, right, violated, after, took := r.Scenario, "right", strings.Join(clauses(r), " "), "", seconds(r.Took)
	switch {
	case !j.done:
		scenario, right, took = "not judged yet in "+scenario, "", ""
	case !r.caught():
		scenario, right = fmt.Sprintf("**nobody**: %s in %s", outcomes[r.Exit], r.Scenario), ""
	default:
		after = seconds(r.catch(d.Clause))
		if !r.named(d.Preamble) {
			right = "**wrong**"
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %d | %s |\n", d.Name, d.Clause, scenario, right, violated, after, took, r.Seed, short(r.Commit))
}

func (c repeated) line() string {
	bound := "none"
	if n := c.held + c.alarms; n > 0 {
		bound = fmt.Sprintf("%.1f %%", 100*stats.Upper(c.alarms, n, stats.Confidence))
	}
	alarms := fmt.Sprint(c.alarms)
	if c.alarms > 0 {
		alarms = fmt.Sprintf("**%d** (%s)", c.alarms, strings.Join(c.found, "; "))
	}
	return fmt.Sprintf("| %s | %d of %d | %s | %s | %d | %d | %d | %s | %s | %s |\n", c.scenario, c.held+c.alarms, c.asked, alarms, bound,
		c.again, c.invalid, c.unmeasured, seconds(median(c.lasted)), seconds(median(c.took)), cmp.Or(strings.Join(c.commits, ", "), "none"))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// median is the middle one, or 0 of none.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
