// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// GatherBaseline looks through a directory, at any depth, for the newest runs that began
// before the one of a recording and asked the same of the same: those with its scenario,
// timers, engine, gateway and control. What cannot be read is named in the baseline, and
// keeps nothing else out of it.
//
// Of most reports no more than the beginning is read, so that hundreds of other runs in
// the directory cost little.
func GatherBaseline(dir string, of history.Header, e Environment) Baseline {
	g := gatherer{root: os.DirFS(dir), of: IndexedRun{
		Run: of.Run, Scenario: of.Scenario, Timers: of.Profile.Name, Engine: of.Engine, Gateway: e.Gateway, Control: e.Control, Started: of.Started,
	}}
	g.look(".")
	b := Baseline{Schema: BaselineSchema, Run: of.Run, Runs: g.take(), NotRead: []string{}}
	slices.Sort(g.unread)
	b.NotRead = append(b.NotRead, g.unread[:min(len(g.unread), baselineUnread)]...)
	b.More = len(g.unread) - len(b.NotRead)
	return b
}

// gatherer looks for the baseline of a run.
type gatherer struct {
	root   fs.FS
	of     IndexedRun
	found  []found
	unread []string
}

// found is a report that may be of the series, by its head.
type found struct {
	dir string
	reportHead
}

// reportHead is what a report.json begins with.
type reportHead struct {
	schema                        int
	run, scenario, engine, timers string
	started                       time.Time
}

// look looks for reports in a directory and those below it. In that of a run there are
// no others.
func (g *gatherer) look(dir string) {
	entries, err := fs.ReadDir(g.root, dir)
	if err != nil {
		g.cannot(dir, err)
		return
	}
	at := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == JSONFile && !e.IsDir() })
	if at >= 0 {
		g.consider(dir)
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			g.look(path.Join(dir, e.Name()))
		}
	}
}

// cannot notes what could not be read, without the place of the directory.
func (g *gatherer) cannot(name string, err error) {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	g.unread = append(g.unread, shorten(name+": "+err.Error(), htmlCell))
}

// consider reads the beginning of a report.
func (g *gatherer) consider(dir string) {
	name := path.Join(dir, JSONFile)
	file, err := g.root.Open(name)
	if err != nil {
		g.cannot(name, err)
		return
	}
	defer file.Close()
	head, err := readHead(file)
	if err != nil {
		g.cannot(name, err)
		return
	}
	if head.run != g.of.Run && head.scenario == g.of.Scenario && head.engine == g.of.Engine && head.timers == g.of.Timers && g.before(head.started) {
		g.found = append(g.found, found{dir, head})
	}
}

// before says whether a run that began then is an earlier one. Where a beginning was not
// recorded nobody can tell.
func (g *gatherer) before(began time.Time) bool { return !began.IsZero() && began.Before(g.of.Started) }

// take reads the newest of what was found until there are enough.
func (g *gatherer) take() []EarlierRun {
	slices.SortFunc(g.found, func(a, b found) int {
		return cmp.Or(b.started.Compare(a.started), cmp.Compare(a.run, b.run), cmp.Compare(a.dir, b.dir))
	})
	runs := []EarlierRun{}
	for _, f := range g.found {
		if len(runs) == baselineRuns {
			break
		}
		name := path.Join(f.dir, JSONFile)
		r, err := g.read(name, f.dir)
		if err != nil {
			g.cannot(name, err)
			continue
		}
		copied := func(other EarlierRun) bool { return other.Run == r.Run }
		if r.seriesKey() == g.of.seriesKey() && !slices.ContainsFunc(runs, copied) {
			runs = append(runs, r)
		}
	}
	return runs
}

// read reads the report in the directory of a run.
func (g *gatherer) read(name, dir string) (EarlierRun, error) {
	text, err := fs.ReadFile(g.root, name)
	if err != nil {
		return EarlierRun{}, err
	}
	m, err := Decode(text)
	if err != nil {
		return EarlierRun{}, err
	}
	r := earlier(dir, m)
	return r, r.check()
}

// earlier is what a baseline keeps of a model.
func earlier(dir string, m Model) EarlierRun {
	r := EarlierRun{IndexedRun: indexed(dir, m), Host: m.Environment.machine(), Objectives: []EarlierObjective{}}
	if m.SLO != nil {
		r.SLO = m.SLO.SHA256
	}
	for _, v := range m.Objectives {
		o := EarlierObjective{
			Name: v.Name, Kind: v.Kind, Status: v.Status, Samples: v.Samples, Bad: v.Bad, Estimate: v.Estimate, Lower: v.Lower, Upper: v.Upper,
			Values: []*float64{},
		}
		if asStatus(v.Status) == oracle.Invalid {
			o.Status = objective.Invalid // one that this program does not know, too
		}
		o.Values = append(o.Values, v.Values...)
		r.Objectives = append(r.Objectives, o)
	}
	return r
}

// errNoReport is what is wrong with a file that begins otherwise than reports do.
var errNoReport = errors.New("it is no report")

// readHead reads the fields with which a report begins, and nothing behind them.
func readHead(r io.Reader) (reportHead, error) {
	var h reportHead
	var profile struct {
		Name string `json:"name"`
	}
	wanted := map[string]any{
		"schema": &h.schema, "run": &h.run, "scenario": &h.scenario, "engine": &h.engine, "profile": &profile, "started": &h.started,
	}
	d := json.NewDecoder(r)
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return h, errNoReport
	}
	for missing := len(wanted); missing > 0; {
		name, err := d.Token()
		if err != nil {
			return h, fmt.Errorf("%w: %w", errNoReport, err)
		}
		key, ok := name.(string)
		if !ok {
			return h, errNoReport
		}
		var skipped json.RawMessage
		var into any = &skipped
		if wanted[key] != nil {
			into = wanted[key]
			missing--
		}
		if err := d.Decode(into); err != nil {
			return h, fmt.Errorf("%w: %w", errNoReport, err)
		}
	}
	if h.schema < 1 || h.schema > Schema {
		return h, fmt.Errorf("%w that this program reads: its schema is %d, and 1 to %d are known", errNoReport, h.schema, Schema)
	}
	h.timers = profile.Name
	return h, nil
}

// OfRuns says whether a directory can be looked through for runs: it is there, and not
// the own one of a run. The error wraps [ErrNoRuns].
func OfRuns(dir string) error {
	if _, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRuns, err)
	}
	if _, err := os.Stat(filepath.Join(dir, JSONFile)); err == nil {
		return fmt.Errorf("%w: %s is a run's own directory: name the one above it", ErrNoRuns, dir)
	}
	return nil
}
