// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"blackout/harness/history"
)

// door is a listener that can be closed with all its connections and opened again
// at the same address.
type door struct {
	address string
	serve   func(net.Conn) // what it does with a connection, if anything

	mu    sync.Mutex
	in    net.Listener
	conns map[net.Conn]bool
}

// open returns between which moments the door was opened.
func (d *door) open(tb testing.TB) (from, to time.Time) {
	tb.Helper()
	if d.address == "" {
		d.address = "127.0.0.1:0"
	}
	from = time.Now()
	in, err := net.Listen("tcp", d.address)
	if err != nil {
		tb.Fatal(err)
	}
	to = time.Now()
	d.mu.Lock()
	d.in, d.address, d.conns = in, in.Addr().String(), make(map[net.Conn]bool)
	d.mu.Unlock()
	go d.accept(in) // until it is closed
	return from, to
}

func (d *door) accept(in net.Listener) {
	for {
		conn, err := in.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns[conn] = true
		d.mu.Unlock()
		if d.serve != nil {
			go func() { // until it is closed, by either side
				d.serve(conn)
				conn.Close()
				d.mu.Lock()
				defer d.mu.Unlock()
				delete(d.conns, conn)
			}()
		}
	}
}

// close returns between which moments the door and all connections were closed.
func (d *door) close(reset bool) (from, to time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from = time.Now()
	d.in.Close()
	for c := range d.conns {
		if reset {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	to = time.Now()
	clear(d.conns)
	return from, to
}

func (d *door) standing() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// TestConnection: an idle connection tells how it ended, and when the next one
// stands, as intervals that hold the truth.
func TestConnection(t *testing.T) {
	t.Parallel()
	for how, reset := range map[string]bool{"fin": false, "reset": true} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			const redial = time.Millisecond
			d := new(door)
			d.open(t)
			rec := newRecording(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan struct{})
			c := Connection{Node: "dp-1", Endpoint: Endpoint{Address: d.address}, Redial: redial, Timeout: patience}
			go func() { defer close(ended); c.Run(ctx, rec.Writer) }()
			recorded := func(n int) func() bool {
				return func() bool { return len(rec.soFar("dp-1")) >= n }
			}
			await(t, "a connection", recorded(1))
			await(t, "its other end", func() bool { return d.standing() == 1 })
			closing, _ := d.close(reset)
			await(t, "a refusal", recorded(3))
			_, opened := d.open(t)
			await(t, "another connection", recorded(4))
			stop()
			<-ended
			d.close(reset)

			events := rec.soFar("dp-1")
			var got []string
			for _, e := range events {
				got = append(got, string(e.Kind)+" "+e.Text)
			}
			if want := []string{"conn.open ", "conn.close " + how, "conn.close refused", "conn.open "}; !slices.Equal(got, want) {
				t.Fatalf("recorded %q, want %q", got, want)
			}
			if start := events[1].At; start < rec.At(closing) {
				t.Errorf("the connection ended %s before anybody closed it", rec.At(closing).Sub(start))
			}
			if end := events[3].Until; end < rec.At(opened)-history.Time(time.Millisecond) {
				t.Errorf("a connection stood %s before the door was open", rec.At(opened).Sub(end))
			}
		})
	}
}

// TestConnectionIsPatient: a door that is never opened is said to be closed once.
func TestConnectionIsPatient(t *testing.T) {
	t.Parallel()
	d := new(door)
	d.open(t)
	d.close(false)
	rec := newRecording(t)
	ctx, stop := context.WithCancel(t.Context())
	defer time.AfterFunc(50*time.Millisecond, stop).Stop()
	Connection{Node: "dp-1", Endpoint: Endpoint{Address: d.address}, Redial: time.Millisecond, Timeout: patience}.Run(ctx, rec.Writer)
	events := rec.soFar("dp-1")
	if len(events) != 1 || events[0].Kind != history.ConnClose || events[0].Text != "refused" {
		t.Errorf("recorded %+v, want one refusal", events)
	}
}
