// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// IndexFile is the name of the page that [WriteIndex] makes.
const IndexFile = "INDEX.html"

// ErrNoRuns is returned, wrapped, for a directory below which there is no run, or that is
// one itself.
var ErrNoRuns = errors.New("no directory of runs")

// Index is many runs: those below a directory.
type Index struct {
	Runs   []IndexedRun // newest first
	Unread []string     // reports that could not be read, and why
	Nights []string     // the pages of nights, as paths from the directory
}

// IndexedRun is what an index, and a [Baseline], keeps of a run.
type IndexedRun struct {
	Dir      string                   `json:"dir"` // from the directory that was looked through, with slashes
	Run      string                   `json:"run"`
	Scenario string                   `json:"scenario"`
	Seed     uint64                   `json:"seed,string"`
	Timers   string                   `json:"timers"`
	Engine   string                   `json:"engine"`
	Gateway  string                   `json:"gateway"`  // that was judged
	Control  string                   `json:"control"`  // as the report's environment has it
	Blackout string                   `json:"blackout"` // commit
	Started  time.Time                `json:"started"`
	Outcome  Outcome                  `json:"outcome"`
	Promises map[string]oracle.Status `json:"promises"`

	Availability *float64       `json:"availability"` // the lowest of a probed node
	Start        *time.Duration `json:"rto_ns"`       // RTO: the longest start of a data plane that was cut off from its control plane until it served
	Recovery     *time.Duration `json:"recovery_ns"`  // the longest time from a healing until a data plane served something newer
}

// ReadIndex reads the reports of all runs below a directory, at any depth. A report that
// cannot be read is named, and does not keep the others from being shown.
func ReadIndex(dir string) (Index, error) {
	var x Index
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return x.take(dir, at)
	})
	switch {
	case err != nil:
		return Index{}, fmt.Errorf("%w: %w", ErrNoRuns, err)
	case len(x.Runs)+len(x.Unread) == 0:
		return Index{}, fmt.Errorf("%w: there is no %s below %s", ErrNoRuns, JSONFile, dir)
	}
	slices.SortStableFunc(x.Runs, func(a, b IndexedRun) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Dir, b.Dir))
	})
	return x, nil
}

// take takes up a file of the directory, if it is one that an index is about.
func (x *Index) take(dir, at string) error {
	name, err := filepath.Rel(dir, at)
	if err != nil {
		return err
	}
	name = filepath.ToSlash(name)
	switch path.Base(name) {
	case NightHTMLFile:
		x.Nights = append(x.Nights, name)
	case JSONFile:
		if path.Dir(name) == "." {
			return fmt.Errorf("%s is a run's own directory: name the one above it", dir)
		}
		m, err := readAt(at)
		if err != nil {
			x.Unread = append(x.Unread, name+": "+err.Error())
			return nil
		}
		x.Runs = append(x.Runs, indexed(path.Dir(name), m))
	}
	return nil
}

// readAt reads a report; the error does not name the file.
func readAt(at string) (Model, error) {
	text, err := os.ReadFile(at)
	if where, ok := errors.AsType[*fs.PathError](err); ok {
		err = where.Err
	}
	if err != nil {
		return Model{}, err
	}
	return Decode(text)
}

// WriteIndex writes the page over all runs below a directory into it, and returns what is
// on it.
func WriteIndex(dir string) (Index, error) {
	x, err := ReadIndex(dir)
	if err != nil {
		return Index{}, err
	}
	page, err := renderIndex(x)
	if err != nil {
		return x, fmt.Errorf("render %s: %w", IndexFile, err)
	}
	if err := os.WriteFile(filepath.Join(dir, IndexFile), page, 0o644); err != nil {
		return x, fmt.Errorf("write %s: %w", IndexFile, err)
	}
	return x, nil
}

// indexed is what an index keeps of a model.
func indexed(dir string, m Model) IndexedRun {
	r := IndexedRun{
		Dir: dir, Run: m.Run, Scenario: m.Scenario, Seed: m.Seed, Timers: m.Profile.Name, Engine: m.Engine, Gateway: m.Environment.Gateway,
		Control: m.Environment.Control, Blackout: m.Environment.Blackout, Started: m.Started, Outcome: m.Outcome, Promises: make(map[string]oracle.Status),
		Start: longestStart(m), Recovery: longestRecovery(m),
	}
	for _, p := range m.Promises {
		r.Promises[p.Promise] = known(p.Status)
	}
	for _, t := range m.Traffic {
		if t.Availability != nil && (r.Availability == nil || *t.Availability < *r.Availability) {
			r.Availability = t.Availability
		}
	}
	return r
}

// cutsOff reports whether a fault cuts a data plane off from its control plane, on the
// way between them or as a whole.
func (m Model) cutsOff(f Fault, node string) bool {
	from, to, link := strings.Cut(f.Target(), ">")
	if !link {
		from, to = node, f.Target()
	}
	control := func(n NodeHistory) bool { return n.Node == to && n.Role == roleControlPlane }
	return f.Active && f.Witnessed && from == node && slices.ContainsFunc(m.Nodes, control)
}

// longestStart is the longest of those starts that began and served while a fault cut the
// data plane off; nil if there was none. Data planes that did not serve before the fault
// was healed, because they may not import or could not, are in the verdicts.
func longestStart(m Model) *time.Duration {
	var longest *time.Duration
	for _, s := range m.Starts {
		if s.FirstGood == nil {
			continue
		}
		served := s.At + history.Time(*s.FirstGood)
		cut := func(f Fault) bool {
			return m.cutsOff(f, s.Node) && f.Start.To <= s.At && (f.End == nil || served <= f.End.From)
		}
		if slices.ContainsFunc(m.Faults, cut) && (longest == nil || *s.FirstGood > *longest) {
			longest = s.FirstGood
		}
	}
	return longest
}

// longestRecovery is the longest time from the call that healed a data plane's way to its
// control plane until it was first seen to serve a newer generation than before; nil if
// none was. A generation that was made only after the healing makes it longer than the
// gateway took: it is an upper bound.
func longestRecovery(m Model) *time.Duration {
	var longest *time.Duration
	for _, n := range m.Nodes {
		for _, f := range m.Faults {
			if n.Role != roleDataPlane || f.End == nil || !m.cutsOff(f, n.Node) {
				continue
			}
			if at, ok := newer(n.Serves, f.End.From); ok && !m.cutAgain(n.Node, f.End.From, at) && (longest == nil || at.Sub(f.End.From) > *longest) {
				took := at.Sub(f.End.From)
				longest = &took
			}
		}
	}
	return longest
}

// newer is when a node was first seen to serve a newer generation than at a time.
func newer(serves []Span, after history.Time) (at history.Time, ok bool) {
	had := 0
	for _, s := range serves {
		switch {
		case s.From <= after:
			had = max(had, s.Generation)
		case s.Generation > had && had > 0:
			return s.From, true
		}
	}
	return 0, false
}

// cutAgain reports whether another fault may have cut the node off within a span.
func (m Model) cutAgain(node string, from, to history.Time) bool {
	return slices.ContainsFunc(m.Faults, func(f Fault) bool {
		return m.cutsOff(f, node) && f.Start.From > from && f.Start.From <= to
	})
}
