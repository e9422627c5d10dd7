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
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	eventsFile   = "events.jsonl"
	requestsFile = "requests.bin"
)

// flushInterval is how long a request may wait in memory. Events do not wait.
const flushInterval = 250 * time.Millisecond

// clockInterval is how often the clock is sampled into the recording.
const clockInterval = time.Second

// Clock tells the time of a run. What it returns must carry a monotonic reading,
// as time.Now's does.
type Clock func() time.Time

// Option changes how a recording is written.
type Option func(*Writer)

// WithClock makes clock the run's, in place of [time.Now].
func WithClock(clock Clock) Option { return func(w *Writer) { w.clock = clock } }

// Writer streams a recording to disk. Its methods are safe for concurrent use.
// What it was given survives the death of its process: events at once, requests
// after a quarter of a second. A failed write is remembered and returned by
// Close; until then the run goes on, because a run that stops half-way cannot
// heal its faults.
type Writer struct {
	clock Clock
	start time.Time // carries the monotonic clock of the run

	mu       sync.Mutex
	events   *file
	requests *file
	secrets  redactor
	counts   Counts
	err      error
	closed   bool

	keeper sync.WaitGroup
	ending sync.Once
	end    chan struct{}
}

// Counts is how much was recorded so far.
type Counts struct {
	Events   int
	Requests int
}

// Create makes the directory dir and opens a recording in it. The run's clock
// starts here; header.Started and header.Schema are set by it.
func Create(dir string, header Header, options ...Option) (*Writer, error) {
	w := &Writer{clock: time.Now, end: make(chan struct{})}
	for _, o := range options {
		o(w)
	}
	if err := w.open(dir); err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	w.start = w.clock()
	header.Schema = Schema
	header.Started = w.start.UTC().Round(0)
	w.line(header)
	w.fail(w.events.flush())
	w.keeper.Go(w.keep)
	return w, w.err
}

func (w *Writer) open(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if w.events, err = create(filepath.Join(dir, eventsFile)); err != nil {
		return err
	}
	if w.requests, err = create(filepath.Join(dir, requestsFile)); err != nil {
		return errors.Join(err, w.events.close())
	}
	return nil
}

// keep brings requests to disk and samples the clock until the recording closes.
func (w *Writer) keep() {
	flush, sample := time.NewTicker(flushInterval), time.NewTicker(clockInterval)
	defer flush.Stop()
	defer sample.Stop()
	for {
		select {
		case <-w.end:
			return
		case <-flush.C:
			w.mu.Lock()
			w.fail(w.requests.flush())
			w.mu.Unlock()
		case <-sample.C:
			// The wall clock is read past w.clock: the two witness each other.
			w.Event(Event{Kind: ClockSample, Wall: time.Now().UnixNano()})
		}
	}
}

// Now is the moment on the run's clock.
func (w *Writer) Now() Time { return w.At(w.clock()) }

// At is the moment t on the run's clock. t must carry a monotonic reading.
func (w *Writer) At(t time.Time) Time { return Time(t.Sub(w.start)) }

// Wall is the moment t as a time that timers can wait for.
func (w *Writer) Wall(t Time) time.Time { return w.start.Add(time.Duration(t)) }

// Redact keeps secrets out of what is recorded from now on: they are replaced in
// every text of every event, in the forms in which they are written, escaped or
// encoded; and where a node wrote one, that is recorded. It may be called at any
// time. Empty secrets are none; ones shorter than eight bytes are refused, since
// they would be found in everything.
func (w *Writer) Redact(secrets ...string) {
	w.mu.Lock()
	n, err := w.secrets.add(secrets...)
	w.mu.Unlock()
	if err != nil {
		w.Event(Event{Kind: HarnessError, Error: err.Error()})
	}
	w.Event(Event{Kind: SecretWatch, Looks: n})
}

// Scrub is text without the run's secrets, and whether it held one.
func (w *Writer) Scrub(text string) (clean string, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.secrets.scrub(text)
}

// Event records e. An event without a time happens now.
func (w *Writer) Event(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.At == 0 {
		e.At = w.Now()
	}
	if w.closed {
		w.fail(fmt.Errorf("event %s after the recording was closed", e.Kind))
		return
	}
	found := w.secrets.clean(&e)
	w.counts.Events++
	w.line(e)
	if found && e.wroteItself() {
		w.counts.Events++
		w.line(Event{At: e.At, Kind: SecretSeen, Node: e.Node, Text: string(e.Kind)})
	}
	w.fail(w.events.flush())
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
	w.fail(w.requests.write(buf[:]))
}

// Counts is how much was recorded so far.
func (w *Writer) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// Close writes what is buffered and the marker by which damage is seen, and
// returns the first error of the recording's life. Closing twice is harmless.
func (w *Writer) Close() error {
	w.ending.Do(func() { close(w.end) })
	w.keeper.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		w.line(Event{At: w.Now(), Kind: recordingEnd, Events: w.counts.Events, Requests: w.counts.Requests,
			Text: checksums(w.events.sum, w.requests.sum)})
	}
	w.fail(w.events.close())
	w.fail(w.requests.close())
	return w.err
}

// line appends v to events.jsonl. Names such as "dp-1>cp" stay as they are.
func (w *Writer) line(v any) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	w.fail(out.Encode(v))
	w.fail(w.events.write(b.Bytes()))
}

func (w *Writer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write recording: %w", err)
	}
}

// file is a buffered file that keeps a checksum of what is written to it.
type file struct {
	file *os.File
	out  *bufio.Writer
	sum  uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksums are those of the two files, as the end marker carries them.
func checksums(events, requests uint32) string {
	return fmt.Sprintf("crc32c %08x %08x", events, requests)
}

func create(path string) (*file, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &file{file: f, out: bufio.NewWriterSize(f, 1<<16)}, nil
}

func (f *file) write(b []byte) error {
	f.sum = crc32.Update(f.sum, castagnoli, b)
	_, err := f.out.Write(b)
	return err
}

func (f *file) flush() error { return f.out.Flush() }

func (f *file) close() error { return errors.Join(f.out.Flush(), f.file.Close()) }
