// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/topology"
	"blackout/internal/programtest"
)

// TestRepoint: live connections end, new ones lead elsewhere, and the meters
// count on.
func TestRepoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "other") }))
	defer other.Close()
	before, err := b.links.Upstream(t.Context(), b.edge)
	if err != nil {
		t.Fatal(err)
	}
	standing := b.standing()
	if err := b.links.Repoint(t.Context(), b.edge, before); err != nil {
		t.Fatal(err)
	}
	if err := standing(); err != nil {
		t.Errorf("repointing an edge to where it leads has ended a connection: %v", err)
	}
	first := b.reading()
	if err := b.links.Repoint(t.Context(), b.edge, other.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if err := standing(); err == nil {
		t.Error("a connection to the former upstream stands")
	}
	if read, err := get(t.Context(), b.at); err == nil || read != len("other") {
		t.Errorf("%d bytes, %v: want those of the other upstream", read, err)
	}
	if now := b.reading(); now.Connections != first.Connections+1 || now.Offered() <= first.Offered() {
		t.Errorf("meters at %+v after %+v", now, first)
	}
	if err := b.links.Repoint(t.Context(), b.edge, before); err != nil {
		t.Fatal(err)
	}
	b.works()
}

// standing is a kept connection through the edge; each call uses it once.
func (b *bench) standing() (use func() error) {
	b.t.Helper()
	conn, err := net.DialTimeout("tcp", b.at, patience)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	in := bufio.NewReader(conn)
	use = func() error {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: peer\r\n\r\n"); err != nil {
			return err
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := use(); err != nil {
		b.t.Fatal(err)
	}
	return use
}

// TestRepointedBehindOurBack: an undo of another process is noticed.
func TestRepointedBehindOurBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before, err := b.links.Upstream(t.Context(), b.edge)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.links.Repoint(t.Context(), b.edge, programtest.FreeAddress(t)); err != nil {
		t.Fatal(err)
	}
	undo := b.links.undoRepoint(b.edge, before)
	for range 2 {
		if err := RepointLink(t.Context(), undo.Args); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := b.links.Upstream(t.Context(), b.edge); err != nil || now != before {
		t.Errorf("the edge leads to %s, %v; want %s", now, err, before)
	}
	b.works()
}

// TestRepointsOnceTheListenerIsFree: an address that is in use for a moment is tried
// again, and the proxy, which Toxiproxy has given up on, is enabled.
func TestRepointsOnceTheListenerIsFree(t *testing.T) {
	t.Parallel()
	const inUse = `{"error":"listen tcp 127.0.0.1:1: bind: address already in use"}`
	for name, c := range map[string]struct {
		answers []string // of failures, before one that is well
		calls   int
		fails   bool
	}{
		"at once":         {calls: 1},
		"the second time": {answers: []string{inUse}, calls: 2},
		"another failure": {answers: []string{`{"error":"broken"}`}, calls: 1, fails: true},
		"the fourth time": {answers: []string{inUse, inUse, inUse}, calls: 4},
	} {
		var bodies []string
		fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // what is missing is seen below
			bodies = append(bodies, strings.TrimSpace(string(body)))
			if n := len(bodies); n <= len(c.answers) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, c.answers[n-1])
			}
		}))
		err := newServer(fake.Listener.Addr().String()).repoint(t.Context(), "edge", "other:1")
		fake.Close()
		want := append([]string{`{"upstream":"other:1"}`}, slices.Repeat([]string{`{"enabled":true,"upstream":"other:1"}`}, c.calls-1)...)
		if (err != nil) != c.fails || !slices.Equal(bodies, want) {
			t.Errorf("%s: error %v after %q, want an error: %t, after %q", name, err, bodies, c.fails, want)
		}
	}
}

func TestRepointErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	edge := topology.Edge{From: "never-opened", To: "cp"}
	if err := b.links.Repoint(t.Context(), edge, "x:1"); err == nil || !strings.Contains(err.Error(), edge.String()) {
		t.Errorf("error %v does not name the edge", err)
	}
	if _, err := b.links.Upstream(t.Context(), edge); err == nil || !strings.Contains(err.Error(), edge.String()) {
		t.Errorf("error %v does not name the edge", err)
	}
	before, err := b.links.Upstream(t.Context(), b.edge)
	if err != nil {
		t.Fatal(err)
	}
	there := b.links.server
	b.links.server = newServer(programtest.FreeAddress(t))
	if err := b.links.Repoint(t.Context(), b.edge, "x:1"); err == nil || !strings.Contains(err.Error(), b.edge.String()) {
		t.Errorf("error %v does not name the edge", err)
	}
	if _, err := b.links.Upstream(t.Context(), b.edge); err == nil || !strings.Contains(err.Error(), b.edge.String()) {
		t.Errorf("where an edge leads that is gone: %v", err)
	}
	b.links.server = there
	if now, err := b.links.Upstream(t.Context(), b.edge); err != nil || now != before {
		t.Errorf("after a failure the edge is taken to lead to %s, %v", now, err)
	}
}
