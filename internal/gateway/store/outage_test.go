// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/pgtest"
	"blackout/internal/gateway/store"
)

// everything makes each call that a store answers, all at once.
func everything(ctx context.Context, s *store.Store) map[string]error {
	calls := map[string]func() error{
		"get":    func() error { _, err := s.Get(ctx, entity.Services, named("s")); return err },
		"list":   func() error { _, _, err := s.List(ctx, entity.Services, store.Query{Size: 1}); return err },
		"tags":   func() error { _, _, err := s.Tags(ctx, store.TagQuery{Size: 1}); return err },
		"since":  func() error { _, err := s.Since(ctx, store.Position{}); return err },
		"delete": func() error { _, err := s.Delete(ctx, entity.Services, named("absent")); return err },
		"change": func() error {
			_, err := s.Change(ctx, entity.Services, named("s"), func(old entity.Record) (entity.Record, error) { return old, nil })
			return err
		},
		"save":        func() error { return s.SaveDataPlanes(ctx, []store.DataPlane{{ID: "x"}}, time.Hour) },
		"data planes": func() error { _, _, err := s.DataPlanes(ctx, store.Query{Size: 1}); return err },
		"ping":        func() error { return s.Ping(ctx) },
	}
	failures := make(map[string]error, len(calls))
	var mu sync.Mutex
	var calling sync.WaitGroup
	for name, call := range calls {
		calling.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			failures[name] = err
		})
	}
	calling.Wait()
	return failures
}

func expectAll(t *testing.T, s *store.Store, working bool) {
	t.Helper()
	for call, err := range everything(t.Context(), s) {
		if (err == nil) != working {
			t.Errorf("%s: got %v, want it to work: %v", call, err, working)
		}
		if err != nil && strings.Contains(err.Error(), "a-password") {
			t.Errorf("%s: a password in %v", call, err)
		}
	}
}

func TestAServerThatStopsAndStarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	s := open(t, store.Options{Postgres: database, Timeout: 2 * time.Second})
	create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	expectAll(t, s, true)
	server.Stop(t)
	expectAll(t, s, false)
	if _, err := store.Open(t.Context(), store.Options{Postgres: database, Timeout: time.Second}); err == nil ||
		!strings.HasPrefix(err.Error(), "open database postgres://") || strings.Contains(err.Error(), "a-password") {
		t.Errorf("opened without a server: %v", err)
	}
	server.Resume(t)
	expectAll(t, s, true)
}

// TestAServerThatDoesNotAnswer: bytes vanish on the way, and no call waits for
// them longer than it may.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	way := newWay(t, server.Port())
	database := server.NewDatabase(t)
	database.Port = way.port()
	const timeout = 2 * time.Second
	s := open(t, store.Options{Postgres: database, Timeout: timeout, ExportTimeout: timeout})
	create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	expectAll(t, s, true)
	way.swallow(true)
	start := time.Now()
	expectAll(t, s, false)
	if took, most := time.Since(start), 2*timeout; took > most {
		t.Errorf("the calls took %s, want at most %s", took, most)
	}
	way.swallow(false)
	expectAll(t, s, true)
}

// way forwards connections to a port, or swallows what they carry.
type way struct {
	listener net.Listener
	threads  sync.WaitGroup

	mu     sync.Mutex
	open   sync.Cond
	closed bool
}

func newWay(t *testing.T, to int) *way {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &way{listener: listener}
	w.open.L = &w.mu
	t.Cleanup(func() {
		w.swallow(false)
		_ = listener.Close()
		cancel()
		w.threads.Wait()
	})
	w.threads.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			target, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
			if err != nil {
				_ = from.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _, _ = from.Close(), target.Close() })
			w.threads.Go(func() { w.carry(target, from) })
			w.threads.Go(func() { w.carry(from, target) })
		}
	})
	return w
}

func (w *way) port() int { return w.listener.Addr().(*net.TCPAddr).Port }

func (w *way) swallow(swallow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = swallow
	w.open.Broadcast()
}

// carry passes bytes on while the way is open. What comes while it is not stays
// where it is, as in a network that retransmits.
func (w *way) carry(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		for w.closed {
			w.open.Wait()
		}
		w.mu.Unlock()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
