// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestFromEveryState, twice, Heal and Clean: clean-up always may call them.
func TestFromEveryState(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(*bench, *Fault){
		"new": func(*bench, *Fault) {},
		"prepared": func(b *bench, f *Fault) {
			if err := f.Prepare(b.t.Context()); err != nil {
				b.t.Fatal(err)
			}
		},
		"injected": func(b *bench, f *Fault) { b.inject(f) },
		"in force": func(b *bench, f *Fault) {
			b.inject(f)
			if _, err := b.witness(f, patience); err != nil {
				b.t.Fatal(err)
			}
		},
		"not witnessed": func(b *bench, f *Fault) {
			b.inject(f)
			ctx, giveUp := context.WithCancel(b.t.Context())
			giveUp()
			if _, err := f.Witness(ctx); !errors.Is(err, ErrNotWitnessed) {
				b.t.Fatalf("error %v of a witness without time", err)
			}
		},
	} {
		for call, do := range map[string]func(*Fault, context.Context) error{"heal": (*Fault).Heal, "clean": (*Fault).Clean} {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				eachLink(t, func(b *bench, c linkCase) {
					f := b.stage(c.spec)
					reach(b, f)
					for range 2 {
						if err := do(f, b.t.Context()); err != nil {
							b.t.Fatal(err)
						}
						b.works()
						b.untouched()
					}
				})
			})
		}
	}
}

// TestHalfMadeFaultIsHealed: an injection that fails after it disabled the proxy
// leaves something to be healed.
func TestHalfMadeFaultIsHealed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Reset, 0)
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec := f.Spec()
	if err := b.links.server.add(t.Context(), b.links.proxyName(b.edge), resetToxics(spec)[0]); err != nil { // takes the name
		t.Fatal(err)
	}
	if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), spec.String()) {
		t.Fatalf("error %v does not name the fault", err)
	}
	b.fails()
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.works()
	b.untouched()
}

func TestHealHonoursItsContext(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*Fault, context.Context) error{"heal": (*Fault).Heal, "clean": (*Fault).Clean} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			f := b.fault(Exit, 0)
			b.inject(f)
			ended, end := context.WithCancel(t.Context())
			end()
			if err := do(f, ended); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if err := do(f, t.Context()); err != nil {
				t.Fatal(err)
			}
			b.works()
		})
	}
}

// TestHealingThatDidNotHelp is not witnessed.
func TestHealingThatDidNotHelp(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		f := b.stage(c.spec)
		b.inject(f)
		if _, err := b.witness(f, patience); err != nil {
			b.t.Fatal(err)
		}
		if seen, ok := f.means.LookHealed(b.t.Context()); ok {
			b.t.Errorf("seen %q", seen)
		}
		b.healed(f)
	})
}
