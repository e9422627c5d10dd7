// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness/history"
	"blackout/reports"
)

// limit is for what is going to happen.
const limit = 30 * time.Second

// header is that of a recording with one data plane.
var header = history.Header{
	Run: "r1", Scenario: "cp-outage-scale-out", Promises: []string{"G10", "G13"},
	Nodes:   []history.Node{{Name: "cp", Role: "control_plane"}, {Name: "dp-1", Role: "data_plane"}},
	Streams: []history.Stream{{Name: "dp-1 fresh", Node: "dp-1", Interval: time.Second, Timeout: time.Second}},
}

// recording is one that is being written.
type recording struct {
	*history.Writer
	dir string
	now atomic.Int64 // on its clock
}

// record opens a recording.
func record(t *testing.T) *recording {
	t.Helper()
	r := &recording{dir: filepath.Join(t.TempDir(), "recording")}
	start := time.Now()
	clock := history.WithClock(func() time.Time { return start.Add(time.Duration(r.now.Load())) })
	w, err := history.Create(r.dir, header, clock)
	if err != nil {
		t.Fatal(err)
	}
	r.Writer = w
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// happens records events, one after the other, and lets time pass until they are settled.
func (r *recording) happens(events ...history.Event) {
	for _, e := range append(events, history.Event{Kind: history.ClockSample}) {
		r.now.Add(int64(10 * time.Second))
		r.Event(e)
	}
}

// serve is a server on a free port, which ends with the test at the latest.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	listener, err := Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Pause == 0 {
		o.Pause = time.Millisecond
	}
	s := Serve(listener, o)
	t.Cleanup(func() {
		if err := s.End(context.Background(), ""); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answer is what came of a request.
type answer struct {
	status  int
	headers http.Header
	text    string
}

// get is the answer to a request for a path.
func get(t *testing.T, s *Server, path string) answer {
	t.Helper()
	return ask(t, s, http.MethodGet, path, "", nil)
}

// ask sends a request, to the server under another name if one is given.
func ask(t *testing.T, s *Server, method, path, host string, headers map[string]string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL(), "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(got.Body)
	if err := errors.Join(err, got.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

// events are those that the server tells a reader, one after the other.
type events struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Scanner
}

// follow reads a server's events until it leaves, or the test ends.
func follow(t *testing.T, s *Server) *events {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"events", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(r) //nolint:bodyclose // events.leave closes it, when the test ends at the latest
	if err != nil {
		t.Fatal(err)
	}
	if kind := got.Header.Get("Content-Type"); got.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("status %d, type %q", got.StatusCode, kind)
	}
	e := &events{t, got.Body, bufio.NewScanner(got.Body)}
	t.Cleanup(e.leave)
	return e
}

// next is the next event, and whether there is one.
func (e *events) next() (now state, ok bool) {
	e.t.Helper()
	for e.in.Scan() {
		if data, is := strings.CutPrefix(e.in.Text(), "data: "); is {
			if err := json.Unmarshal([]byte(data), &now); err != nil {
				e.t.Fatal(err)
			}
			return now, true
		}
	}
	return now, false
}

// after is the next event with a newer version.
func (e *events) after(version int) state {
	e.t.Helper()
	for {
		now, ok := e.next()
		if !ok {
			e.t.Fatalf("the events end after version %d: %v", version, e.in.Err())
		}
		if now.Version > version {
			return now
		}
	}
}

func (e *events) leave() {
	if err := e.body.Close(); err != nil {
		e.t.Error(err)
	}
}

// TestEventsFollowTheRun: each page that there is is told once, in order, the report
// last, and then the server ends.
func TestEventsFollowTheRun(t *testing.T) {
	t.Parallel()
	w := record(t)
	w.happens(history.Event{Kind: history.NodeStart, Node: "dp-1"})
	s := serve(t, Options{})
	reader := follow(t, s)
	first, ok := reader.next()
	if !ok || first.Version != 0 || first.Final {
		t.Fatalf("the first event is %+v, want version 0", first)
	}
	s.Watch(w.dir, reports.Environment{Gateway: "the one that is judged"})
	now := reader.after(0)
	if page := get(t, s, "/").text; !strings.Contains(page, "the one that is judged") || !strings.Contains(page, "RUNNING") {
		t.Errorf("version %d shows another run", now.Version)
	}
	w.happens(history.Event{Kind: history.NodeExit, Node: "dp-1", Code: 77})
	for said := false; !said; {
		now = reader.after(now.Version)
		said = strings.Contains(get(t, s, "/").text, "ended by itself with code 77")
	}
	report := t.TempDir()
	if err := os.WriteFile(filepath.Join(report, reports.HTMLFile), []byte("<main>the report</main>"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.End(context.Background(), report) }()
	for !now.Final {
		now = reader.after(now.Version)
	}
	if page := get(t, s, "/").text; page != "<main>the report</main>" {
		t.Errorf("the last page is %q", page)
	}
	reader.leave()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestEndWaitsForNobodyForEver: a reader who stays does not keep a server.
func TestEndWaitsForNobodyForEver(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	reader := follow(t, s)
	if _, ok := reader.next(); !ok {
		t.Fatal("no event")
	}
	report := t.TempDir()
	if err := os.WriteFile(filepath.Join(report, reports.HTMLFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.End(ctx, report); err != nil {
		t.Error(err)
	}
	for ok := true; ok; {
		_, ok = reader.next() // the server has ended the events
	}
}

// TestReadsWhatIsBeingWritten: the last line and the last request may be there in part.
func TestReadsWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	w := record(t)
	w.happens(history.Event{Kind: history.NodeStart, Node: "dp-1"}, history.Event{Kind: history.NodeExit, Node: "dp-1", Code: 2})
	for name, half := range map[string]string{"events.jsonl": `{"t":99,"kind":"node.`, "requests.bin": "half a request"} {
		f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(half)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	page, err := prepare(Options{}).page(source{dir: w.dir})
	if err != nil || !bytes.Contains(page, []byte("ended by itself with code 2")) {
		t.Errorf("error %v; the page does not show what is there", err)
	}
}

// TestTellsWhyThereIsNoPage: readers keep the last page, and are told.
func TestTellsWhyThereIsNoPage(t *testing.T) {
	t.Parallel()
	dir := record(t).dir
	for name, c := range map[string]struct {
		dir  string
		says string
		size int64
	}{
		"too large":     {dir, "too large", 1},
		"nothing there": {filepath.Join(dir, "none"), "no such file", 0},
	} {
		s := serve(t, Options{MaxSize: c.size})
		s.Watch(c.dir, reports.Environment{})
		reader := follow(t, s)
		for {
			now, ok := reader.next()
			if !ok || now.Version != 0 {
				t.Fatalf("%s: %+v, %v", name, now, ok)
			}
			if strings.Contains(now.Note, c.says) {
				break
			}
		}
		if got := get(t, s, "/"); got.status != http.StatusOK || !strings.Contains(got.text, "RUNNING") {
			t.Errorf("%s: the last page is gone", name)
		}
	}
}

// pass lets time go by on the bubble's clock.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	if !rest(t.Context(), d) {
		t.Fatal("the test has ended")
	}
}

// TestLooksOnlyForReaders: while nobody follows, no page is made; while somebody does,
// not more often than at every pause.
func TestLooksOnlyForReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w, err := history.Create(dir, header)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		s := prepare(Options{Pause: 2 * time.Second})
		s.worker.Go(func() { s.follow(ctx) })
		s.Watch(dir, reports.Environment{})
		pass(t, time.Hour) // of which every second is recorded
		if now, _ := s.now(); now.Version != 0 {
			t.Errorf("%d pages were made for nobody", now.Version)
		}
		leave := s.join()
		s.want()
		pass(t, 21*time.Second)
		if now, _ := s.now(); now.Version != 11 {
			t.Errorf("%d pages were made in 21 s, one at once and then every 2 s wanted", now.Version)
		}
		leave()
		pass(t, 2*time.Second)
		before, _ := s.now()
		pass(t, time.Hour)
		if now, _ := s.now(); now.Version > before.Version+1 {
			t.Errorf("%d pages were made after the last reader had left", now.Version-before.Version)
		}
		cancel()
		s.worker.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingFollowsTheReport: a page that is being made when the run ends comes too late.
func TestNothingFollowsTheReport(t *testing.T) {
	t.Parallel()
	s := prepare(Options{})
	s.publish(state{page: []byte("so far")})
	s.publish(state{page: []byte("the report"), Final: true})
	s.publish(state{page: []byte("so far, and late")})
	if now, _ := s.now(); string(now.page) != "the report" || now.Version != 2 || !now.Final {
		t.Errorf("version %d is %q", now.Version, now.page)
	}
}
