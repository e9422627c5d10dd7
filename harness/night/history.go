// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package night

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"blackout/harness/journal"
	"blackout/harness/oracle"
	"blackout/harness/run"
)

// The files of the directory of nights, and of each night in it.
const (
	historyFile = "history.jsonl"
	journalFile = "journal.jsonl"
)

// Night is what a night was begun with: the first line of its journal.
type Night struct {
	Began  string        `json:"began"` // RFC 3339, UTC
	Commit string        `json:"commit"`
	Seed   uint64        `json:"seed"`
	Engine string        `json:"engine"`
	Budget time.Duration `json:"budget"`
	Items  int           `json:"items"` // of its plan
}

// Done is one run of a night: a line of its journal.
type Done struct {
	Item
	Run      string            `json:"run,omitempty"` // its directory
	Engine   string            `json:"engine,omitempty"`
	Code     int               `json:"code"`     // exit code, of harness/run
	Took     time.Duration     `json:"took"`     // building included
	Promises map[string]string `json:"promises"` // promise → verdict
	Violated []string          `json:"violated,omitempty"`
	Figures  []string          `json:"figures,omitempty"` // of a soak, in sentences
	Error    string            `json:"error,omitempty"`
	Smaller  string            `json:"smaller,omitempty"` // file of a smaller plan that fails, if one was searched for
}

// Line is a night in the history.
type Line struct {
	Night
	Ended    string                    `json:"ended"` // "done", "interrupted", or "killed": it wrote no line itself
	Runs     int                       `json:"runs"`
	Code     int                       `json:"code"`     // the worst of its runs
	Promises map[string]map[string]int `json:"promises"` // promise → verdict → runs
	Invalid  int                       `json:"invalid"`  // runs with exit code 4
	Failures []Done                    `json:"failures,omitempty"`
	Figures  []string                  `json:"figures,omitempty"`
}

// LineOf sums a night up.
func LineOf(n Night, ended string, runs []Done) Line {
	l := Line{Night: n, Ended: ended, Runs: len(runs), Promises: make(map[string]map[string]int)}
	for _, d := range runs {
		l.Code = run.Worse(l.Code, d.Code)
		for promise, verdict := range d.Promises {
			if l.Promises[promise] == nil {
				l.Promises[promise] = make(map[string]int)
			}
			l.Promises[promise][verdict]++
		}
		if d.Code == run.ExitInvalid {
			l.Invalid++
		}
		if d.Code != run.ExitHeld {
			l.Failures = append(l.Failures, d)
		}
		l.Figures = append(l.Figures, d.Figures...)
	}
	if len(runs) == 0 {
		l.Code = run.ExitNotMeasured
	}
	return l
}

// DoneOf is what came of an item.
func DoneOf(i Item, result run.Result, err error) Done {
	d := Done{Item: i, Run: result.Dir, Engine: result.Engine, Code: run.ExitCode(result, err), Promises: make(map[string]string)}
	for _, v := range result.Oracle.Verdicts {
		d.Promises[v.Promise] = string(v.Status)
		for _, c := range v.Clauses {
			if c.Status == oracle.Violated {
				d.Violated = append(d.Violated, c.ID)
			}
			if c.ID == flatClause && c.Status != oracle.NotMeasured {
				for _, e := range c.Evidence {
					d.Figures = append(d.Figures, e.Text)
				}
			}
		}
	}
	if why := errors.Join(err, result.Err); why != nil {
		d.Error = why.Error()
	}
	return d
}

// flatClause is the clause whose evidence are a soak's figures.
const flatClause = "G13.5"

// opening is the first line of the history.
type opening struct {
	Schema int `json:"schema"`
}

// Journal is a night's own journal.
type Journal = journal.Journal[Night, Done]

// Begin begins a night's journal in a directory of its own below dir.
func Begin(dir string, n Night) (path string, j *Journal, err error) {
	path = filepath.Join(dir, n.name())
	j, err = journal.Open[Night, Done](filepath.Join(path, journalFile), n)
	return path, j, err
}

// name is the night's directory.
func (n Night) name() string {
	began, err := time.Parse(time.RFC3339, n.Began)
	if err != nil {
		return fmt.Sprintf("seed-%d", n.Seed)
	}
	return began.UTC().Format("20060102-150405")
}

// Remember adds a night to the history of dir.
func Remember(dir string, l Line) error {
	h, err := journal.Open[opening, Line](filepath.Join(dir, historyFile), opening{Schema: 1})
	if err != nil {
		return err
	}
	return errors.Join(h.Add(l), h.Close())
}

// Recover adds those nights to the history that were killed before they could do it
// themselves, and returns them. A night whose journal is in use goes on.
func Recover(dir string) ([]Line, error) {
	known, err := journal.Read[opening, Line](filepath.Join(dir, historyFile), opening{Schema: 1})
	if err != nil {
		return nil, err
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*", journalFile))
	if err != nil {
		return nil, err
	}
	var found []Line
	for _, path := range entries {
		l, err := killed(path)
		if errors.Is(err, journal.ErrInUse) || errors.Is(err, errEmpty) {
			continue
		}
		if err != nil {
			return found, err
		}
		if slices.ContainsFunc(known, func(k Line) bool { return k.Night == l.Night }) {
			continue
		}
		if err := Remember(dir, l); err != nil {
			return found, err
		}
		found = append(found, l)
	}
	return found, nil
}

// errEmpty is returned by killed for a journal without a heading.
var errEmpty = errors.New("the journal is empty")

// headingOf is the first line of a night's journal.
func headingOf(text []byte) (Night, error) {
	first, _, whole := bytes.Cut(text, []byte("\n"))
	if !whole {
		return Night{}, errEmpty
	}
	var n Night
	if err := json.Unmarshal(first, &n); err != nil {
		return n, fmt.Errorf("the first line of a night's journal: %w", err)
	}
	return n, nil
}

// killed sums up a night from its journal.
func killed(path string) (Line, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Line{}, err
	}
	n, err := headingOf(text)
	if err != nil {
		return Line{}, err
	}
	j, err := journal.Open[Night, Done](path, n)
	if err != nil {
		return Line{}, err
	}
	return LineOf(n, "killed", j.All()), j.Close()
}
