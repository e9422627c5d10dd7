// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package recompute

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	_ "modernc.org/sqlite" // the driver
)

// Run is a finished run: its recording, in tables, and what that comes to.
type Run struct {
	*sql.DB
	figures map[string]any // by path
}

// Open reads the recording in a run's directory, the SLO file there and, in a report, which
// witnesses the oracles doubt. Close must be called.
func Open(dir string, report []byte) (*Run, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("recompute %s: %w", dir, err)
	}
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	r := &Run{db, map[string]any{}}
	tx, err := db.Begin()
	if err == nil {
		err = errors.Join(r.load(tx, dir, report), tx.Commit())
	}
	if err = errors.Join(err, r.ask(r.figures, "recorded")); err != nil {
		return nil, fmt.Errorf("recompute %s: %w", dir, errors.Join(err, db.Close()))
	}
	return r, nil
}

// load fills the tables. Its first error is its only one.
func (r *Run) load(tx *sql.Tx, dir string, report []byte) (err error) {
	add := func(query string, values ...any) {
		if err == nil {
			_, err = tx.Exec(query, values...)
		}
	}
	read := func(path ...string) (text []byte) {
		if err == nil {
			text, err = os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
		}
		return text
	}
	add("CREATE TABLE line (n INTEGER PRIMARY KEY, j); CREATE TABLE q (stream, due, sent, done, gen, class, flags); CREATE TABLE slo (j); CREATE TABLE report (j)")
	add("INSERT INTO report VALUES (?)", string(report))
	lines := bytes.Split(read("recording", "events.jsonl"), []byte("\n"))
	for _, line := range lines[:len(lines)-1] { // the last has no end: it is empty, or the run died of writing it
		add("INSERT INTO line (j) VALUES (?)", string(line))
	}
	le, records := binary.LittleEndian, read("recording", "requests.bin")
	for ; len(records) >= 34; records = records[34:] {
		add("INSERT INTO q VALUES (?, ?, ?, ?, ?, ?, ?)", le.Uint16(records[28:]), int64(le.Uint64(records)), int64(le.Uint64(records[8:])),
			int64(le.Uint64(records[16:])), le.Uint32(records[24:]), records[32], records[33])
	}
	files, globErr := filepath.Glob(filepath.Join(dir, "slo", "*"))
	for _, file := range files {
		text := read("slo", filepath.Base(file))
		r.figures["/slo/sha256"] = fmt.Sprintf("%x", sha256.Sum256(text))
		for in := yaml.NewDecoder(bytes.NewReader(text)); err == nil; {
			var document map[string]any
			if err = in.Decode(&document); errors.Is(err, io.EOF) {
				err = nil
				break
			}
			j, jsonErr := json.Marshal(document)
			add("INSERT INTO slo VALUES (?)", string(j))
			err = errors.Join(err, jsonErr)
		}
	}
	add(strings.SplitN(queries, "\n--= ", 2)[0])
	return errors.Join(err, globErr)
}
