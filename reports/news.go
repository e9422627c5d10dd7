// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// LastRuns is what a run is beside the runs of its baseline.
type LastRuns struct {
	Runs       []IndexedRun `json:"runs"` // newest first
	NotRead    []string     `json:"not_read"`
	More       int          `json:"not_read_more"`
	News       []News       `json:"news"`    // of each promise, then of objectives that were or are VIOLATED
	Changes    []Change     `json:"changes"` // of each objective
	Regression Regression   `json:"regression"`
}

// News is whether the verdict on a promise or an objective is one that the last run that
// judged it had, too. Only HELD and VIOLATED, of an objective PROVEN and VIOLATED, judge:
// runs in which it is anything else say nothing of it.
type News struct {
	Of   string        `json:"of"` // a promise's id, or "objective" and the name of one
	Now  oracle.Status `json:"now"`
	Is   Standing      `json:"is"`
	Last string        `json:"last"` // the last run before that judged it; empty: none did

	// Since is the first of the runs, one after the other, in which it was VIOLATED, this
	// one included; empty where it is not, and was not in the last run that judged it.
	Since string `json:"since"`
	Runs  int    `json:"runs"`  // of those runs, how many there are
	Least bool   `json:"least"` // there is no run before Since in which it HELD: it may be VIOLATED for longer
	Text  string `json:"text"`  // a sentence
}

// Standing is what the news is.
type Standing string

// What can have become of a verdict.
const (
	New        Standing = "new"         // VIOLATED now, and HELD before
	Still      Standing = "still"       // VIOLATED now and before
	Fixed      Standing = "fixed"       // HELD now, and VIOLATED before
	Unchanged  Standing = "unchanged"   // HELD now and before
	NotJudged  Standing = "not judged"  // neither now, and judged before
	NoBaseline Standing = "no baseline" // no run before judged it
)

// lastRuns puts a run beside those of its baseline; nil without one.
func lastRuns(m Model, b *Baseline) *LastRuns {
	if b == nil {
		return nil
	}
	l := &LastRuns{Runs: []IndexedRun{}, NotRead: append([]string{}, b.NotRead...), More: b.More, News: []News{}, Changes: []Change{}}
	for _, r := range b.Runs {
		l.Runs = append(l.Runs, r.IndexedRun)
	}
	now := indexed("", m)
	for _, p := range m.Promises {
		l.News = append(l.News, newsOf(p.Promise, p.Promise, seriesUpTo(now, l.Runs)))
	}
	for _, v := range m.Objectives {
		alike := withObjective(v.Name, sameSLO(m, b.Runs))
		now.Promises = map[string]oracle.Status{v.Name: asStatus(v.Status)}
		news := newsOf(ofObjective+v.Name, v.Name, seriesUpTo(now, alike))
		news.Now = oracle.Status(v.Status)
		if news.Since != "" || asStatus(v.Status) == oracle.Violated {
			l.News = append(l.News, news)
		}
		l.Changes = append(l.Changes, changeOf(m, v, b.Runs))
	}
	l.Regression = regression(m, b.Runs)
	return l
}

// seriesUpTo are the runs before, which are newest first, and this one.
func seriesUpTo(now IndexedRun, before []IndexedRun) series {
	s := series{runs: slices.Clone(before)}
	slices.Reverse(s.runs)
	s.runs = append(s.runs, now)
	return s
}

// sameSLO are the runs whose objectives were those of the same file.
func sameSLO(m Model, runs []EarlierRun) []EarlierRun {
	other := func(r EarlierRun) bool { return m.SLO == nil || r.SLO != m.SLO.SHA256 }
	return slices.DeleteFunc(slices.Clone(runs), other)
}

// withObjective are runs with the verdict on an objective in the place of those on
// promises.
func withObjective(name string, runs []EarlierRun) []IndexedRun {
	var out []IndexedRun
	for _, r := range runs {
		if o, ok := r.objective(name); ok {
			one := r.IndexedRun
			one.Promises = map[string]oracle.Status{name: asStatus(o.Status)}
			out = append(out, one)
		}
	}
	return out
}

// objective is the run's of that name.
func (r EarlierRun) objective(name string) (EarlierObjective, bool) {
	i := slices.IndexFunc(r.Objectives, func(o EarlierObjective) bool { return o.Name == name })
	if i < 0 {
		return EarlierObjective{}, false
	}
	return r.Objectives[i], true
}

// newsOf is the news of what has a name in the last run of a series.
func newsOf(of, name string, s series) News {
	judged := func(r IndexedRun) bool {
		return r.Promises[name] == oracle.Held || r.Promises[name] == oracle.Violated
	}
	now, before := s.runs[len(s.runs)-1], slices.DeleteFunc(slices.Clone(s.runs[:len(s.runs)-1]), func(r IndexedRun) bool { return !judged(r) })
	status := now.Promises[name]
	n := News{Of: of, Now: status, Is: NoBaseline}
	if len(before) == 0 {
		n.Text = n.sentence(now, now)
		return n
	}
	last := before[len(before)-1]
	was := last.Promises[name]
	n.Last = last.Run
	switch {
	case !judged(now):
		n.Is = NotJudged
	case status == oracle.Violated && was == oracle.Held:
		n.Is = New
	case status == oracle.Violated:
		n.Is = Still
	case was == oracle.Violated:
		n.Is = Fixed
	default:
		n.Is = Unchanged
	}
	since := now
	if status == oracle.Violated || was == oracle.Violated {
		since = n.since(name, s, before)
	}
	n.Text = n.sentence(last, since)
	return n
}

// since finds the first of the runs in which it was VIOLATED, one after the other.
func (n *News) since(name string, s series, before []IndexedRun) IndexedRun {
	if found, ok := s.breakage(name); ok {
		n.Since, n.Runs = found.first.Run, found.violated
		return found.first
	}
	// It HELD in no run before.
	n.Since, n.Runs, n.Least = before[0].Run, len(before), true
	if n.Is == Still {
		n.Runs++
	}
	return before[0]
}

// ofObjective begins what the news of an objective is of.
const ofObjective = "objective "

// sentence says it in words.
func (n News) sentence(last, since IndexedRun) string {
	good, least := oracle.Held, ""
	if strings.HasPrefix(n.Of, ofObjective) {
		good = statusProven
	}
	if n.Least {
		least = "at least "
	}
	span := fmt.Sprintf("%ssince %s, in %s that judged it", least, dated(since), count(n.Runs, "run"))
	was := span + ", last in " + dated(last)
	if n.Runs == 1 {
		was = "in " + dated(last)
	}
	switch n.Is {
	case New:
		return fmt.Sprintf("%s is new: it was %s in the last run that judged it, %s.", n.Of, good, dated(last))
	case Still:
		return fmt.Sprintf("%s is not new: VIOLATED %s.", n.Of, span)
	case Fixed:
		return fmt.Sprintf("%s is %s again: it was VIOLATED %s.", n.Of, good, was)
	case NotJudged:
		if n.Since != "" {
			return fmt.Sprintf("%s is %s now and says nothing: it was VIOLATED %s.", n.Of, n.Now, was)
		}
		return fmt.Sprintf("%s is %s now and says nothing: it was %s in the last run that judged it, %s.", n.Of, n.Now, good, dated(last))
	case Unchanged:
		return fmt.Sprintf("%s is %s, as in the last run that judged it, %s.", n.Of, good, dated(last))
	}
	return fmt.Sprintf("%s is %s: no run before judged it.", n.Of, n.Now)
}

// dated is a run's name and when it began.
func dated(r IndexedRun) string {
	if r.Started.IsZero() {
		return r.Run
	}
	return r.Run + " of " + r.Started.UTC().Format(time.RFC3339)
}

// Change is what became of an objective since the last run that can be compared: one of
// the baseline with the same SLO file.
type Change struct {
	Objective  string           `json:"objective"`
	Run        string           `json:"run"`        // that run; empty: there is none
	Was        objective.Status `json:"was"`        // the verdict there; empty: there is no such run
	Estimate   *float64         `json:"estimate"`   // there; null: not measured, or not comparable
	Difference *float64         `json:"difference"` // of this run's estimate from it
	Why        string           `json:"why"`        // why there is no difference; empty if there is one
}

// changeOf is the change of an objective.
func changeOf(m Model, v objective.Verdict, runs []EarlierRun) Change {
	c := Change{Objective: v.Name, Why: "no run before had the same SLO file"}
	for _, r := range sameSLO(m, runs) {
		was, ok := r.objective(v.Name)
		if !ok {
			continue
		}
		c.Run, c.Was = r.Run, was.Status
		switch c.Why = incomparable(m, v.Kind, r); {
		case c.Why != "":
		case v.Estimate == nil || was.Estimate == nil:
			c.Why = notMeasured
		default:
			difference := *v.Estimate - *was.Estimate
			c.Estimate, c.Difference = was.Estimate, &difference
		}
		break
	}
	return c
}

// incomparable says why the figures of an objective cannot be compared with those of a
// run of the same series and SLO file; empty if they can. What depends on the machine is
// compared on one machine only, as [Compare] does.
func incomparable(m Model, kind objective.Kind, r EarlierRun) string {
	times := kind == objective.Values || kind == objective.Ratio
	if host := m.Environment.machine(); times && (host == "" || host != r.Host) {
		return "another host, or not recorded"
	}
	return ""
}

// changed is the change of an objective in a cell.
func (m Model) changed(v objective.Verdict) string {
	if m.Baseline == nil {
		return "no baseline"
	}
	i := slices.IndexFunc(m.Baseline.Changes, func(c Change) bool { return c.Objective == v.Name })
	if i < 0 || m.Baseline.Changes[i].Run == "" {
		return "no comparable run"
	}
	c := m.Baseline.Changes[i]
	says := "same verdict"
	if c.Was != v.Status {
		says = "was " + string(c.Was)
	}
	switch {
	case v.Kind == objective.Gate:
		return says
	case c.Difference == nil:
		return says + "; figure not compared: " + c.Why
	case *c.Difference == 0:
		return says + ", same figure"
	case v.Kind == objective.Ratio:
		return fmt.Sprintf("%s; ratio %+.3f", says, *c.Difference)
	}
	return fmt.Sprintf("%s; %+.4f percentage points good", says, 100**c.Difference)
}

// isNew answers whether what is VIOLATED was so before, and what got worse.
func isNew(m Model) []string {
	l := m.Baseline
	if l == nil {
		return []string{"Unknown: no baseline was kept with the run."}
	}
	if len(l.Runs) == 0 {
		return append([]string{"Unknown: the baseline has no earlier run of the same scenario, timers, engine and gateway."}, l.unread()...)
	}
	lines := []string{}
	for _, is := range []Standing{New, NoBaseline, Still, NotJudged, Fixed} {
		for _, n := range l.News {
			if n.Is == is && n.tells() {
				lines = append(lines, n.Text)
			}
		}
	}
	if len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("Nothing is VIOLATED, nor was in the last of %s that judged it.", count(len(l.Runs), "earlier run")))
	}
	// What got worse must not be lost behind many promises.
	return append(slices.Insert(lines, min(len(lines), 4), l.Regression.sentence()), l.unread()...)
}

// tells says whether the news is an answer: of something that is VIOLATED, or was.
func (n News) tells() bool { return n.Now == oracle.Violated || n.Since != "" }

// unread says that the baseline lacks something.
func (l LastRuns) unread() []string {
	if len(l.NotRead) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s could not be read when the baseline was gathered, first: %s.", count(len(l.NotRead)+l.More, "report"), l.NotRead[0])}
}
