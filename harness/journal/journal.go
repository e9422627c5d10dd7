// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package journal keeps what a long piece of work has done so far in a file, one
// line of JSON each, so that it goes on where it was when it is called again. Its
// central type is [Journal].
//
//	j, err := journal.Open[heading, outcome]("reports/out/soak/log.jsonl", heading{Seed: 7})
//	done := j.All()
//	err = j.Add(outcome{…})
//
// The first line is a heading, which says what the work was begun with.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// ErrInUse is returned, wrapped, for a journal that another process has open.
var ErrInUse = errors.New("another process has it open")

// OtherHeading is the error for a journal that was begun with another heading.
type OtherHeading[H any] struct{ Found H }

func (e OtherHeading[H]) Error() string { return fmt.Sprintf("it was begun with %+v", e.Found) }

// Journal is what was done, in memory and in a file. Its methods may be called by
// several goroutines at once.
type Journal[H comparable, T any] struct {
	mu   sync.Mutex
	file *os.File
	done []T
}

// Open opens a journal, or begins one. A last line that was torn when its writer
// died is none. A journal with another heading is an [OtherHeading], one that
// another process has open is [ErrInUse]; any other line that is no entry is an
// error that names it.
func Open[H comparable, T any](path string, heading H) (j *Journal[H, T], err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j = &Journal[H, T]{file: file}
	if err := j.begin(heading); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), file.Close())
	}
	return j, nil
}

// begin takes the file for this process, reads it and makes it ready to be added to.
func (j *Journal[H, T]) begin(heading H) error {
	err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	if err != nil {
		return err
	}
	text, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	if j.done, err = parse[H, T](text, heading); err != nil {
		return err
	}
	_, seekErr := j.file.Seek(int64(len(text)), io.SeekStart)
	if err := errors.Join(j.file.Truncate(int64(len(text))), seekErr); err != nil || len(text) > 0 {
		return err
	}
	return j.write(heading)
}

// Read reads the entries of a journal that somebody may be adding to. One that is
// not there has none.
func Read[H comparable, T any](path string, heading H) ([]T, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	done, err := parse[H, T](text[:bytes.LastIndexByte(text, '\n')+1], heading)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return done, nil
}

// parse reads the whole lines of a journal.
func parse[H comparable, T any](text []byte, heading H) ([]T, error) {
	if len(text) == 0 {
		return nil, nil
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var found H
	if err := json.Unmarshal(first, &found); err != nil {
		return nil, fmt.Errorf("its first line is no heading: %w", err)
	}
	if found != heading {
		return nil, OtherHeading[H]{found}
	}
	var done []T
	for line := range bytes.Lines(rest) {
		var entry T
		if err := json.Unmarshal(line, &entry); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(done)+2, err)
		}
		done = append(done, entry)
	}
	return done, nil
}

// All are the entries so far, in the order in which they were added.
func (j *Journal[H, T]) All() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.done)
}

// Add adds an entry, to the file as well.
func (j *Journal[H, T]) Add(entry T) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, entry)
	if err := j.write(entry); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

func (j *Journal[H, T]) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// Close gives the journal up for others.
func (j *Journal[H, T]) Close() error { return j.file.Close() }
