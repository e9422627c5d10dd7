// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/history"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// await waits until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// recording is a writer whose content can be read back.
type recording struct {
	*history.Writer
	dir string
}

func newRecording(tb testing.TB, streams ...history.Stream) recording {
	tb.Helper()
	dir := tb.TempDir()
	w, err := history.Create(dir, history.Header{Streams: streams})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	return recording{w, dir}
}

func (r recording) load(tb testing.TB) *history.Recording {
	tb.Helper()
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	rec, err := history.Load(r.dir)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

// soFar is what was recorded of a node while the recording is still open.
func (r recording) soFar(node string) []history.Event {
	rec, err := history.Load(r.dir)
	if err != nil {
		return nil // its header may not be there yet
	}
	return slices.DeleteFunc(rec.Events, func(e history.Event) bool { return e.Node != node })
}

// of returns a stream's requests by intended time.
func of(rec *history.Recording, stream uint16) []history.Request {
	var out []history.Request
	for _, r := range rec.Requests {
		if r.Stream == stream {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b history.Request) int { return int(a.Intended - b.Intended) })
	return out
}

func start(tb testing.TB, rec recording, to Target, streams []history.Stream) *Prober {
	tb.Helper()
	p, err := Start(tb.Context(), rec.Writer, Load{Target: to, Streams: indexed(streams)})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func echo(w http.ResponseWriter) { fmt.Fprint(w, `{"path":"/gen/7/"}`) }

func target(server *httptest.Server) Target {
	return Target{Endpoint: Endpoint{Address: server.Listener.Addr().String()}, Paths: []string{"/probe"}}
}

func both(interval, timeout time.Duration) []history.Stream {
	return []history.Stream{
		{Name: "keep-alive", Interval: interval, Timeout: timeout},
		{Name: "fresh", Interval: interval, Timeout: timeout, Fresh: true},
	}
}

func indexed(streams []history.Stream) map[uint16]history.Stream {
	out := make(map[uint16]history.Stream)
	for i, s := range streams {
		out[uint16(i)] = s
	}
	return out
}

// hang probes a server that hangs for longer than the timeout on two streams, and
// returns between which moments it hung for sure.
func hang(t *testing.T, streams []history.Stream) (rec *history.Recording, from, to history.Time) {
	t.Helper()
	var hangs atomic.Bool
	var answered, hung atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			hung.Add(1)
			<-r.Context().Done() // the prober gives up
			return
		}
		answered.Add(1)
		echo(w)
	}))
	defer server.Close()
	recording := newRecording(t, streams...)
	p := start(t, recording, target(server), streams)
	await(t, "traffic", func() bool { return answered.Load() > 20 })
	hangs.Store(true)
	from = recording.Now()
	// Twice as many as fit into one timeout: a loop that waits for answers
	// would need as many timeouts as it has workers short.
	enough := int64(4 * streams[0].Timeout / streams[0].Interval)
	await(t, "requests go on although none is answered", func() bool { return hung.Load() >= enough })
	to = recording.Now() - history.Time(streams[0].Timeout/2) // later ones may arrive after the hang
	hangs.Store(false)
	before := answered.Load()
	await(t, "traffic again", func() bool { return answered.Load() > before+20 })
	p.Stop()
	return recording.load(t), from, to
}

// TestHungServerPostponesNothing is the proof of the open loop: while the server
// hangs for longer than the timeout, every request goes out when it is due.
func TestHungServerPostponesNothing(t *testing.T) {
	const interval, timeout = 5 * time.Millisecond, 400 * time.Millisecond
	var from, to history.Time
	rec := measured(t, func(t *testing.T) (rec *history.Recording) {
		rec, from, to = hang(t, both(interval, timeout))
		return rec
	})
	for stream := range uint16(2) {
		requests := of(rec, stream)
		failed := 0
		for i, r := range requests {
			if i > 0 && r.Intended != requests[i-1].Intended+history.Time(interval) {
				t.Fatalf("stream %d: a slot is missing after %d", stream, requests[i-1].Intended)
			}
			if lag := r.Sent.Sub(r.Intended); lag < 0 || lag > timeout/2 {
				t.Errorf("stream %d: request %d left %s after its time", stream, i, lag)
			}
			if r.Sent > from && r.Sent < to {
				failed++
				if r.Class != history.Timeout || r.Done.Sub(r.Sent) < timeout {
					t.Errorf("stream %d: a request into the hang ended as %s after %s", stream, r.Class, r.Done.Sub(r.Sent))
				}
			}
		}
		if due := int(to.Sub(from) / interval); failed < due-4 || failed > due+4 {
			t.Errorf("stream %d: %d requests failed of %d due during the hang", stream, failed, due)
		}
	}
}

// TestStreamsAreStaggered: streams in step would see the same moments twice.
func TestStreamsAreStaggered(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answered.Add(1); echo(w) }))
	defer server.Close()
	const interval = 10 * time.Millisecond
	streams := both(interval, time.Second)
	rec := newRecording(t, streams...)
	p := start(t, rec, target(server), streams)
	await(t, "traffic", func() bool { return answered.Load() >= 10 })
	p.Stop()
	loaded := rec.load(t)
	if got := of(loaded, 1)[0].Intended.Sub(of(loaded, 0)[0].Intended); got != interval/2 {
		t.Errorf("the second stream is %s behind the first, want %s", got, interval/2)
	}
}

// request reads the head of a request without a body, more cheaply than
// http.ReadRequest, and returns its path.
func request(in *bufio.Reader) (path string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	_, path, _ = strings.Cut(line, " ")
	path, _, _ = strings.Cut(path, " ")
	for line != "\r\n" {
		if line, err = in.ReadString('\n'); err != nil {
			return "", err
		}
	}
	return path, nil
}

// answer answers a request well.
func answer(conn net.Conn) {
	const body = `{"path":"/gen/7"}`
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// fickle serves connections by hand: it answers the first request of each and
// closes the connection instead of answering the second.
func fickle(t *testing.T, answered *atomic.Int64) Target {
	return serveRaw(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for n := 0; ; n++ {
			if _, err := request(in); err != nil || n == 1 {
				return
			}
			answered.Add(1)
			answer(conn)
		}
	})
}

// serveRaw serves each connection by a function, which may close it.
func serveRaw(t *testing.T, serve func(net.Conn)) Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); serve(conn) }() // ends when the client hangs up
		}
	}()
	t.Cleanup(func() { listener.Close(); <-accepting })
	return Target{Endpoint: Endpoint{Address: listener.Addr().String()}, Paths: []string{"/probe"}}
}

// TestMaskedFailuresAreSeen: the HTTP client sends a request again when a
// kept-alive connection is closed under it, and says nothing.
func TestMaskedFailuresAreSeen(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	to := fickle(t, &answered)
	streams := both(5*time.Millisecond, 5*time.Second)
	rec := newRecording(t, streams...)
	p := start(t, rec, to, streams)
	await(t, "traffic", func() bool { return answered.Load() >= 60 })
	p.Stop()
	loaded := rec.load(t)
	masked := 0
	for _, r := range of(loaded, 0) {
		if r.Class == history.Good && r.Flags&history.Masked != 0 {
			masked++
		}
	}
	if masked < 5 {
		t.Errorf("%d of %d kept-alive requests show that they were sent again, want about half", masked, len(of(loaded, 0)))
	}
	for _, r := range of(loaded, 1) {
		if r.Class != history.Good || r.Flags != history.NewConnection {
			t.Errorf("fresh request: %s, flags %b; want a good answer on a new connection", r.Class, r.Flags)
		}
	}
}

func TestConnectionsAreKeptOrFresh(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answered.Add(1); echo(w) }))
	defer server.Close()
	streams := both(10*time.Millisecond, 5*time.Second)
	rec := newRecording(t, streams...)
	p := start(t, rec, target(server), streams)
	await(t, "traffic", func() bool { return answered.Load() >= 60 })
	p.Stop()
	loaded := rec.load(t)
	count := func(stream uint16) (fresh, all int) {
		for _, r := range of(loaded, stream) {
			if r.Class != history.Good || r.Generation != 7 || r.Status != 200 || r.Flags&history.Masked != 0 || r.Done < r.Sent {
				t.Errorf("stream %d: request %+v", stream, r)
			}
			if all++; r.Flags&history.NewConnection != 0 {
				fresh++
			}
		}
		return fresh, all
	}
	if fresh, all := count(0); fresh == 0 || fresh > all/2 {
		t.Errorf("%d of %d kept-alive requests on a new connection", fresh, all)
	}
	if fresh, all := count(1); fresh != all {
		t.Errorf("%d of %d fresh requests on a new connection", fresh, all)
	}
}

// TestStopSendsWhatIsDue and nothing that is not, and waits for the answers.
func TestStopSendsWhatIsDue(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var arrived atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		<-release
		echo(w)
	}))
	defer server.Close()
	const interval = 5 * time.Millisecond
	streams := []history.Stream{{Interval: interval, Timeout: time.Second}}
	rec := newRecording(t, streams...)
	p := start(t, rec, target(server), streams)
	await(t, "requests", func() bool { return arrived.Load() >= 10 })
	before := rec.Now()
	stopped := make(chan struct{})
	go func() { p.Stop(); close(stopped) }()
	await(t, "the stop", func() bool { return p.streams[0].stop.Load() != 0 })
	select {
	case <-stopped:
		t.Error("Stop did not wait for answers")
	default:
	}
	close(release)
	<-stopped
	end := history.Time(p.streams[0].stop.Load())
	requests := of(rec.load(t), 0)
	for i, r := range requests {
		if i > 0 && r.Intended != requests[i-1].Intended+history.Time(interval) {
			t.Errorf("a slot is missing before %d", r.Intended)
		}
		if r.Class != history.Good {
			t.Errorf("request %d: %s", i, r.Class)
		}
	}
	last := requests[len(requests)-1].Intended
	if last > end || last+history.Time(interval) <= end || end < before {
		t.Errorf("the last slot sent was %s before the stop, with one every %s", end.Sub(last), interval)
	}
}

func TestStopDoesNotWaitForTheNextSlot(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answered.Add(1); echo(w) }))
	defer server.Close()
	streams := []history.Stream{{Interval: time.Hour, Timeout: time.Second}}
	rec := newRecording(t, streams...)
	p := start(t, rec, target(server), streams)
	await(t, "the first request", func() bool { return answered.Load() == 1 })
	p.Stop()
	if n := len(rec.load(t).Requests); n != 1 {
		t.Errorf("%d requests, want the one that was due", n)
	}
}

// TestSlotsAtTheStop: a worker that the machine held up still sends what was due
// before the stop, however late, and nothing that was not.
func TestSlotsAtTheStop(t *testing.T) {
	t.Parallel()
	const stop = history.Time(time.Hour)
	s := &stream{rec: newRecording(t).Writer}
	s.stop.Store(int64(stop))
	w := newWorker(t.Context(), s)
	for intended, want := range map[history.Time]bool{1: true, stop - 1: true, stop: true, stop + 1: false} {
		if got := w.await(intended, false); got != want {
			t.Errorf("slot at %d, stop at %d: sent %v, want %v", intended, stop, got, want)
		}
	}
}

// TestNothingPassesTheStop: a schedule ends after every slot that its workers have let
// pass, or requests are sent that were never due.
func TestNothingPassesTheStop(t *testing.T) {
	t.Parallel()
	s := &stream{rec: newRecording(t).Writer}
	s.gate.RLock() // a worker is about to let a slot pass
	ended := make(chan history.Time)
	go func() { ended <- s.end() }()
	for s.gate.TryRLock() { // until the schedule is being ended
		s.gate.RUnlock()
		runtime.Gosched()
	}
	passed := s.rec.Now()
	if stop := s.stop.Load(); stop != 0 {
		t.Errorf("the stop is %d while a slot may pass", stop)
	}
	s.gate.RUnlock()
	if stop := <-ended; stop < passed || stop != history.Time(s.stop.Load()) {
		t.Errorf("stop %d, %d is kept; a slot passed at %d", stop, s.stop.Load(), passed)
	}
	if s.passes(s.rec.Now()) {
		t.Error("a slot passes that is due after the stop")
	}
}
