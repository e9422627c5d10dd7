// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	toxiclient "github.com/Shopify/toxiproxy/v2/client"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	Register()
	os.Exit(m.Run())
}

// edge is one proxy of a Toxiproxy server in this process, before an echo
// server.
type edge struct {
	t     *testing.T
	proxy *toxiclient.Proxy
}

func newEdge(t *testing.T) *edge {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	api := httptest.NewServer(server.Routes())
	t.Cleanup(func() {
		api.Close()
		if err := server.Collection.Clear(); err != nil {
			t.Errorf("clear proxies: %v", err)
		}
	})
	proxy, err := toxiclient.NewClient(api.URL).CreateProxy("edge", "127.0.0.1:0", echoServer(t))
	if err != nil {
		t.Fatalf("create proxy: %v", err)
	}
	return &edge{t: t, proxy: proxy}
}

// echoServer returns the address of a server that sends back what it receives.
func echoServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				// The peer's reset is how some tests end a connection.
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// meter adds a meter toxic and returns its id.
func (e *edge) meter(place, direction string) string {
	e.t.Helper()
	id := e.proxy.Listen + "/" + place + "/" + direction
	e.toxic(place+direction, Type, direction, toxiclient.Attributes{"id": id})
	return id
}

func (e *edge) toxic(name, kind, direction string, attributes toxiclient.Attributes) {
	e.t.Helper()
	if _, err := e.proxy.AddToxic(name, kind, direction, 1, attributes); err != nil {
		e.t.Fatalf("add toxic %s: %v", name, err)
	}
}

func (e *edge) dial() net.Conn {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.proxy.Listen)
	if err != nil {
		e.t.Fatalf("dial proxy: %v", err)
	}
	e.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		e.t.Fatalf("set deadline: %v", err)
	}
	return conn
}

func (e *edge) send(conn net.Conn, text string) {
	e.t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		e.t.Fatalf("send: %v", err)
	}
}

// echo sends text and waits until it has come back.
func (e *edge) echo(conn net.Conn, text string) {
	e.t.Helper()
	e.send(conn, text)
	back := make([]byte, len(text))
	if _, err := io.ReadFull(conn, back); err != nil {
		e.t.Fatalf("read echo: %v", err)
	}
	if string(back) != text {
		e.t.Fatalf("echo = %q, want %q", back, text)
	}
}

func reading(id string) Reading { return process.snapshot(-1).Meters[id] }

// eventually waits until the meter's reading satisfies ok.
func eventually(t *testing.T, id string, ok func(Reading) bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !ok(reading(id)) {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("meter %s stays at %+v", id, reading(id))
		}
	}
}

func hasBytes(n uint64) func(Reading) bool {
	return func(r Reading) bool { return r.Bytes == n }
}

func TestBytesMoveDuringAConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	up, down := e.meter("offered", "upstream"), e.meter("offered", "downstream")
	conn := e.dial()
	var last int64
	for i := uint64(1); i <= 3; i++ {
		e.echo(conn, "hello")
		for _, id := range []string{up, down} {
			if got := reading(id); got.Bytes != 5*i || got.Chunks != i || got.Connections != 1 {
				t.Errorf("meter %s after %d echoes = %+v, want %d bytes in %d chunks and 1 connection", id, i, got, 5*i, i)
			}
		}
		if got := reading(up).Last; got <= last {
			t.Errorf("last byte at %d, want later than %d", got, last)
		} else {
			last = got
		}
	}
}

func TestMeterJoinsAnOpenConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	conn := e.dial()
	e.echo(conn, "before")
	id := e.meter("offered", "upstream")
	e.echo(conn, "after")
	// A toxic added later makes Toxiproxy leave and enter the meter's Pipe.
	e.toxic("slow", "latency", "upstream", toxiclient.Attributes{"latency": 1})
	e.echo(conn, "again")
	got := reading(id)
	if got.Bytes != 10 || got.Connections != 1 || len(got.Opened) != 1 {
		t.Errorf("meter = %+v, want 10 bytes and 1 connection", got)
	}
}

func TestMetersWitnessFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, toxic string
		open        bool // whether the connection stays open under the fault
	}{
		{name: "blackhole", toxic: "timeout", open: true},
		{name: "reset", toxic: "reset_peer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t)
			offered := e.meter("offered", "upstream")
			conn := e.dial()
			e.echo(conn, "moves")
			e.toxic("fault", tt.toxic, "upstream", toxiclient.Attributes{"timeout": 0})
			passed := e.meter("passed", "upstream")
			e.send(conn, "attempt")
			eventually(t, offered, hasBytes(12))
			if !tt.open {
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					t.Error("the connection goes on under the fault")
				}
			}
			if got := reading(passed); got.Bytes != 0 || got.Last != 0 {
				t.Errorf("passed = %+v under the fault, want no byte", got)
			}
		})
	}
}

func TestFaultIsAddedToAStalledConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	id := e.meter("offered", "downstream")
	conn := e.dial()
	// Nobody reads the echo, so every buffer on the way fills up and the meter
	// is left with a chunk in hand.
	total := fill(t, conn)
	e.toxic("late", "latency", "downstream", toxiclient.Attributes{"latency": 1})
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("set deadline: %v", err)
	}
	if got, err := io.CopyN(io.Discard, conn, int64(total)); err != nil {
		t.Errorf("read %d bytes of the %d sent: %v", got, total, err)
	}
	eventually(t, id, hasBytes(total))
}

// fill writes until nothing more is taken, and returns the number of bytes.
func fill(t *testing.T, conn net.Conn) uint64 {
	t.Helper()
	block := bytes.Repeat([]byte("x"), 64<<10)
	for total := uint64(0); ; {
		if err := conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatalf("set deadline: %v", err)
		}
		n, err := conn.Write(block)
		total += uint64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return total
		}
		if err != nil {
			t.Fatalf("fill: %v", err)
		}
	}
}

func TestRemovedMeterLosesNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.meter("offered", "upstream")
	conn := e.dial()
	e.echo(conn, "with")
	if err := e.proxy.RemoveToxic("offeredupstream"); err != nil {
		t.Fatalf("remove meter: %v", err)
	}
	e.echo(conn, "without")
}

// manualClock returns a clock that shows what the pointer says.
func manualClock(now *int64) func() int64 { return func() int64 { return *now } }

func TestRingKeepsTheLatestAndCountsAll(t *testing.T) {
	t.Parallel()
	var now int64
	r := newRegistry(manualClock(&now))
	const opened = RingSize + 10
	for now = 1; now <= opened; now++ {
		r.open("a")
	}
	got := r.snapshot(-1).Meters["a"]
	if got.Connections != opened || len(got.Opened) != RingSize {
		t.Fatalf("connections = %d with %d times, want %d with %d", got.Connections, len(got.Opened), opened, RingSize)
	}
	for i, at := range got.Opened {
		if want := int64(opened - RingSize + 1 + i); at != want {
			t.Fatalf("opened[%d] = %d, want %d", i, at, want)
		}
	}
}

func TestSnapshotsListEachConnectionOnce(t *testing.T) {
	t.Parallel()
	var now int64 // stands still, so that all events share one reading of it
	r := newRegistry(manualClock(&now))
	r.open("a")
	first := r.snapshot(-1)
	r.open("a")
	r.open("a")
	second := r.snapshot(first.Now)
	third := r.snapshot(second.Now)
	for i, want := range []int{1, 2, 0} {
		if got := len([]Snapshot{first, second, third}[i].Meters["a"].Opened); got != want {
			t.Errorf("snapshot %d lists %d connections, want %d", i, got, want)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, target string
		status               int
	}{
		{"all", http.MethodGet, Path, http.StatusOK},
		{"after", http.MethodGet, Path + "?after=12", http.StatusOK},
		{"not a number", http.MethodGet, Path + "?after=soon", http.StatusBadRequest},
		{"not a GET", http.MethodPost, Path, http.StatusMethodNotAllowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := httptest.NewRecorder()
			Handler().ServeHTTP(answer, httptest.NewRequest(tt.method, tt.target, nil))
			if answer.Code != tt.status {
				t.Fatalf("status = %d, want %d", answer.Code, tt.status)
			}
			if tt.status != http.StatusOK {
				return
			}
			var s Snapshot
			if err := json.Unmarshal(answer.Body.Bytes(), &s); err != nil || s.Now <= 0 || s.Meters == nil {
				t.Errorf("answer %s: error %v, want a snapshot", answer.Body, err)
			}
		})
	}
}
