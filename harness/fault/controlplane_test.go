// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/impostor"
	"blackout/internal/outlet"
	"blackout/internal/programtest"
)

// TestEveryPlaneKindHasATest: a kind that is added is tested here too.
func TestEveryPlaneKindHasATest(t *testing.T) {
	t.Parallel()
	n := 0
	for _, entry := range Kinds {
		if entry.Family == ControlPlanes {
			n++
			if modes[entry.Kind] == "" {
				t.Errorf("no script plays %s", entry.Kind)
			}
		}
	}
	if n != len(planeKinds) {
		t.Errorf("%d kinds of control planes are tested, there are %d", len(planeKinds), n)
	}
}

// TestPlanesFromPrepareToClean: witnessed in force, and witnessed healed.
func TestPlanesFromPrepareToClean(t *testing.T) {
	eachPlaneKind(t, func(t *testing.T, p *planes, spec Spec) {
		f := p.plane(spec)
		p.inject(f)
		seen, err := p.witness(f, patience)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(seen, "generation 7") || !strings.Contains(seen, "attempts") {
			t.Errorf("seen: %s", seen)
		}
		if err := f.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.witnessHealed(f, patience); err != nil {
			t.Fatal(err)
		}
		if err := f.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.well()
		if err := f.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestControlsOfPlanesAreNotInForce: claimed and not injected.
func TestControlsOfPlanesAreNotInForce(t *testing.T) {
	eachPlaneKind(t, func(t *testing.T, p *planes, spec Spec) {
		spec.Control = true
		f := p.plane(spec)
		p.inject(f)
		if seen, err := lookOnce(t, f); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, "generation 7") {
			t.Errorf("seen %q, error %v", seen, err)
		}
		if err := f.Clean(t.Context()); err != nil {
			t.Error(err)
		}
		p.well()
	})
}

// TestPlanesAreCleanedFromEveryState.
func TestPlanesAreCleanedFromEveryState(t *testing.T) {
	t.Parallel()
	for to := fresh; to <= clean; to++ {
		for _, kind := range []Kind{PlaneNoDatabase, PlaneBusy} { // one that holds connections, one that ends them
			t.Run(stateNames[to]+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				p := newPlanes(t)
				f := p.plane(p.spec(kind))
				for _, call := range life {
					if f.state == to {
						break
					}
					if err := doCall(t.Context(), f, call); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 {
					if err := f.Clean(t.Context()); err != nil {
						t.Fatal(err)
					}
					p.well()
				}
			})
		}
	}
}

// TestPlanesAreCleanedAfterACrash: what the ledger says is enough.
func TestPlanesAreCleanedAfterACrash(t *testing.T) {
	eachPlaneKind(t, func(t *testing.T, p *planes, spec Spec) {
		f := p.plane(spec)
		p.inject(f)
		undoers := map[string]Undoer{UndoRepoint: RepointLink, UndoScript: EndScript}
		undone, err := Recover(t.Context(), filepath.Dir(f.ledger.path), "r1", undoers)
		if err != nil || len(undone) != 1 {
			t.Fatalf("undone %q, %v", undone, err)
		}
		p.answers()
		if _, open := p.scripts.Record(p.edge.String(), 0); open {
			t.Error("the script is still played")
		}
	})
}

// TestUndoOfWhatIsGone: Toxiproxy and the impostor went with the run.
func TestUndoOfWhatIsGone(t *testing.T) {
	t.Parallel()
	gone := programtest.FreeAddress(t)
	if err := EndScript(t.Context(), map[string]string{"impostor": gone, "script": "x"}); err != nil {
		t.Error(err)
	}
	if err := RepointLink(t.Context(), map[string]string{"toxiproxy": gone, "proxy": "x", "upstream": "y:1"}); err != nil {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := EndScript(ended, map[string]string{"impostor": gone, "script": "x"}); err == nil {
		t.Error("a call that was cut short is taken for an impostor that is gone")
	}
}

// TestPlanesAreToldApart: what one kind does is not taken for another.
func TestPlanesAreToldApart(t *testing.T) {
	t.Parallel()
	p := newPlanes(t)
	config, err := p.with.Identity.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	p.with.Ask.TLS = config
	for _, played := range planeKinds {
		t.Run(string(played), func(t *testing.T) {
			t.Parallel()
			means := NewControlPlane(p.links, p.spec(played), p.with).(*controlPlane)
			script, err := means.write(planeTable(t, newer))
			if err != nil {
				t.Fatal(err)
			}
			answer := outlet.Ask(t.Context(), openPlane(t, p.with.Identity, script), means.with.Ask)
			for _, kind := range planeKinds {
				other := NewControlPlane(p.links, p.spec(kind), means.with).(*controlPlane)
				if shows := other.shows(answer); shows != (kind == played) {
					t.Errorf("taken for %s is %v: %s", kind, shows, answer)
				}
			}
		})
	}
}

// TestLooksThatProveNothing: the control plane is broken everywhere, or the
// script was never asked.
func TestLooksThatProveNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *planes) // before the fault
		spoil  func(p *planes) // while it is in force
		seen   string
	}{
		"the untouched edge shows it too": {
			change: func(p *planes) { p.with.Beside = p.with.Through }, seen: "through an untouched edge: status 503",
		},
		"the control plane is gone": {
			change: func(p *planes) { p.with.Beside = at(programtest.FreeAddress(p.t)) }, seen: "through an untouched edge: no TLS",
		},
		"another answers in the script's place": {
			spoil: func(p *planes) {
				other := openPlane(p.t, p.with.Identity, impostor.Script{Mode: impostor.Busy, Status: 503, RetryAfter: 2 * time.Second})
				if err := p.links.Repoint(p.t.Context(), p.edge, other); err != nil {
					p.t.Fatal(err)
				}
			},
			seen: "the script has not seen",
		},
		"the script was closed": {spoil: func(p *planes) { p.scripts.CloseAll() }, seen: "no TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlanes(t)
			if c.change != nil {
				c.change(p)
			}
			f := p.plane(p.spec(PlaneBusy))
			p.inject(f)
			if c.spoil != nil {
				c.spoil(p)
			}
			if seen, err := lookOnce(t, f); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, c.seen) {
				t.Errorf("seen %q, error %v", seen, err)
			}
		})
	}
}

// TestHealingOfPlanesThatDidNotHelp is not witnessed.
func TestHealingOfPlanesThatDidNotHelp(t *testing.T) {
	t.Parallel()
	p := newPlanes(t)
	f := p.plane(p.spec(PlaneOlder))
	p.inject(f)
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := p.plane(p.spec(PlaneOlder))
	p.inject(again)
	if seen, err := lookOnce(t, f); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, "generation 3") {
		t.Errorf("seen %q, error %v", seen, err)
	}
}

func TestPlanesThatCannotBeStaged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   Kind
		change func(p *planes, s *Spec)
		is     error
		text   string
	}{
		"no impostor": {PlaneBusy, func(p *planes, _ *Spec) { p.with.Impostor = nil }, ErrCannotStage, "no scripted control plane"},
		"a control plane that gives nothing": {PlaneNoDatabase, func(p *planes, _ *Spec) {
			if err := p.links.Repoint(p.t.Context(), p.edge, openPlane(p.t, p.with.Identity, impostor.Script{Mode: impostor.Busy, Status: 503})); err != nil {
				p.t.Fatal(err)
			}
		}, ErrNotWitnessed, "status 503"},
		"one that is empty anyway": {PlaneEmpty, func(p *planes, _ *Spec) {
			if err := p.links.Repoint(p.t.Context(), p.edge, openPlane(p.t, p.with.Identity, impostor.Script{Mode: impostor.Empty})); err != nil {
				p.t.Fatal(err)
			}
		}, ErrNotWitnessed, "0 entities"},
		"an older one that is not":   {PlaneOlder, func(_ *planes, s *Spec) { s.Generation = newer }, nil, "not older"},
		"an edge that nobody opened": {PlaneBusy, func(_ *planes, s *Spec) { s.Edge.From = "never-opened" }, nil, "never opened"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlanes(t)
			spec := p.spec(c.kind)
			c.change(p, &spec)
			err := p.plane(spec).Prepare(t.Context())
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestSilentLooksLeaveTheNodeItsAttempts: a witness listens to a silence for a
// while, in which the node itself dials.
func TestSilentLooksLeaveTheNodeItsAttempts(t *testing.T) {
	t.Parallel()
	p := newPlanes(t)
	p.with.Ask.Wait = 3 * time.Second
	f := p.plane(p.spec(PlaneNoDatabase))
	p.polled(func() {
		p.inject(f)
		looked := make(chan error, 1)
		go func() { _, err := p.witness(f, patience); looked <- err }()
		p.awaitRecord(func(r impostor.Record) bool { return r.Frames == 2 }) // now it listens
		quiet := time.NewTimer(500 * time.Millisecond)
		<-quiet.C
		config, err := p.with.Identity.ClientTLS()
		if err != nil {
			t.Error(err)
		}
		node := question(100 * time.Millisecond)
		node.TLS = config
		outlet.Ask(t.Context(), p.at, node)
		if err := <-looked; err != nil {
			t.Error(err)
		}
		p.awaitAttempts(1)
	})
	if n := p.links.Attempts(p.edge); n != 1 {
		t.Errorf("%d attempts of the node, want 1", n)
	}
}

func FuzzEntities(f *testing.F) {
	f.Add([]byte(`{"services":[{},{}],"routes":[],"_comment":"x"}`))
	f.Fuzz(func(t *testing.T, table []byte) {
		if n, err := entities(table); n < 0 || err != nil && n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
