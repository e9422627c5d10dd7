// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxLine bounds one line of events.jsonl, in bytes.
const maxLine = 1 << 20

// Load reads the recording in dir. A file that a killed run left half-written is
// read up to its last whole event and request; anything else that does not
// fit the format is an error that names the file and the line.
func Load(dir string) (*Recording, error) {
	var rec Recording
	if err := rec.loadEvents(filepath.Join(dir, eventsFile)); err != nil {
		return nil, fmt.Errorf("load recording: %w", err)
	}
	if err := rec.loadRequests(filepath.Join(dir, requestsFile)); err != nil {
		return nil, fmt.Errorf("load recording: %w", err)
	}
	return &rec, nil
}

func (rec *Recording) loadEvents(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return rec.decodeEvents(f, path)
}

func (rec *Recording) decodeEvents(r io.Reader, name string) error {
	in := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return fmt.Errorf("%s: no header: not a recording, or its run died at once", name)
			}
			return nil // a last line without its end was being written when the run died
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if err := rec.decodeLine(n, bytes.TrimSpace(line)); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
}

func (rec *Recording) decodeLine(n int, line []byte) error {
	if n > 1 {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		rec.Events = append(rec.Events, e)
		return nil
	}
	if err := json.Unmarshal(line, &rec.Header); err != nil {
		return err
	}
	if rec.Header.Schema != Schema {
		return fmt.Errorf("schema %d, but this program reads schema %d", rec.Header.Schema, Schema)
	}
	return nil
}

func (rec *Recording) loadRequests(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	whole := len(b) / RequestSize
	rec.Requests = make([]Request, whole)
	for i := range rec.Requests {
		r := &rec.Requests[i]
		r.get(b[i*RequestSize:])
		if int(r.Stream) >= len(rec.Header.Streams) {
			return fmt.Errorf("%s: request %d names stream %d of %d", path, i, r.Stream, len(rec.Header.Streams))
		}
	}
	return nil
}
