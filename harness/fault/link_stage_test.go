// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/harness/topology"
	"blackout/internal/programtest"
)

// TestCrashIsRecovered: the harness dies with a fault in force, and its ledger
// alone brings the edge back.
func TestCrashIsRecovered(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		ledger := b.ledger()
		means := NewLink(b.links, c.spec, b.probes())
		f := New(c.spec, means, ledger)
		b.inject(f)
		if flap, ok := means.(*flapping); ok {
			b.down()
			flap.end() // its goroutine dies with the process
		}
		undone, err := Recover(b.t.Context(), ledger.dir(), "r1", map[string]Undoer{UndoLink: MendLink})
		if err != nil || len(undone) != 1 || !strings.Contains(undone[0], c.spec.String()) {
			b.t.Errorf("undone %q, error %v", undone, err)
		}
		b.works()
		b.untouched()
		if undone, err := Recover(b.t.Context(), ledger.dir(), "r1", nil); err != nil || len(undone) != 0 {
			b.t.Errorf("a second recovery: %q, %v", undone, err)
		}
	})
}

// TestLedgerHoldsNoMoreThanNeeded: names and an address, no secrets.
func TestLedgerHoldsNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		undo := NewLink(b.links, c.spec, b.probes()).Undo()
		if len(undo) != 1 || undo[0].Do != UndoLink || len(undo[0].Args) != 2 ||
			undo[0].Args["proxy"] != b.links.proxyName(b.edge) || undo[0].Args["toxiproxy"] != b.links.server.address {
			b.t.Errorf("undo %+v", undo)
		}
	})
}

// TestMendLink tells what is gone from what does not work.
func TestMendLink(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer ill.Close()
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>"))
	}))
	defer odd.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx       context.Context // a case's
		toxiproxy string
		proxy     string
		ok        bool
	}{
		"the edge is fine":          {t.Context(), b.links.server.address, b.links.proxyName(b.edge), true},
		"the edge is another run's": {t.Context(), b.links.server.address, NewEdges(b.links.server.address, b.rec).proxyName(b.edge), true},
		"the edge is not known":     {t.Context(), b.links.server.address, "dp-0>cp", true},
		"Toxiproxy is gone":         {t.Context(), programtest.FreeAddress(t), b.edge.String(), true},
		"Toxiproxy is ill":          {t.Context(), ill.Listener.Addr().String(), b.edge.String(), false},
		"it is another server":      {t.Context(), odd.Listener.Addr().String(), b.edge.String(), false},
		"there is no time":          {ended, b.links.server.address, b.edge.String(), false},
	} {
		if err := MendLink(c.ctx, map[string]string{"toxiproxy": c.toxiproxy, "proxy": c.proxy}); (err == nil) != c.ok {
			t.Errorf("%s: error %v, want ok %v", name, err, c.ok)
		}
	}
	b.works()
}

// TestWhatToxiproxyIgnoresIsNoticed: its own toxics take any attribute.
func TestWhatToxiproxyIgnoresIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		toxic toxin
		says  string
	}{
		"misspelt, ignored": {toxin{Name: "x", Type: "limit_data", Stream: Downstream, Attributes: map[string]any{"byts": 1}}, "limit_data"},
		"misspelt, refused": {toxin{Name: "x", Type: "pace", Stream: Downstream, Attributes: map[string]any{"rat": 1}}, "rat"},
		"left out":          {toxin{Name: "x", Type: "limit_data", Stream: Downstream}, "limit_data"},
		"no such toxic":     {toxin{Name: "x", Type: "blight", Stream: Downstream}, "400"},
		"no such direction": {toxin{Name: "x", Type: "pace", Stream: "sideways", Attributes: map[string]any{"rate": 1}}, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if err := b.links.server.add(t.Context(), b.links.proxyName(b.edge), c.toxic); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			right := toxin{Name: "y", Type: "delay", Stream: Upstream, Attributes: map[string]any{
				"delay": time.Second, "jitter": time.Duration(0), "seed": uint64(1<<64 - 1),
			}}
			if err := b.links.server.add(t.Context(), b.links.proxyName(b.edge), right); err != nil {
				t.Error(err)
			}
		})
	}
}

// fakeDropper drops by shutting the edge and making its address deaf, and notes
// who asked.
type fakeDropper struct {
	edges *Edges
	mu    sync.Mutex
	calls []string
}

func (d *fakeDropper) note(call string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, call)
}

func (d *fakeDropper) Drop(ctx context.Context, edge topology.Edge) error {
	d.note("drop " + edge.String())
	p, err := d.edges.find(edge)
	if err != nil {
		return err
	}
	return errors.Join(d.edges.server.enable(ctx, p.Name, false), d.edges.server.deafen(ctx, p.Listen))
}

func (d *fakeDropper) Restore(ctx context.Context, edge topology.Edge) error {
	d.note("restore " + edge.String())
	p, err := d.edges.find(edge)
	if err != nil {
		return err
	}
	return errors.Join(d.edges.server.undeafen(ctx, p.Listen), d.edges.server.enable(ctx, p.Name, true))
}

func (d *fakeDropper) Undo(edge topology.Edge) []Undo {
	return []Undo{{Do: "restore", Args: map[string]string{"edge": edge.String()}}}
}

// TestDropperIsUsedWhereThereIsOne.
func TestDropperIsUsedWhereThereIsOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dropper := &fakeDropper{edges: b.links}
	spec := Spec{Kind: Drop, Edge: b.edge}
	f := New(spec, NewDrop(b.links, spec, b.probes(), dropper), b.ledger())
	b.inject(f)
	if _, err := b.witness(f, patience); err != nil {
		t.Fatal(err)
	}
	b.healed(f)
	if want := []string{"drop " + b.edge.String(), "restore " + b.edge.String()}; !slices.Equal(dropper.calls, want) {
		t.Errorf("calls %q, want %q", dropper.calls, want)
	}
	undo := f.means.Undo()
	if len(undo) != 2 || undo[1].Do != "restore" {
		t.Errorf("undo %+v", undo)
	}
}

// TestDropThatCannotBeStaged: on another system, or by an older Toxiproxy.
func TestDropThatCannotBeStaged(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotImplemented, http.StatusNotFound, http.StatusInternalServerError} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		b := newBench(t)
		b.links.server = newServer(api.Listener.Addr().String())
		err := b.fault(Drop, 0).Prepare(t.Context())
		if want := status != http.StatusInternalServerError; err == nil || errors.Is(err, ErrCannotStage) != want {
			t.Errorf("status %d: error %v, want that it cannot be staged: %v", status, err, want)
		}
		api.Close()
	}
}

// TestFlappingKeepsItsTimes until it is healed, and not after that.
func TestFlappingKeepsItsTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const step = 300 * time.Millisecond
	f := b.stage(Spec{Kind: Flapping, Edge: b.edge, Times: []time.Duration{step, 2 * step, 3 * step, 4 * step, time.Hour}})
	began := time.Now()
	b.inject(f)
	var seen []time.Duration
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for up := true; len(seen) < 4; <-tick.C {
		if works := b.probes().Dial(t.Context()) == nil; works != up {
			up, seen = works, append(seen, time.Since(began))
		}
	}
	for i, at := range seen {
		if want := time.Duration(i+1) * step; at < want {
			t.Errorf("turn %d came after %s, want not before %s", i, at, want)
		}
	}
	if err := f.Heal(t.Context()); err != nil { // waits for the timetable's end
		t.Fatal(err)
	}
	b.works()
}

// TestFlappingThatFails is no fault in force, and the harness's failure.
func TestFlappingThatFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.stage(Spec{Kind: Flapping, Edge: b.edge, Times: []time.Duration{time.Millisecond, 2 * time.Millisecond}})
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := b.links.server
	b.links.server = newServer(programtest.FreeAddress(t))
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.means.(*flapping).done.Wait()
	b.links.server = server
	if seen := b.unseen(f); !strings.Contains(seen, "flap "+b.edge.String()) {
		t.Errorf("seen %q", seen)
	}
	b.healed(f)
}
