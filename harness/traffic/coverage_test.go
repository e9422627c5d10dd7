// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/reports"
)

// manner is how a decoy fails.
type manner int32

const (
	well manner = iota
	refusing
	resetting
	hanging
	erring
)

var manners = []string{"well", "refusing", "resetting", "hanging", "erring"}

// decoy is a server that fails when it is told to. What becomes of a request is decided
// at one moment, when it was read; of a refused one, by the kernel.
type decoy struct {
	address string
	manner  atomic.Int32

	mu    sync.Mutex
	in    net.Listener
	conns map[net.Conn]bool // nil while it refuses
}

// listen begins to accept connections.
func (d *decoy) listen(tb testing.TB) {
	tb.Helper()
	in, err := net.Listen("tcp", d.address)
	if err != nil {
		tb.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.in, d.address, d.conns = in, in.Addr().String(), make(map[net.Conn]bool)
	go d.accept(in) // until it is closed
}

func (d *decoy) accept(in net.Listener) {
	for {
		conn, err := in.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		refused := d.conns == nil
		if !refused {
			d.conns[conn] = true
		}
		d.mu.Unlock()
		if refused {
			conn.Close()
			continue
		}
		go d.serve(conn) // until it is closed, by either side
	}
}

func (d *decoy) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.conns, conn)
	}()
	for in := bufio.NewReader(conn); ; {
		if _, err := request(in); err != nil {
			return
		}
		switch manner(d.manner.Load()) {
		case well:
			answer(conn)
		case erring:
			fmt.Fprint(conn, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
		case hanging:
			_, _ = in.ReadByte() // until the client has enough of it
			return
		case resetting:
			_ = conn.(*net.TCPConn).SetLinger(0)
			return
		case refusing:
			return
		}
	}
}

// turn changes how the decoy does, and returns between which moments that was.
func (d *decoy) turn(tb testing.TB, to manner) (from, until time.Time) {
	tb.Helper()
	was := manner(d.manner.Load())
	from = time.Now()
	d.manner.Store(int32(to))
	switch {
	case to == refusing:
		d.hangUp()
	case was == refusing:
		d.listen(tb)
	}
	return from, time.Now()
}

// hangUp closes the listener and all connections.
func (d *decoy) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.in.Close()
	for conn := range d.conns {
		conn.Close()
	}
	d.conns = nil
}

// staged is an outage as the decoy knows it.
type staged struct {
	how        manner
	begin, end reports.Interval
}

func (s staged) String() string {
	return fmt.Sprintf("%s, begun in %v, ended in %v", manners[s.how], s.begin, s.end)
}

// The outages of a test. So many that all of them held prove, at the confidence 0.95,
// that 99 % of such windows hold the truth.
const (
	windows        = 299
	decoys         = 2 // that fail side by side
	windowsSeed    = 20
	windowInterval = 10 * time.Millisecond  // of each of two staggered streams: 200 requests a second
	windowTimeout  = 400 * time.Millisecond // longer than any outage, so that one that hangs ends before it is known
)

// stage fails n times for 30 to 80 ms, well between for 50 to 60 ms.
func (d *decoy) stage(tb testing.TB, rec recording, random *rand.Rand, n int) []staged {
	tb.Helper()
	all := make([]staged, 0, n)
	wait(tb, 10*windowInterval)
	for range n {
		s := staged{how: manner(1 + random.IntN(len(manners)-1))}
		s.begin = rec.interval(d.turn(tb, s.how))
		wait(tb, 30*time.Millisecond+time.Duration(random.Int64N(int64(50*time.Millisecond))))
		s.end = rec.interval(d.turn(tb, well))
		wait(tb, 50*time.Millisecond+time.Duration(random.Int64N(int64(windowInterval))))
		all = append(all, s)
	}
	return all
}

// TestWindowsHoldTheTruth: of outages whose begin and end are known, every window that a
// report has holds both. An outage that the prober did not look at on time is staged anew:
// whether it did is told by when requests were sent, and not by what became of them.
func TestWindowsHoldTheTruth(t *testing.T) {
	n := windows
	if testing.Short() || raceDetector {
		n = 20
	}
	var counted, held atomic.Int64
	t.Run("decoys", func(t *testing.T) { // that hardly use a processor
		for i := range decoys {
			share := n / decoys
			if i < n%decoys {
				share++
			}
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				onTime, hold := windowsOf(t, uint64(i), share)
				counted.Add(int64(onTime))
				held.Add(int64(hold))
			})
		}
	})
	t.Logf("the windows of %d of %d outages hold their begin and end, on each stream", held.Load(), counted.Load())
}

// windowsOf counts n outages of a decoy that were probed on time, and those of them whose
// windows hold the truth.
func windowsOf(t *testing.T, decoy uint64, n int) (counted, held int) {
	t.Helper()
	random := rand.New(rand.NewPCG(windowsSeed, decoy))
	for round := 0; counted < n; round++ {
		if round == attempts {
			t.Fatalf("the machine was too busy: %d of %d outages were probed on time in %d rounds", counted, n, attempts)
		}
		rec, truth := probed(t, random, n-counted)
		seen := reports.Build(reports.Input{Recording: rec}).Outages
		for i, s := range truth {
			if !s.onTime(rec.Requests) {
				continue
			}
			counted++
			if why := s.missed(rec.Header.Streams, seen); why != "" {
				t.Errorf("seed %d, decoy %d, round %d, outage %d (%s): %s", windowsSeed, decoy, round, i, s, why)
				continue
			}
			held++
		}
		t.Logf("round %d: %d outages staged, %d so far probed on time", round, len(truth), counted)
	}
	return counted, held
}

// probed stages n outages of a decoy that is probed.
func probed(t *testing.T, random *rand.Rand, n int) (*history.Recording, []staged) {
	t.Helper()
	d := &decoy{address: "127.0.0.1:0"}
	d.listen(t)
	defer d.hangUp()
	streams := []history.Stream{
		{Name: "fresh", Node: "dp-1", Interval: windowInterval, Timeout: windowTimeout, Fresh: true},
		{Name: "keep-alive", Node: "dp-1", Interval: windowInterval, Timeout: windowTimeout},
	}
	rec := newRecording(t, streams...)
	p := start(t, rec, Target{Endpoint: Endpoint{Address: d.address}, Paths: []string{"/probe"}}, streams)
	truth := d.stage(t, rec, random, n)
	p.Stop()
	return rec.load(t), truth
}

// onTime says whether no request around an outage left later than the next was due, and
// the decoy turned as fast.
func (s staged) onTime(requests []history.Request) bool {
	const late, around = history.Time(windowInterval), history.Time(5 * windowInterval)
	for _, q := range requests {
		if q.Intended >= s.begin.From-around && q.Intended <= s.end.To+around && q.Sent-q.Intended > late {
			return false
		}
	}
	return s.begin.To-s.begin.From <= late && s.end.To-s.end.From <= late
}

// missed says why a stream has no window that holds the truth; nothing if each has one.
func (s staged) missed(streams []history.Stream, windows []reports.Outage) string {
	holds := func(window, truth reports.Interval) bool {
		return window.From <= truth.To && truth.From <= window.To
	}
	for _, stream := range streams {
		found, nearest := false, stream.Name+" has no window near it"
		for _, o := range windows {
			if o.Stream != stream.Name || o.Start.From > s.end.To || s.begin.From > o.End.To {
				continue
			}
			found = found || holds(o.Start, s.begin) && holds(o.End, s.end)
			nearest = fmt.Sprintf("%s was out from %v to %v (%d failed: %v)", o.Stream, o.Start, o.End, o.Failed, o.Classes)
		}
		if !found {
			return nearest
		}
	}
	return ""
}
