// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"blackout/harness/store"
	"blackout/internal/miniotest"
	"blackout/internal/s3front"
	"blackout/internal/s3server"
)

// Where the snapshot of these tests is.
const (
	storeBucket  = "backup"
	storeKey     = "p/3.9.1/config.json"
	storeUser    = miniotest.User
	storeSecret  = miniotest.Password
	snapshotSize = 60_000
)

func snapshot(generation int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("%09d\n", generation), snapshotSize/10))
}

// pantry is a store with a front before it, and a node that has an account.
type pantry struct {
	t       *testing.T
	store   store.Store
	front   *s3front.Client
	s3      string        // where clients of the store dial the front
	account store.Account // the node's
	closing func()        // ends the front
}

// newPantry has the front before the given store, or an embedded one if that is
// empty.
func newPantry(t *testing.T, minIO string) *pantry {
	t.Helper()
	behind := minIO
	if behind == "" {
		behind = embeddedStore(t)
	}
	front := s3front.New(behind, slog.New(slog.DiscardHandler))
	s3, events := httptest.NewServer(front), httptest.NewServer(front.Control())
	p := &pantry{t: t, front: s3front.NewClient(events.Listener.Addr().String()), s3: s3.Listener.Addr().String()}
	p.closing = func() {
		s3.CloseClientConnections()
		s3.Close()
		events.CloseClientConnections()
		events.Close()
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { p.closing() })
	p.fill(behind, minIO != "")
	return p
}

func embeddedStore(t *testing.T) string {
	t.Helper()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: storeUser, RootPassword: storeSecret, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	return listening.Listener.Addr().String()
}

// fill makes the bucket, a snapshot and the node's account.
func (p *pantry) fill(address string, minIO bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	open := store.NewEmbedded
	if minIO {
		open = store.NewMinIO
	}
	var err error
	if p.store, err = open(address, storeUser, storeSecret); err != nil {
		p.t.Fatal(err)
	}
	if err := p.store.CreateBucket(ctx, storeBucket); err != nil {
		p.t.Fatal(err)
	}
	p.put(2)
	if p.account, err = p.store.NewAccount(ctx, "dp-1", storeBucket, "p", store.Write); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pantry) put(generation int) {
	p.t.Helper()
	if err := p.store.PutObject(p.t.Context(), storeBucket, storeKey, snapshot(generation)); err != nil {
		p.t.Fatal(err)
	}
}

// reader reads through the front, with an account's rights; as somebody else, if
// as is not empty.
func (p *pantry) reader(account store.Account, as string) *store.Reader {
	p.t.Helper()
	r, err := store.NewReader(store.Way{Address: p.s3}, account, as)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// storage is what the means are given.
func (p *pantry) storage() Storage {
	root := store.Account{AccessKey: storeUser, SecretKey: storeSecret}
	node, control := p.reader(root, p.account.AccessKey), p.reader(root, "")
	object := func(key string) *s3front.Object {
		return &s3front.Object{Key: key, Body: snapshot(1), ETag: "1", Modified: time.Unix(1_700_000_000, 0)}
	}
	return Storage{
		Front: p.front, Account: p.account.AccessKey, Key: storeKey,
		Node:    func(ctx context.Context) store.Answer { return node.Get(ctx, storeBucket, storeKey) },
		Control: func(ctx context.Context) store.Answer { return control.Get(ctx, storeBucket, storeKey) },
		List:    func(ctx context.Context) ([]string, error) { return node.List(ctx, storeBucket, "p/") },
		Older:   object(""), Other: object("p/3.8.0/config.json"),
		Bogus: &s3front.Object{Body: []byte("{}"), ETag: "2", Modified: time.Unix(1_700_000_000, 0)},
	}
}

// read is what the node itself reads now.
func (p *pantry) read() store.Answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), nodeBound)
	defer cancel()
	return p.reader(p.account, "").Get(ctx, storeBucket, storeKey)
}

// works fails the test unless the node reads the snapshot.
func (p *pantry) works() {
	p.t.Helper()
	if a := p.read(); a.Err != nil || a.Digest != store.Digest(snapshot(2)) {
		p.t.Errorf("the node reads %s", a)
	}
}

func (p *pantry) fault(spec Spec, at Storage, ledger *Ledger) *Fault {
	p.t.Helper()
	spec.Node = "dp-1"
	if err := spec.Validate(); err != nil {
		p.t.Fatal(err)
	}
	means, err := NewStore(spec, at)
	if err != nil {
		p.t.Fatal(err)
	}
	return New(spec, means, ledger)
}

// record are the requests that ended after number n, once all have that came.
func (p *pantry) record(n int) []s3front.Event {
	p.t.Helper()
	for {
		page, err := p.front.Events(p.t.Context(), n, 5*time.Second)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(page.Events) > 0 && page.Started == n+len(page.Events) {
			return page.Events
		}
		if page, err = p.front.Events(p.t.Context(), n+len(page.Events), 5*time.Second); err != nil {
			p.t.Fatal(err)
		}
	}
}
