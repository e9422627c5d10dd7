// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/deaf"
	"blackout/internal/meter"
	"blackout/internal/programtest"
	"blackout/internal/toxic"
)

// patience bounds every wait for something that must come about; impatience
// every wait for something that must not.
const (
	patience   = 20 * time.Second
	impatience = time.Second
)

func TestMain(m *testing.M) {
	meter.Register()
	toxic.Register()
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait more than they work
		panic(err)
	}
	os.Exit(m.Run())
}

// pageSize is the size of the page that the peer serves, in bytes.
const pageSize = 40_000

// bench is a Toxiproxy server in this process with two edges to one peer: one to
// be cut, and the witness's.
type bench struct {
	t     *testing.T
	links *Edges
	rec   *history.Writer
	dir   string
	edge  topology.Edge
	at    string // where the edge listens
	other string // where the witness's edge listens
}

var benches atomic.Int64

func newBench(t *testing.T) *bench {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	routes := http.NewServeMux()
	deafened := new(deaf.Set)
	routes.Handle(toxic.MomentsPath, toxic.Moments())
	routes.Handle(meter.Path, meter.Handler())
	routes.Handle(deaf.Path, deafened.Handler())
	routes.Handle(deaf.Path+"/", deafened.Handler())
	routes.Handle("/", server.Routes())
	api := httptest.NewServer(routes)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", pageSize)) // a cut edge's client is gone
	}))
	t.Cleanup(func() {
		if err := errors.Join(server.Collection.Clear(), deafened.Close()); err != nil {
			t.Errorf("clear proxies: %v", err)
		}
		peer.Close()
		api.Close()
	})
	dir := t.TempDir()
	rec, err := history.Create(dir, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	b := &bench{t: t, rec: rec, dir: dir, links: NewEdges(api.Listener.Addr().String(), rec)}
	// The meters are this process's, so each bench has nodes of its own name.
	n := benches.Add(1)
	b.edge = topology.Edge{From: fmt.Sprintf("dp-%d", n), To: "cp"}
	b.at = b.open(b.edge, peer.Listener.Addr().String())
	b.other = b.open(topology.Edge{From: fmt.Sprintf("%s-%d", topology.Witness, n), To: "cp"}, peer.Listener.Addr().String())
	return b
}

func (b *bench) open(edge topology.Edge, upstream string) (listen string) {
	b.t.Helper()
	listen = programtest.FreeAddress(b.t)
	if err := b.links.Open(b.t.Context(), edge, listen, upstream); err != nil {
		b.t.Fatal(err)
	}
	return listen
}

// get reads the peer's page whole through an address, on a fresh connection. It
// gives up after two seconds unless ctx is bounded.
func get(ctx context.Context, address string) (read int, err error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probeLimit)
		defer cancel()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && len(body) != pageSize {
		err = fmt.Errorf("%d bytes of the page", len(body))
	}
	return len(body), err
}

// dial opens a connection.
func dial(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// hold opens a connection and sees that it is answered.
func hold(ctx context.Context, address string) (Held, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	held := HoldHTTP(conn, "/")
	return held, held.Ask(ctx)
}

func (b *bench) probes() Probes {
	probe := func(address string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := get(ctx, address); return err }
	}
	return Probes{
		Limit:   probeLimit / 2,
		Cut:     probe(b.at),
		Control: probe(b.other),
		Dial: func(ctx context.Context) error {
			conn, err := dial(ctx, b.at)
			if err != nil {
				return err
			}
			return conn.Close()
		},
		Hold: func(ctx context.Context) (Held, error) { return hold(ctx, b.at) },
	}
}

func (b *bench) fault(kind Kind, bytes int64) *Fault {
	return b.stage(Spec{Edge: b.edge, Kind: kind, Bytes: bytes})
}

func (b *bench) stage(spec Spec) *Fault {
	b.t.Helper()
	return New(spec, NewLink(b.links, spec, b.probes()), b.ledger())
}

func (b *bench) ledger() *Ledger {
	b.t.Helper()
	ledger, err := OpenLedger(b.t.TempDir(), "r1")
	if err != nil {
		b.t.Fatal(err)
	}
	return ledger
}

func (b *bench) inject(f *Fault) {
	b.t.Helper()
	if err := f.Prepare(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Inject(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// unseen takes one look and returns what was seen, unless that is a fault in
// force.
func (b *bench) unseen(f *Fault) string {
	b.t.Helper()
	seen, ok := f.means.Look(b.t.Context())
	if ok {
		b.t.Errorf("witnessed: %q", seen)
	}
	return seen
}

// witness looks for as long as within.
func (b *bench) witness(f *Fault, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	return f.Witness(ctx)
}

func (b *bench) witnessHealed(f *Fault, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	return f.WitnessHealed(ctx)
}

// works fails the test unless the edge carries a whole page.
func (b *bench) works() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if _, err := get(ctx, b.at); err != nil {
		b.t.Errorf("the edge does not work: %v", err)
	}
}

// fails fails the test if the edge carries a page.
func (b *bench) fails() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), impatience)
	defer cancel()
	if _, err := get(ctx, b.at); err == nil {
		b.t.Error("a page came through the edge")
	}
}

func (b *bench) reading() Reading {
	b.t.Helper()
	r, err := b.links.Read(b.t.Context(), b.edge)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}
