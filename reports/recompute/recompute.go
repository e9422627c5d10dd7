// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package recompute computes the figures of a report.json a second time, from the
// recording beside it, and lists where the two differ:
//
//	run, err := recompute.Open("reports/out/RUN")
//	…
//	differences, err := run.Differences(report)
//
// It has no code in common with what wrote the report. The recording is decoded here, as
// docs/recording.md describes it, into tables of an SQLite database in memory, of which
// figures.sql makes the parts of a report and compares them.
// [Given] names what is taken from the report instead. Go and queries together are at most
// 300 lines of code, so that an auditor can read them.
package recompute

import (
	"bytes"
	"database/sql"
	_ "embed" // the queries
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

//go:embed figures.sql
var figures string

// Given are patterns of the paths whose numbers are taken from the report as they are; a
// star stands for anything. The number of an objective in a path is followed by its SLI.
var Given = []string{
	// What oracles say: of promises, of the measurement, of nodes' lives and of configurations. So
	// are samples, bad and worst of an objective of which a report has as many values as it may, 64.
	"/promises/*", "/validity/*", "/starts/*/control_plane_gone_ns", "/staleness/changes/*/stored_after_ns", "/objectives/*/[epv]*/*", "/objectives/* recovery-*/in_general/*",
	"/objectives/* data-plane-rto/in_general/*", "/objectives/* wrong-configuration/samples", "/objectives/* wrong-configuration/bad", "/objectives/* measurement-validity/samples",
	// What is of the machine and of the runs before.
	"/environment/*", "/baseline/*",
	// What a bootstrap came to: with the same random numbers it would be the same code.
	"/objectives/* latency-ratio/samples", "/objectives/* latency-ratio/estimate", "/objectives/* latency-ratio/*er", "/objectives/* latency-ratio/needed",
}

// Difference is a value of a report that is not what the recording comes to.
type Difference struct {
	Path                 string // as in /traffic/0/good
	Reported, Recomputed any    // nil: there is none
}

// Run is a finished run: its recording, in tables, and the figures that it comes to.
type Run struct{ *sql.DB }

// Open reads the recording and the SLO file in a finished run's directory. Close must be called.
func Open(dir string) (r Run, err error) {
	if r.DB, err = sql.Open("sqlite", ":memory:"); err != nil {
		return r, fmt.Errorf("recompute %s: %w", dir, err)
	}
	r.SetMaxOpenConns(1)                       // each connection has a memory of its own
	add := func(query string, values ...any) { // the first error is the only one
		if err == nil {
			_, err = r.Exec(query, values...)
		}
	}
	read := func(path ...string) (text []byte) {
		if err == nil {
			text, err = os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
		}
		return text
	}
	add(`CREATE TABLE line (n INTEGER PRIMARY KEY, j); CREATE TABLE q (stream, due, sent, done, gen, class, flags);
		CREATE TABLE slo (j); CREATE TABLE report (j); CREATE TABLE given (pattern); CREATE TABLE figure (path, j)`)
	lines := bytes.Split(read("recording", "events.jsonl"), []byte("\n"))
	for _, line := range lines[:len(lines)-1] { // the last has no end: it is empty, or the run died of writing it
		add("INSERT INTO line (j) VALUES (?)", string(line))
	}
	at, records := binary.LittleEndian, read("recording", "requests.bin")
	for ; len(records) >= 34; records = records[34:] {
		add("INSERT INTO q VALUES (?, ?, ?, ?, ?, ?, ?)", at.Uint16(records[28:]), int64(at.Uint64(records)), int64(at.Uint64(records[8:])),
			int64(at.Uint64(records[16:])), at.Uint32(records[24:]), records[32], records[33])
	}
	files, _ := filepath.Glob(filepath.Join(dir, "slo", "*")) // it fails for bad patterns only
	for _, file := range files {
		for document := range bytes.SplitSeq(read("slo", filepath.Base(file)), []byte("\n---\n")) {
			var parsed map[string]any
			err = errors.Join(err, yaml.Unmarshal(document, &parsed))
			j, _ := json.Marshal(parsed) // what YAML can say with texts for keys, JSON can
			add("INSERT INTO slo VALUES (?)", string(j))
		}
	}
	given, _ := json.Marshal(Given) // texts
	add("INSERT INTO given SELECT value FROM json_each(?)", string(given))
	if add(figures); err != nil {
		return r, fmt.Errorf("recompute %s: %w", dir, errors.Join(err, r.Close()))
	}
	return r, nil
}

// Differences compares a report with the recording. Each of its numbers and truth values
// must be recomputed, and none may be missing; texts are compared where both sides have one.
func (r Run) Differences(report []byte) (found []Difference, err error) {
	_, err = r.Exec("DELETE FROM report; INSERT INTO report VALUES (?)", string(report))
	rows, asked := r.Query("SELECT path, reported, recomputed FROM different ORDER BY path")
	if err = errors.Join(err, asked); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	defer rows.Close()
	for d := (Difference{}); err == nil && rows.Next(); found = append(found, d) {
		err = rows.Scan(&d.Path, &d.Reported, &d.Recomputed)
	}
	return found, errors.Join(err, rows.Err())
}
