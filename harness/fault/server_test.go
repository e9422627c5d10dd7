// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
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
	"blackout/internal/meter"
)

// patience bounds every wait for something that must come about; impatience
// every wait for something that must not.
const (
	patience   = 20 * time.Second
	impatience = time.Second
)

func TestMain(m *testing.M) {
	meter.Register()
	os.Exit(m.Run())
}

// pageSize is the size of the page that the peer serves, in bytes.
const pageSize = 100_000

// bench is a Toxiproxy server in this process with two edges to one peer: one to
// be cut, and the witness's.
type bench struct {
	t     *testing.T
	links *Links
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
	routes.Handle(meter.Path, meter.Handler())
	routes.Handle("/", server.Routes())
	api := httptest.NewServer(routes)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", pageSize)) // a cut edge's client is gone
	}))
	t.Cleanup(func() {
		if err := server.Collection.Clear(); err != nil {
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
	b := &bench{t: t, rec: rec, dir: dir, links: NewLinks(api.Listener.Addr().String(), rec)}
	// The meters are this process's, so each bench has nodes of its own name.
	n := benches.Add(1)
	b.edge = topology.Edge{From: fmt.Sprintf("dp-%d", n), To: "cp"}
	b.at = b.open(b.edge, peer.Listener.Addr().String())
	b.other = b.open(topology.Edge{From: fmt.Sprintf("%s-%d", topology.Witness, n), To: "cp"}, peer.Listener.Addr().String())
	return b
}

func (b *bench) open(edge topology.Edge, upstream string) (listen string) {
	b.t.Helper()
	listen = freeAddress(b.t)
	if err := b.links.Open(edge, listen, upstream); err != nil {
		b.t.Fatal(err)
	}
	return listen
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// get reads the peer's page whole through an address, on a fresh connection.
func get(ctx context.Context, address string) (read int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
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

func (b *bench) probes() Probes {
	probe := func(address string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := get(ctx, address); return err }
	}
	return Probes{Cut: probe(b.at), Control: probe(b.other)}
}

func (b *bench) fault(mode Mode, bytes int64) *Fault {
	return New(b.links, Cut{Edge: b.edge, Mode: mode, Bytes: bytes}, b.probes())
}

func (b *bench) inject(f *Fault) {
	b.t.Helper()
	if err := f.Inject(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
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
	if _, err := get(b.t.Context(), b.at); err != nil {
		b.t.Errorf("the edge does not work: %v", err)
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
