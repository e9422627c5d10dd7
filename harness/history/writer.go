// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	eventsFile   = "events.jsonl"
	requestsFile = "requests.bin"
)

// Writer streams a recording to disk. Its methods are safe for concurrent use.
// A failed write is remembered and returned by Close; until then the run goes
// on, because a run that stops half-way cannot heal its faults.
type Writer struct {
	start time.Time // carries the monotonic clock of the run

	mu       sync.Mutex
	events   *bufio.Writer
	requests *bufio.Writer
	files    [2]*os.File
	counts   Counts
	err      error
	closed   bool
}

// Counts is how much was recorded so far.
type Counts struct {
	Events   int
	Requests int
}

// Create makes the directory dir and opens a recording in it. The run's clock
// starts here; header.Started and header.Schema are set by it.
func Create(dir string, header Header) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	events, err := os.Create(filepath.Join(dir, eventsFile))
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	requests, err := os.Create(filepath.Join(dir, requestsFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create recording: %w", err), events.Close())
	}
	w := &Writer{
		start:    time.Now(),
		events:   bufio.NewWriter(events),
		requests: bufio.NewWriterSize(requests, 1<<16),
		files:    [2]*os.File{events, requests},
	}
	header.Schema = Schema
	header.Started = w.start.UTC().Round(0)
	w.line(header)
	return w, w.err
}

// Now is the moment on the run's clock.
func (w *Writer) Now() Time { return Time(time.Since(w.start)) }

// At is the moment t on the run's clock. t must carry a monotonic reading.
func (w *Writer) At(t time.Time) Time { return Time(t.Sub(w.start)) }

// Wall is the moment t as a time that timers can wait for.
func (w *Writer) Wall(t Time) time.Time { return w.start.Add(time.Duration(t)) }

// Event records e. An event without a time happens now.
func (w *Writer) Event(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.At == 0 {
		e.At = Time(time.Since(w.start))
	}
	if w.closed {
		w.fail(fmt.Errorf("event %s after the recording was closed", e.Kind))
		return
	}
	w.counts.Events++
	w.line(e)
	// Events are few. Flushing each keeps them through a SIGKILL.
	w.fail(w.events.Flush())
}

// Request records one probe.
func (w *Writer) Request(r Request) {
	var buf [RequestSize]byte
	r.put(buf[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		w.fail(errors.New("request after the recording was closed"))
		return
	}
	w.counts.Requests++
	_, err := w.requests.Write(buf[:])
	w.fail(err)
}

// Counts is how much was recorded so far.
func (w *Writer) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// Close writes what is buffered and returns the first error of the recording's
// life. Closing twice is harmless.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.err
	}
	w.closed = true
	w.fail(w.events.Flush())
	w.fail(w.requests.Flush())
	for _, f := range w.files {
		w.fail(f.Close())
	}
	return w.err
}

func (w *Writer) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		w.fail(err)
		return
	}
	_, err = w.events.Write(append(b, '\n'))
	w.fail(err)
}

func (w *Writer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write recording: %w", err)
	}
}

func (r Request) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], uint64(r.Intended))
	le.PutUint64(b[8:], uint64(r.Sent))
	le.PutUint64(b[16:], uint64(r.Done))
	le.PutUint32(b[24:], r.Generation)
	le.PutUint16(b[28:], r.Stream)
	le.PutUint16(b[30:], r.Status)
	b[32] = byte(r.Class)
	b[33] = r.Flags
}

func (r *Request) get(b []byte) {
	le := binary.LittleEndian
	r.Intended = Time(le.Uint64(b[0:]))
	r.Sent = Time(le.Uint64(b[8:]))
	r.Done = Time(le.Uint64(b[16:]))
	r.Generation = le.Uint32(b[24:])
	r.Stream = le.Uint16(b[28:])
	r.Status = le.Uint16(b[30:])
	r.Class = Class(b[32])
	r.Flags = b[33]
}
