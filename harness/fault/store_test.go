// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"blackout/harness/store"
	"blackout/internal/miniotest"
)

// storeFaults are one spec of each kind that a store front stages, and what the
// node itself then meets.
var storeFaults = []struct {
	spec  Spec
	meets func(store.Answer) bool
}{
	{Spec{Kind: StoreRefuses}, func(a store.Answer) bool { return a.Status == 0 && !errors.Is(a.Err, context.DeadlineExceeded) }},
	{Spec{Kind: StoreStatus, Status: 403}, meetsCode("AccessDenied")},
	{Spec{Kind: StoreStatus, Status: 404}, meetsCode("NoSuchKey")},
	{Spec{Kind: StoreStatus, Status: 412}, meetsCode("PreconditionFailed")},
	{Spec{Kind: StoreStatus, Status: 429, RetryAfter: 3 * time.Second}, func(a store.Answer) bool { return a.Status == 429 && a.Header.Get("Retry-After") == "3" }},
	{Spec{Kind: StoreStatus, Status: 503}, meetsCode("ServiceUnavailable")},
	{Spec{Kind: StoreHangs}, func(a store.Answer) bool { return errors.Is(a.Err, context.DeadlineExceeded) && a.Status == 0 }},
	{Spec{Kind: StoreSlow, Rate: snapshotSize}, func(a store.Answer) bool { return a.Took > 700*time.Millisecond && a.Bytes > 0 }},
	{Spec{Kind: StoreTruncated, Bytes: 1000}, func(a store.Answer) bool { return a.Bytes == 1000 && a.Announced == snapshotSize && a.Err != nil }},
	{Spec{Kind: StoreFlipped, Seed: 7}, func(a store.Answer) bool {
		return a.Bytes == snapshotSize && a.Err == nil && a.Digest != store.Digest(snapshot(2))
	}},
	{Spec{Kind: StoreStale}, func(a store.Answer) bool { return a.Digest == store.Digest(snapshot(1)) && a.Err == nil }},
	{Spec{Kind: StoreEmpty}, func(a store.Answer) bool { return a.Status == 200 && a.Bytes == 0 && a.Err == nil }},
	{Spec{Kind: StoreOtherVersion}, meetsCode("NoSuchKey")},
	{Spec{Kind: StoreAltered}, meetsBogus},
	{Spec{Kind: StoreBare}, meetsBogus},
	{Spec{Kind: StoreForeign}, meetsBogus},
	{Spec{Kind: StoreBomb, Bytes: 1 << 20}, meetsBogus},
	{Spec{Kind: StoreSkewed, Delay: time.Hour}, meetsCode("RequestTimeTooSkewed")},
	{Spec{Kind: StoreExpired}, meetsCode("ExpiredToken")},
	{Spec{Kind: CredentialRevoked}, meetsCode("InvalidAccessKeyId")},
}

func meetsBogus(a store.Answer) bool { return a.Err == nil && a.Digest == store.Digest([]byte("{}")) }

func meetsCode(code string) func(store.Answer) bool {
	return func(a store.Answer) bool { return a.Code == code }
}

// TestStoreKindsAreComplete: every kind of the family has means and is tested.
func TestStoreKindsAreComplete(t *testing.T) {
	t.Parallel()
	tested := make(map[Kind]bool)
	for _, f := range storeFaults {
		tested[f.spec.Kind] = true
	}
	for _, e := range Kinds {
		if e.Family != Stores && e.Kind != CredentialRevoked {
			continue
		}
		if _, ok := storeKinds[e.Kind]; !ok || !tested[e.Kind] {
			t.Errorf("%s: has means %v, is tested %v", e.Kind, ok, tested[e.Kind])
		}
	}
	if _, err := NewStore(Spec{Kind: Exit}, Storage{}); !errors.Is(err, ErrCannotStage) {
		t.Errorf("a kind of links: %v", err)
	}
}

// eachStoreFault runs a test for each kind on the embedded store and, if there is
// one, on MinIO.
func eachStoreFault(t *testing.T, test func(t *testing.T, p *pantry, spec Spec, meets func(store.Answer) bool)) {
	t.Helper()
	stores := map[string]string{"embedded": ""}
	if os.Getenv(miniotest.Variable) != "" {
		stores["minio"] = miniotest.Start(t)
	}
	for name, address := range stores {
		for _, f := range storeFaults {
			t.Run(name+" "+strings.TrimSuffix(f.spec.String(), " on "), func(t *testing.T) {
				if address == "" {
					t.Parallel() // the objects on MinIO are shared
				}
				test(t, newPantry(t, address), f.spec, f.meets)
			})
		}
	}
}

// TestStoreFaultsLive: prepared, witnessed in force, met by the node itself and by
// nobody else, recorded with the rule, witnessed healed, twice over.
func TestStoreFaultsLive(t *testing.T) {
	t.Parallel()
	eachStoreFault(t, func(t *testing.T, p *pantry, spec Spec, meets func(store.Answer) bool) {
		at := p.storage()
		for range 2 {
			f := p.fault(spec, at, newLedger(t))
			lives(t, f, "prepare", "inject")
			seen := p.looks(f.Witness)
			t.Log(seen)
			p.metByNode(meets)
			lives(t, f, "heal")
			p.looks(f.WitnessHealed)
			p.works()
			lives(t, f, "clean", "clean")
		}
		p.witnessIsNobodyElse()
	})
}

func lives(t *testing.T, f *Fault, calls ...string) {
	t.Helper()
	for _, call := range calls {
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
}

// looks is what a witness saw that must see something.
func (p *pantry) looks(witness func(context.Context) (string, error)) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	seen, err := witness(ctx)
	if err != nil || seen == "" {
		p.t.Fatalf("not witnessed: %q, %v", seen, err)
	}
	return seen
}

// metByNode: the node's own request meets the fault, and the front says so.
func (p *pantry) metByNode(meets func(store.Answer) bool) {
	p.t.Helper()
	before := p.record(0)
	if a := p.read(); !meets(a) {
		p.t.Errorf("the node meets %s", a)
	}
	met := p.record(len(before))
	if last := met[len(met)-1]; last.AccessKey != p.account.AccessKey || last.Rule == "" || last.Probe != "" {
		p.t.Errorf("recorded of the node's request: %+v", last)
	}
}

// witnessIsNobodyElse: a probe meets the node's rule and has the witness as its
// author.
func (p *pantry) witnessIsNobodyElse() {
	p.t.Helper()
	probes := 0
	for _, e := range p.record(0) {
		if e.Probe != "" && e.AccessKey != storeUser {
			p.t.Errorf("a probe is taken for %s: %+v", e.AccessKey, e)
		}
		if e.Probe == p.account.AccessKey && e.Rule != "" {
			probes++
		}
	}
	if probes < 2 {
		p.t.Errorf("%d probes met the rule", probes)
	}
}

// TestStoreControlsAreNotInForce: what is claimed and not done is not seen.
func TestStoreControlsAreNotInForce(t *testing.T) {
	t.Parallel()
	eachStoreFault(t, func(t *testing.T, p *pantry, spec Spec, _ func(store.Answer) bool) {
		spec.Control = true
		f := p.fault(spec, p.storage(), newLedger(t))
		lives(t, f, "prepare", "inject")
		ctx, cancel := context.WithTimeout(t.Context(), impatience)
		defer cancel()
		if seen, err := f.Witness(ctx); !errors.Is(err, ErrNotWitnessed) || seen == "" {
			t.Errorf("seen %q, error %v", seen, err)
		}
		lives(t, f, "heal")
		p.looks(f.WitnessHealed)
		lives(t, f, "clean")
	})
}

// TestStoreFaultsThatOutliveTheirHarness are undone from the ledger alone.
func TestStoreFaultsThatOutliveTheirHarness(t *testing.T) {
	t.Parallel()
	eachStoreFault(t, func(t *testing.T, p *pantry, spec Spec, meets func(store.Answer) bool) {
		dir := t.TempDir()
		ledger, err := OpenLedger(dir, "r1")
		if err != nil {
			t.Fatal(err)
		}
		lives(t, p.fault(spec, p.storage(), ledger), "prepare", "inject")
		if a := p.read(); !meets(a) {
			t.Errorf("the node meets %s", a)
		}
		p.recovers(dir)
		p.works()
	})
}

func (p *pantry) recovers(dir string) {
	p.t.Helper()
	undone, err := Recover(p.t.Context(), dir, "r1", map[string]Undoer{UndoStore: HealStore, UndoStoreTLS: HealStoreTLS})
	if err != nil || len(undone) != 1 {
		p.t.Errorf("undone %q, %v", undone, err)
	}
}

// TestFrontThatIsGoneNeedsNoHealing, by the fault itself or by another process.
func TestFrontThatIsGoneNeedsNoHealing(t *testing.T) {
	t.Parallel()
	p := newPantry(t, "")
	dir := t.TempDir()
	ledger, err := OpenLedger(dir, "r1")
	if err != nil {
		t.Fatal(err)
	}
	f := p.fault(Spec{Kind: StoreEmpty}, p.storage(), ledger)
	lives(t, f, "prepare", "inject")
	p.closing()
	p.closing = func() {}
	p.recovers(dir)
	lives(t, f, "heal")
}

// TestStoreIsCleanFromEveryState: nothing of the fault is left.
func TestStoreIsCleanFromEveryState(t *testing.T) {
	t.Parallel()
	for reached := range len(life) {
		t.Run(fmt.Sprint(life[:reached]), func(t *testing.T) {
			t.Parallel()
			p := newPantry(t, "")
			ledger := newLedger(t)
			f := p.fault(Spec{Kind: StoreFlipped, Seed: 1}, p.storage(), ledger)
			lives(t, f, life[:reached]...)
			lives(t, f, "clean", "clean")
			p.works()
			if err := ledger.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
