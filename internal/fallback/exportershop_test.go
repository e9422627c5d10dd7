// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

const (
	testKey  = "p/1/config.json"
	leaseKey = "p/1/election/lease.json"
)

// shop is a store that exporters of one test share, in a synctest bubble. Its time
// is the test's.
type shop struct {
	buckettest.Memory

	took time.Duration              // of one upload
	fail func(attempt int) error    // an upload has no effect; attempts count from 1
	lose func(attempt int) error    // it has, and its answer is lost
	hang func(buckettest.Call) bool // the request is not answered

	mu     sync.Mutex
	start  time.Time
	tries  []time.Duration // when each upload began
	stored []string        // "<second>:<hash>" of each upload that took effect, by its begin
}

func newShop() *shop {
	s := &shop{start: time.Now()}
	s.Before, s.After = s.before, s.after
	return s
}

func isUpload(call buckettest.Call) bool { return call.Kind == "put" && call.Key == testKey }

func (s *shop) before(ctx context.Context, call buckettest.Call) error {
	if s.hang != nil && s.hang(call) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if !isUpload(call) {
		return nil
	}
	s.mu.Lock()
	s.tries = append(s.tries, time.Since(s.start))
	attempt := len(s.tries)
	s.mu.Unlock()
	if s.took > 0 {
		if err := sleep(ctx, s.took); err != nil {
			return err
		}
	}
	if s.fail != nil {
		return s.fail(attempt)
	}
	return nil
}

func (s *shop) after(_ context.Context, call buckettest.Call) error {
	if !isUpload(call) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, fmt.Sprintf("%v:%s", s.tries[len(s.tries)-1].Seconds(), nameOf(call.Body)))
	if s.lose != nil {
		return s.lose(len(s.tries))
	}
	return nil
}

// failWith makes every request fail while the switch that it returns, off at first, is on.
func (s *shop) failWith(err error) *atomic.Bool {
	failing := &atomic.Bool{}
	s.Before = func(ctx context.Context, call buckettest.Call) error {
		if failing.Load() {
			return fmt.Errorf("%s: %w", call.Kind, err)
		}
		return s.before(ctx, call)
	}
	return failing
}

// uploads are those that took effect.
func (s *shop) uploads() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// attempts are when uploads began, also those without effect.
func (s *shop) attempts() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tries)
}

func (s *shop) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := s.uploads(); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// count is how many requests of a kind there were for an object.
func (s *shop) count(call string) int {
	n := 0
	for _, c := range s.Calls() {
		if c == call {
			n++
		}
	}
	return n
}

// desk is an exporter that runs in a synctest bubble, and its node: a control plane
// whose newest configuration is known by a name.
type desk struct {
	exporter  *Exporter
	log       journal
	stop      context.CancelFunc
	ended     chan error
	name      atomic.Value // string: what the control plane has
	refreshes atomic.Int64
}

// journal takes log lines of several goroutines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// lines are those that contain a text.
func (j *journal) lines(text string) (found []string) {
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// open starts an exporter of a node that has its control plane.
func (s *shop) open(id string, change func(*ExporterOptions)) *desk {
	d := &desk{ended: make(chan error, 1)}
	options := ExporterOptions{Bucket: s, Key: testKey, NodeID: id, Name: "name-of-" + id, Seed: 1, Log: slog.New(slog.NewTextHandler(&d.log, nil))}
	options.Hash = func(table []byte) (string, error) { return nameOf(table), nil }
	options.Refresh = func() {
		d.refreshes.Add(1)
		name := d.name.Load().(string)
		d.exporter.Offer(tableOf(name), name, d.exporter.Mark())
	}
	if change != nil {
		change(&options)
	}
	d.exporter = NewExporter(options)
	var ctx context.Context
	ctx, d.stop = context.WithCancel(context.Background())
	d.exporter.Online(true)
	go func() { d.ended <- d.exporter.Run(ctx) }()
	return d
}

// tableOf is a config_table whose hash is a name.
func tableOf(name string) []byte {
	return []byte(`{"_format_version":"3.0","services":[{"name":"` + name + `"}]}`)
}

func nameOf(table []byte) string {
	_, name, _ := strings.Cut(string(table), `"name":"`)
	name, _, _ = strings.Cut(name, `"`)
	return name
}

func (d *desk) offer(name string) {
	d.name.Store(name)
	d.exporter.Offer(tableOf(name), name, d.exporter.Mark())
	synctest.Wait()
}

func (d *desk) close(t *testing.T) {
	t.Helper()
	d.stop()
	if err := <-d.ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func delayed(delay time.Duration) func(*ExporterOptions) {
	return func(o *ExporterOptions) { o.Delay = delay }
}

// put writes an object as somebody else does.
func (s *shop) put(t *testing.T, key, body string, metadata map[string]string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, bucket.BodyOf([]byte(body)), bucket.PutOptions{Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
}

// forget forgets the uploads so far.
func (s *shop) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored, s.tries = nil, nil
}

func (s *shop) snapshot(t *testing.T) bucket.Object {
	t.Helper()
	object, err := s.Get(t.Context(), testKey, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	return object
}
