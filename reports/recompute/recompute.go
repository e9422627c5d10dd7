// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package recompute computes the figures of a report.json a second time, from the
// recording beside it, and lists where the two differ:
//
//	differences, err := recompute.Differences("reports/out/RUN")
//
// It has no code in common with what wrote the report. The recording is decoded here, as
// docs/recording.md describes it, into tables of an SQLite database in memory, and every
// figure is a query of figures.sql. What oracles say is taken as given: verdicts on
// promises, checks of the measurement, doubts in what a fault's witness saw. So is what
// [Given] names.
package recompute

import (
	"cmp"
	_ "embed" // figures.sql
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// figures.sql has statements that make tables, then a section for each query.
//
//go:embed figures.sql
var queries string

// Given are patterns of the paths whose numbers are taken from the report as they are:
// what oracles say, where the run took place, and what objectives measure on the oracles'
// reading of nodes' lives and of snapshots.
var Given = []string{
	`/promises/\d+/clauses/.*`,
	`/validity/.*`,
	`/environment/.*`,
	`/objectives/\d+ [^/]+/evidence/.*`,
	`/objectives/\d+ (data-plane-rto|recovery-point|recovery-time)/(samples|bad|worst|in_general/(outages|clean)|parts/.*)`,
	`/objectives/\d+ (snapshot-staleness|store-reads-after-boot|wrong-configuration)/(samples|bad|worst)`,
	`/objectives/\d+ latency-ratio/(samples|estimate|lower|upper)`,
}

var given = regexp.MustCompile("^(" + strings.Join(Given, "|") + ")$")

// Difference is a value of a report that is not what the recording comes to.
type Difference struct {
	Path                 string // as in /traffic/0/good; the number of an objective is followed by its SLI
	Reported, Recomputed any    // nil: there is none
}

// Differences compares the report in a finished run's directory with the recording there.
func Differences(dir string) (found []Difference, err error) {
	report, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	r, err := Open(dir, report)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Differences(report)
}

// Differences compares a report with the recording. Each of its numbers and truth values
// must be recomputed, and none may be missing; texts are compared where both sides have one.
func (r *Run) Differences(report []byte) ([]Difference, error) {
	if _, err := r.Exec("UPDATE report SET j = ?", string(report)); err != nil {
		return nil, fmt.Errorf("take report: %w", err)
	}
	reported, recomputed := map[string]any{}, maps.Clone(r.figures)
	if err := errors.Join(r.ask(reported, "reported"), r.ask(recomputed, "judged")); err != nil {
		return nil, err
	}
	all := maps.Clone(reported)
	maps.Copy(all, recomputed)
	var found []Difference
	for _, path := range slices.Sorted(maps.Keys(all)) {
		a, b := reported[path], recomputed[path]
		_, text := cmp.Or(a, b).(string)
		if alone := a == nil || b == nil; !same(a, b) && (!text || !alone) && !given.MatchString(path) {
			found = append(found, Difference{path, a, b})
		}
	}
	return found, nil
}

// same allows fractions a billionth: they are reached by another arithmetic.
func same(a, b any) bool {
	number := func(v any) (n float64, fraction bool) {
		if whole, ok := v.(int64); ok {
			return float64(whole), false
		}
		n, fraction = v.(float64)
		return n, fraction
	}
	x, fraction := number(a)
	y, fractions := number(b)
	return a == b || a != nil && b != nil && (fraction || fractions) && math.Abs(x-y) <= 1e-9*max(math.Abs(x), 1)
}

// ask runs the queries of a part of figures.sql. A row's place in the section is its
// number, or what it has in a column "at"; a column "." is the value at the place itself.
func (r *Run) ask(figures map[string]any, part string) error {
	for _, query := range strings.Split(queries, "\n--= ")[1:] {
		section, query, _ := strings.Cut(query, "\n")
		section, asked := strings.CutPrefix(strings.TrimSuffix(section, "/"), part+" ")
		if !asked {
			continue
		}
		rows, err := r.Query(query)
		if err != nil {
			return fmt.Errorf("query %s: %w", section, err)
		}
		names, err := rows.Columns()
		values, to := make([]any, len(names)), make([]any, len(names))
		for k := range values {
			to[k] = &values[k]
		}
		for i := 0; err == nil && rows.Next(); i++ {
			err = rows.Scan(to...)
			at := section + "/" + strconv.Itoa(i)
			for k, name := range names {
				switch name {
				case "at":
					at = strings.TrimSuffix(section+"/"+fmt.Sprint(values[k]), "/")
				case ".":
					figures[at] = values[k]
				default:
					figures[at+"/"+name] = values[k]
				}
			}
		}
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("query %s: %w", section, err)
		}
	}
	return nil
}
