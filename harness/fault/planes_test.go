// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/harness/topology"
	"blackout/internal/impostor"
	"blackout/internal/outlet"
	"blackout/internal/programtest"
)

// The generations of these tests: of the real control plane, and of one restored
// from an older database.
const (
	newer = 7
	older = 3
)

// asker is the witness's node_id.
const asker = "6c1b0a3e-0f39-4a1e-9b51-3a8f0c1d2e4f"

// planes is a bench whose edges lead to a control plane, and an impostor. A second
// impostor in its normal mode stands for the real control plane.
type planes struct {
	*bench
	cp      string // where the real control plane listens
	scripts *impostor.Server
	with    ControlPlane
}

func newPlanes(t *testing.T) *planes {
	t.Helper()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	p := &planes{bench: newBench(t), scripts: impostor.New(slog.New(slog.DiscardHandler))}
	p.cp = openPlane(t, id, impostor.Script{Mode: impostor.Normal, Table: planeTable(t, newer)})
	p.lead(p.cp)
	api := httptest.NewServer(p.scripts.Handler())
	t.Cleanup(func() { api.Close(); p.scripts.CloseAll() })
	listen := programtest.FreeAddress(t)
	p.with = ControlPlane{
		Impostor: impostor.NewClient(api.Listener.Addr().String()), Listen: listen, Upstream: listen, Identity: id,
		Through: at(p.at), Beside: at(p.other), Ask: question(3 * time.Second),
	}
	return p
}

// lead gives the bench two more edges, to the control plane, in place of its own.
func (b *bench) lead(cp string) {
	n := benches.Add(1)
	b.edge = topology.Edge{From: fmt.Sprintf("dp-%d", n), To: "cp"}
	b.at = b.open(b.edge, cp)
	b.other = b.open(topology.Edge{From: fmt.Sprintf("%s-%d", topology.Witness, n), To: "cp"}, cp)
}

func at(address string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return address, nil }
}

func question(wait time.Duration) outlet.Options {
	return outlet.Options{NodeID: asker, Hostname: "witness", Version: "3.9.1", Wait: wait}
}

// openPlane plays a script for as long as the test lasts and returns its address.
func openPlane(t *testing.T, id fixtures.Identity, s impostor.Script) string {
	t.Helper()
	server := impostor.New(slog.New(slog.DiscardHandler))
	t.Cleanup(server.CloseAll)
	s.Listen, s.Identity = "127.0.0.1:0", impostor.Identity{Certificate: string(id.Certificate), Key: string(id.Key)}
	address, err := server.Open(t.Context(), "cp", s)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// planeTable is a config_table of a generation.
func planeTable(t *testing.T, generation int) []byte {
	t.Helper()
	table, err := fixtures.TableAtGeneration([]byte(`{"_format_version":"3.0","_transform":false,
		"services":[{"name":"probed","path":"/"}],"routes":[{"name":"probed"}]}`), generation)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// spec is a usable one of a kind.
func (p *planes) spec(kind Kind) Spec {
	s := Spec{Kind: kind, Edge: p.edge}
	switch kind {
	case PlaneBusy:
		s.Status, s.RetryAfter = 503, 1500*time.Millisecond
	case PlaneOlder:
		s.Generation = older
	case PlaneInvalid:
		s.Generation = newer + 1
	case PlaneOversized:
		s.Bytes = 4 << 20
	}
	return s
}

// once lets a witness look once, however long that takes.
type once struct {
	Means
	stop   context.CancelFunc
	looked bool
}

// Look implements Means.
func (o *once) Look(ctx context.Context) (string, bool) {
	if o.looked {
		o.stop()
		return "", false
	}
	o.looked = true
	return o.Means.Look(ctx)
}

// LookHealed implements Means.
func (o *once) LookHealed(ctx context.Context) (string, bool) {
	if o.looked {
		o.stop()
		return "", false
	}
	o.looked = true
	return o.Means.LookHealed(ctx)
}

// lookOnce is what one look of the fault's witness says; after a healing, of that.
func lookOnce(t *testing.T, f *Fault) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	f.means = &once{Means: f.means, stop: stop}
	if f.state == healed {
		return f.WitnessHealed(ctx)
	}
	return f.Witness(ctx)
}

func (p *planes) plane(spec Spec) *Fault {
	p.t.Helper()
	return New(spec, NewControlPlane(p.links, spec, p.with), p.ledger())
}

// well fails the test unless the edge leads to the real control plane and no
// script is played.
func (p *planes) well() {
	p.t.Helper()
	upstream, err := p.links.Upstream(p.t.Context(), p.edge)
	if err != nil || upstream != p.cp {
		p.t.Errorf("the edge leads to %s, want %s: %v", upstream, p.cp, err)
	}
	p.answers()
	if seen, open := p.scripts.Record(p.edge.String(), 0); open {
		p.t.Errorf("the script is still played: %+v", seen)
	}
}

// answers fails the test unless the real control plane answers through the edge.
func (p *planes) answers() {
	p.t.Helper()
	ask := question(patience)
	var err error
	if ask.TLS, err = p.with.Identity.ClientTLS(); err != nil {
		p.t.Fatal(err)
	}
	answer := outlet.Ask(p.t.Context(), p.at, ask)
	if answer.Configuration == nil {
		p.t.Fatalf("through the edge: %s", answer)
	}
	if n, err := fixtures.TableGeneration(answer.Configuration.Table); err != nil || n != newer {
		p.t.Errorf("through the edge: generation %d, %v", n, err)
	}
}

var planeKinds = []Kind{PlaneNoDatabase, PlaneSilentTLS, PlaneSilentUpgrade, PlaneEmpty, PlaneBusy, PlaneOlder, PlaneOversized, PlaneInvalid}

func eachPlaneKind(t *testing.T, test func(t *testing.T, p *planes, spec Spec)) {
	t.Parallel()
	for _, kind := range planeKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := newPlanes(t)
			test(t, p, p.spec(kind))
		})
	}
}

// awaitRecord waits until what the script of the edge has seen satisfies ok.
func (p *planes) awaitRecord(ok func(impostor.Record) bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		seen, open := p.scripts.Record(p.edge.String(), 0)
		if open && ok(seen) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			p.t.Fatalf("the record is %+v", seen)
		}
	}
}
