// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// maxLine bounds one line of events.jsonl, in bytes.
const maxLine = 1 << 20

// usualLine is how long an event's line is, in bytes, where many are short.
const usualLine = 120

// Source is a recording that is read once, front to back: first its events, then
// its requests. It holds none of them.
type Source struct {
	Header   Header
	events   iter.Seq2[Event, error]
	requests iter.Seq2[Request, error]
	size     int // requests, at most; 0: not known
	lines    int // events, about; 0: not known
	damage   func() string
	close    func() error
}

// Events are the events in the order of writing. A file that a killed run left
// half-written is read up to its last whole event; anything else that does not
// fit the format is an error that names the file and the line, and ends the
// reading.
func (s *Source) Events() iter.Seq2[Event, error] { return s.events }

// Requests are the requests in the order of writing.
func (s *Source) Requests() iter.Seq2[Request, error] { return s.requests }

// Damage says what of the recording is missing or altered, in one clause; empty
// if nothing is. It knows once events and requests were read to their ends.
func (s *Source) Damage() string { return s.damage() }

// Close closes the recording's files.
func (s *Source) Close() error { return s.close() }

// Source is the recording as if it were read from disk.
func (rec *Recording) Source() *Source {
	return &Source{Header: rec.Header, events: unfailing(rec.Events), requests: unfailing(rec.Requests),
		damage: func() string { return rec.Damage }, close: func() error { return nil }}
}

func unfailing[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, each := range all {
			if !yield(each, nil) {
				return
			}
		}
	}
}

// Open opens the recording in dir and reads its header. Close must be called.
func Open(dir string) (*Source, error) {
	r := reader{eventsPath: filepath.Join(dir, eventsFile), requestsPath: filepath.Join(dir, requestsFile)}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("open recording: %w", errors.Join(err, r.close()))
	}
	source := &Source{Header: r.header, events: r.allEvents, requests: r.allRequests, damage: r.damage, close: r.close}
	if info, err := r.files[1].Stat(); err == nil {
		source.size = int(info.Size() / RequestSize)
	}
	if info, err := r.files[0].Stat(); err == nil {
		source.lines = int(info.Size() / usualLine)
	}
	return source, nil
}

// recordingEnd is the last line of events.jsonl: Events and Requests, how many
// were written, and Text, the checksums of what stands before it in the two
// files. It is no event of the run.
const recordingEnd Kind = "recording.end"

// reader reads the two files of a recording.
type reader struct {
	eventsPath, requestsPath string
	files                    [2]*os.File
	header                   Header
	lines                    *bufio.Reader
	requests                 io.Reader
	line                     int // last read
	sums                     [2]uint32
	counts                   Counts
	end                      *Event // the marker at the end
	after                    bool   // something follows it
}

func (r *reader) open() (err error) {
	for i, path := range []string{r.eventsPath, r.requestsPath} {
		if r.files[i], err = os.Open(path); err != nil {
			return err
		}
	}
	r.lines, r.requests = bufio.NewReaderSize(r.files[0], maxLine), r.files[1]
	return r.readHeader()
}

func (r *reader) close() error {
	var errs []error
	for _, f := range r.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (r *reader) readHeader() error {
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: no header: not a recording, or its run died at once", r.eventsPath)
	}
	if err != nil {
		return err
	}
	r.sums[0] = crc32.Update(0, castagnoli, line)
	if err := json.Unmarshal(line, &r.header); err != nil {
		return r.at(err)
	}
	if r.header.Schema < 1 || r.header.Schema > Schema {
		return r.at(fmt.Errorf("schema %d, but this program reads schemas 1 to %d", r.header.Schema, Schema))
	}
	return nil
}

// next is the next line with its end, until the reading after it. A last line
// without its end was being written when the run died: it is none.
func (r *reader) next() ([]byte, error) {
	r.line++
	line, err := r.lines.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.at(err)
	}
	return line, err
}

func (r *reader) at(err error) error { return fmt.Errorf("%s:%d: %w", r.eventsPath, r.line, err) }

// allEvents yields every event.
func (r *reader) allEvents(yield func(Event, error) bool) {
	decode := newDecoder()
	var e Event
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			r.after = r.after || len(line) > 0
			return
		}
		if err == nil {
			err = decode.event(bytes.TrimSpace(line), &e)
			if err != nil {
				err = r.at(err)
			}
		}
		if err != nil {
			yield(Event{}, err)
			return
		}
		if e.Kind == recordingEnd && r.header.Schema > 1 {
			end := e
			r.end = &end
			continue
		}
		r.after = r.after || r.end != nil
		r.sums[0] = crc32.Update(r.sums[0], castagnoli, line)
		r.counts.Events++
		if !yield(e, nil) {
			return
		}
	}
}

// allRequests yields every request. Bytes at the end that make no whole request
// were being written when the run died.
func (r *reader) allRequests(yield func(Request, error) bool) {
	in := bufio.NewReaderSize(r.requests, 1<<16)
	var buf [RequestSize]byte
	var q Request
	for {
		if _, err := io.ReadFull(in, buf[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		} else if err != nil {
			yield(Request{}, fmt.Errorf("%s: %w", r.requestsPath, err))
			return
		}
		q.get(buf[:])
		if int(q.Stream) >= len(r.header.Streams) {
			yield(Request{}, fmt.Errorf("%s: request %d names stream %d of %d", r.requestsPath, r.counts.Requests, q.Stream, len(r.header.Streams)))
			return
		}
		r.sums[1] = crc32.Update(r.sums[1], castagnoli, buf[:])
		r.counts.Requests++
		if !yield(q, nil) {
			return
		}
	}
}

func (r *reader) damage() string {
	switch {
	case r.header.Schema < 2:
		return "" // its format has no marker at the end
	case r.end == nil:
		return "it has no end: its harness died"
	case r.after:
		return "something was written after its end"
	case r.end.Events != r.counts.Events || r.end.Requests != r.counts.Requests:
		return fmt.Sprintf("its run wrote %d events and %d requests, %d and %d are there",
			r.end.Events, r.end.Requests, r.counts.Events, r.counts.Requests)
	case r.end.Text != checksums(r.sums[0], r.sums[1]):
		return "its files are not as its run wrote them: the checksums differ"
	}
	return ""
}
