// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/harness/store"
	"blackout/internal/programtest"
	"blackout/internal/s3front"
)

// TestCountedStoreFault: the witness does not use it up, sees it when it is used
// up, and says how often the node met it.
func TestCountedStoreFault(t *testing.T) {
	t.Parallel()
	p := newPantry(t, "")
	f := p.fault(Spec{Kind: StoreStatus, Status: 503, Count: 2}, p.storage(), newLedger(t))
	lives(t, f, "prepare", "inject")
	if seen := p.looks(f.Witness); !strings.Contains(seen, "0 of the 2 requests") {
		t.Errorf("seen %q", seen)
	}
	for i, want := range []int{503, 503, 200} {
		if a := p.read(); a.Status != want {
			t.Errorf("request %d is answered %s, want %d", i+1, a, want)
		}
	}
	if seen, ok := f.means.Look(t.Context()); !ok || !strings.Contains(seen, "2 of the 2 requests") {
		t.Errorf("seen %q, %v", seen, ok)
	}
	lives(t, f, "heal")
	p.looks(f.WitnessHealed)
	lives(t, f, "clean")
}

// TestStoreFaultsWithoutASnapshot: those that are not about the object need none.
func TestStoreFaultsWithoutASnapshot(t *testing.T) {
	t.Parallel()
	p := newPantry(t, "")
	if err := p.store.DeleteObject(t.Context(), storeBucket, storeKey); err != nil {
		t.Fatal(err)
	}
	f := p.fault(Spec{Kind: StoreStatus, Status: 503}, p.storage(), newLedger(t))
	lives(t, f, "prepare", "inject")
	p.looks(f.Witness)
	lives(t, f, "heal")
	p.looks(f.WitnessHealed)
	f = p.fault(Spec{Kind: StoreEmpty}, p.storage(), newLedger(t))
	if err := f.Prepare(t.Context()); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(err.Error(), "NoSuchKey") {
		t.Errorf("error %v", err)
	}
}

// TestStoreFaultsThatCannotBe are refused before they are injected.
func TestStoreFaultsThatCannotBe(t *testing.T) {
	t.Parallel()
	p := newPantry(t, "")
	for name, c := range map[string]struct {
		spec    Spec
		change  func(*Storage)
		want    error
		mention string
	}{
		"as long as the snapshot":        {Spec{Kind: StoreTruncated, Bytes: snapshotSize}, nil, nil, "let fewer through"},
		"too fast to be seen":            {Spec{Kind: StoreSlow, Rate: 1 << 30}, nil, nil, "cannot be seen"},
		"no older state":                 {Spec{Kind: StoreStale}, func(s *Storage) { s.Older = nil }, ErrCannotStage, "older"},
		"an older state that is the new": {Spec{Kind: StoreStale}, func(s *Storage) { s.Older = &s3front.Object{Body: snapshot(2)} }, ErrCannotStage, "older"},
		"no other version":               {Spec{Kind: StoreOtherVersion}, func(s *Storage) { s.Other = nil }, ErrCannotStage, "other version"},
		"nothing to give":                {Spec{Kind: StoreBare}, func(s *Storage) { s.Bogus = nil }, ErrCannotStage, "in the snapshot's place"},
		"refused before": {Spec{Kind: StoreStatus, Status: 503}, func(s *Storage) {
			s.Node = func(context.Context) store.Answer {
				return store.Answer{Status: 403, Code: "AccessDenied", Err: errors.New("denied")}
			}
		}, ErrNotWitnessed, "403 AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := p.storage()
			if c.change != nil {
				c.change(&at)
			}
			err := p.fault(c.spec, at, newLedger(t)).Prepare(t.Context())
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.mention) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestStoreWitnessIsNotFooled by a store that fails everybody, changes under its
// eyes or is slow by itself, nor by another fault than the one that is claimed.
func TestStoreWitnessIsNotFooled(t *testing.T) {
	t.Parallel()
	good := store.Answer{Status: 200, Announced: 100, Bytes: 100, Digest: "good", Took: time.Millisecond}
	none := store.Answer{Took: time.Millisecond, Err: errors.New("reset")}
	late := store.Answer{Took: nodeBound, Err: context.DeadlineExceeded}
	answer := func(change func(*store.Answer)) store.Answer {
		a := good
		change(&a)
		return a
	}
	busy := answer(func(a *store.Answer) { a.Took = nodeBound })
	other := answer(func(a *store.Answer) { a.Digest = "other" })
	cut := answer(func(a *store.Answer) { a.Bytes, a.Digest, a.Err = 10, "cut", errors.New("unexpected EOF") })
	flow := func(rate float64, pause time.Duration) store.Answer {
		return answer(func(a *store.Answer) { a.Flow = store.Flow{Rate: rate, Lasted: time.Second, Pause: pause} })
	}
	refusal := func(status int, code string) store.Answer {
		return store.Answer{Status: status, Code: code, Err: errors.New("refused"), Took: time.Millisecond}
	}
	for name, c := range map[string]struct {
		spec     Spec
		node     store.Answer
		controls [2]store.Answer
		inForce  bool
	}{
		"refused":                       {Spec{Kind: StoreRefuses}, none, [2]store.Answer{good, good}, true},
		"refused to all":                {Spec{Kind: StoreRefuses}, none, [2]store.Answer{good, none}, false},
		"refused, and was to all":       {Spec{Kind: StoreRefuses}, none, [2]store.Answer{none, good}, false},
		"a hang is no refusal":          {Spec{Kind: StoreRefuses}, late, [2]store.Answer{good, good}, false},
		"hangs":                         {Spec{Kind: StoreHangs}, late, [2]store.Answer{good, good}, true},
		"hangs where all is slow":       {Spec{Kind: StoreHangs}, late, [2]store.Answer{good, busy}, false},
		"a refusal is no hang":          {Spec{Kind: StoreHangs}, none, [2]store.Answer{good, good}, false},
		"another status":                {Spec{Kind: StoreStatus, Status: 503}, refusal(500, "InternalError"), [2]store.Answer{good, good}, false},
		"the status, without its code":  {Spec{Kind: StoreStatus, Status: 503}, refusal(503, ""), [2]store.Answer{good, good}, false},
		"the status without the header": {Spec{Kind: StoreStatus, Status: 503, RetryAfter: time.Second}, refusal(503, "ServiceUnavailable"), [2]store.Answer{good, good}, false},
		"everybody's status":            {Spec{Kind: StoreStatus, Status: 404}, refusal(404, "NoSuchKey"), [2]store.Answer{refusal(404, "NoSuchKey"), refusal(404, "NoSuchKey")}, false},
		"skewed, with the right date":   {Spec{Kind: StoreSkewed, Delay: time.Hour}, refusal(403, "RequestTimeTooSkewed"), [2]store.Answer{good, good}, false},
		"truncated":                     {Spec{Kind: StoreTruncated, Bytes: 10}, cut, [2]store.Answer{good, good}, true},
		"truncated too late":            {Spec{Kind: StoreTruncated, Bytes: 9}, cut, [2]store.Answer{good, good}, false},
		"flipped":                       {Spec{Kind: StoreFlipped}, other, [2]store.Answer{good, good}, true},
		"changed meanwhile":             {Spec{Kind: StoreFlipped}, other, [2]store.Answer{good, other}, false},
		"changed, and seen so":          {Spec{Kind: StoreFlipped}, other, [2]store.Answer{other, other}, false},
		"cut is not flipped":            {Spec{Kind: StoreFlipped}, cut, [2]store.Answer{good, good}, false},
		"slow":                          {Spec{Kind: StoreSlow, Rate: 100}, flow(110, 50*time.Millisecond), [2]store.Answer{good, good}, true},
		"slow, not so slow":             {Spec{Kind: StoreSlow, Rate: 100}, flow(140, 50*time.Millisecond), [2]store.Answer{good, good}, false},
		"one stall":                     {Spec{Kind: StoreSlow, Rate: 100}, flow(100, 900*time.Millisecond), [2]store.Answer{good, good}, false},
		"slow for all":                  {Spec{Kind: StoreSlow, Rate: 100}, flow(110, 50*time.Millisecond), [2]store.Answer{flow(120, time.Millisecond), flow(120, time.Millisecond)}, false},
		"at once":                       {Spec{Kind: StoreSlow, Rate: 100}, good, [2]store.Answer{good, good}, false},
		"empty":                         {Spec{Kind: StoreEmpty}, store.Answer{Status: 200}, [2]store.Answer{good, good}, true},
		"empty for all":                 {Spec{Kind: StoreEmpty}, store.Answer{Status: 200}, [2]store.Answer{{Status: 200}, {Status: 200}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			controls := c.controls[:]
			means, err := NewStore(c.spec, Storage{
				Node: func(context.Context) store.Answer { return c.node },
				Control: func(context.Context) store.Answer {
					next := controls[0]
					controls = controls[1:]
					return next
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if seen, inForce := means.Look(t.Context()); inForce != c.inForce || seen == "" {
				t.Errorf("in force %v, seen %q", inForce, seen)
			}
		})
	}
}

// TestPreparationLooksAgain where nothing can be concluded from a look, for a while.
func TestPreparationLooksAgain(t *testing.T) {
	t.Parallel()
	good := store.Answer{Status: 200, Announced: 100, Bytes: 100, Digest: "good", Took: time.Millisecond}
	busy, other := good, good
	busy.Took, other.Digest = nodeBound, "other"
	for name, c := range map[string]struct {
		controls []store.Answer // two for each look
		want     string         // of the error
	}{
		"at once":           {[]store.Answer{good, good}, ""},
		"after a busy time": {[]store.Answer{good, busy, busy, good, good, good}, ""},
		"after a change":    {[]store.Answer{other, good, good, good}, ""},
		"busy for too long": {[]store.Answer{good, busy, busy, good, busy, busy, good, good}, "slow for an untouched account too"},
		"the node's differ": {[]store.Answer{other, other, good, good}, "does not work before the fault"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			means, err := NewStore(Spec{Kind: StoreHangs}, Storage{
				Node:    func(context.Context) store.Answer { return good },
				Control: func(context.Context) store.Answer { asked++; return c.controls[asked-1] },
			})
			if err != nil {
				t.Fatal(err)
			}
			switch err := means.Prepare(t.Context()); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

// vault is a pantry whose node reaches the store over TLS.
type vault struct {
	*pantry
	known, unknown *fixtures.Authority
	at             StorageTLS
}

func newVault(t *testing.T) vault {
	t.Helper()
	v := vault{pantry: newPantry(t, "")}
	certificate := func(authority **fixtures.Authority) s3front.Certificate {
		var err error
		if *authority, err = fixtures.NewAuthority("store"); err != nil {
			t.Fatal(err)
		}
		server, err := (*authority).Server("toxiproxy", "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		return s3front.Certificate{Chain: string(server.Certificate), Key: string(server.Key)}
	}
	address := programtest.FreeAddress(t)
	if err := v.front.Open(t.Context(), "dp-1", s3front.Endpoint{Listen: address, Certificate: certificate(&v.known)}); err != nil {
		t.Fatal(err)
	}
	node, err := store.NewReader(store.Way{Address: address, TLS: &store.TLS{Host: "toxiproxy", Authority: v.known.Certificate}}, v.account, "")
	if err != nil {
		t.Fatal(err)
	}
	v.at = StorageTLS{
		Front: v.front, Endpoint: "dp-1", Untrusted: certificate(&v.unknown),
		Node:    func(ctx context.Context) error { return node.Get(ctx, storeBucket, storeKey).Err },
		Control: func(ctx context.Context) error { return v.storage().Control(ctx).Err },
	}
	return v
}

var unknownCA = Spec{Kind: StoreUnknownCA, Node: "dp-1"}

func TestUnknownAuthorityLives(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	f := New(unknownCA, NewStoreTLS(unknownCA, v.at), newLedger(t))
	lives(t, f, "prepare", "inject")
	if seen := v.looks(f.Witness); !strings.Contains(seen, "unknown authority") {
		t.Errorf("seen %q", seen)
	}
	if err := v.at.Node(t.Context()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("the node's handshake: %v", err)
	}
	lives(t, f, "heal")
	v.looks(f.WitnessHealed)
	lives(t, f, "clean", "clean")
	if err := v.at.Node(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUnknownAuthorityControlIsNotInForce(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	spec := unknownCA
	spec.Control = true
	f := New(spec, NewStoreTLS(spec, v.at), newLedger(t))
	lives(t, f, "prepare", "inject")
	ctx, cancel := context.WithTimeout(t.Context(), impatience)
	defer cancel()
	if seen, err := f.Witness(ctx); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, "still trust") {
		t.Errorf("seen %q, error %v", seen, err)
	}
	lives(t, f, "clean")
}

func TestUnknownAuthorityThatOutlivesItsHarness(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := t.TempDir()
	ledger, err := OpenLedger(dir, "r1")
	if err != nil {
		t.Fatal(err)
	}
	f := New(unknownCA, NewStoreTLS(unknownCA, v.at), ledger)
	lives(t, f, "prepare", "inject")
	v.recovers(dir)
	if err := v.at.Node(t.Context()); err != nil {
		t.Error(err)
	}
	v.closing()
	v.closing = func() {}
	lives(t, f, "heal") // what is gone shows no certificate
}

// TestUnknownAuthorityIsNotAnyFailure: a handshake that fails otherwise, or a
// store that is gone, is something else.
func TestUnknownAuthorityIsNotAnyFailure(t *testing.T) {
	t.Parallel()
	refused := func(context.Context) error { return &net.OpError{Op: "dial", Err: errors.New("refused")} }
	unknown := func(context.Context) error { return x509.UnknownAuthorityError{} }
	works := func(context.Context) error { return nil }
	other := func(context.Context) error {
		return x509.HostnameError{Certificate: &x509.Certificate{}, Host: "store"}
	}
	for name, c := range map[string]struct {
		kind          Kind
		node, control func(context.Context) error
		inForce       bool
	}{
		"unknown":                        {StoreUnknownCA, unknown, works, true},
		"unknown, and the store dead":    {StoreUnknownCA, unknown, refused, false},
		"refused":                        {StoreUnknownCA, refused, works, false},
		"trusted":                        {StoreUnknownCA, works, works, false},
		"known, and another host's":      {StoreUnknownCA, other, works, false},
		"another host's":                 {StoreOtherHost, other, works, true},
		"another host's, and store dead": {StoreOtherHost, other, refused, false},
		"unknown as another host's":      {StoreOtherHost, unknown, works, false},
	} {
		if seen, inForce := NewStoreTLS(Spec{Kind: c.kind}, StorageTLS{Node: c.node, Control: c.control}).Look(t.Context()); inForce != c.inForce || seen == "" {
			t.Errorf("%s: in force %v, seen %q", name, inForce, seen)
		}
	}
	v := newVault(t)
	v.at.Node = refused
	if err := NewStoreTLS(unknownCA, v.at).Prepare(t.Context()); !errors.Is(err, ErrNotWitnessed) {
		t.Errorf("prepared on a store that does not answer: %v", err)
	}
}
