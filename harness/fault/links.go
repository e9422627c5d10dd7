// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/meter"
)

// Links are the edges of a run, each a proxy of one Toxiproxy server.
type Links struct {
	address string // of Toxiproxy's API, "host:port"
	client  *toxiproxy.Client
	http    *http.Client
	rec     *history.Writer

	mu       sync.Mutex
	proxies  map[topology.Edge]*toxiproxy.Proxy
	probes   map[topology.Edge][]probing
	attempts map[topology.Edge]int
}

// NewLinks drives the Toxiproxy whose API is at address, "host:port", and
// records into rec.
func NewLinks(address string, rec *history.Writer) *Links {
	return &Links{
		address:  address,
		client:   toxiproxy.NewClient(address),
		http:     &http.Client{Timeout: 10 * time.Second},
		rec:      rec,
		proxies:  make(map[topology.Edge]*toxiproxy.Proxy),
		probes:   make(map[topology.Edge][]probing),
		attempts: make(map[topology.Edge]int),
	}
}

// Open makes an edge that listens on one address and dials another, with a
// meter in each direction. No connection passes it before its meters count.
func (l *Links) Open(edge topology.Edge, listen, upstream string) error {
	proxy := l.client.NewProxy()
	proxy.Name, proxy.Listen, proxy.Upstream, proxy.Enabled = edge.String(), listen, upstream, false
	if err := proxy.Save(); err != nil {
		return fmt.Errorf("open edge %s: %w", edge, err)
	}
	for _, direction := range []string{"upstream", "downstream"} {
		if err := addMeter(proxy, edge, offered, direction); err != nil {
			return fmt.Errorf("open edge %s: %w", edge, err)
		}
	}
	if err := proxy.Enable(); err != nil {
		return fmt.Errorf("open edge %s: %w", edge, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxies[edge] = proxy
	return nil
}

func (l *Links) proxy(edge topology.Edge) (*toxiproxy.Proxy, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.proxies[edge]
	if p == nil {
		return nil, fmt.Errorf("edge %s was never opened", edge)
	}
	return p, nil
}

// The places of the two meters of a direction.
const (
	offered = "offered" // before the fault: what arrives at the edge
	passed  = "passed"  // after it: what came through
)

func meterID(edge topology.Edge, place, direction string) string {
	return edge.String() + "/" + place + "/" + direction
}

func addMeter(p *toxiproxy.Proxy, edge topology.Edge, place, direction string) error {
	_, err := p.AddToxic(place+"-"+direction, meter.Type, direction, 1, toxiproxy.Attributes{"id": meterID(edge, place, direction)})
	return err
}

// toxicName is the name of the toxic that a cut adds to its edge's proxy.
const toxicName = "cut"

// cut puts a cut in place. A cut by toxic is set up while the proxy is disabled,
// so that no connection is caught half-way and none slips by: live ones end with
// FIN, new ones meet the whole chain of meter, toxic, meter.
func (l *Links) cut(c Cut) error {
	p, err := l.proxy(c.Edge)
	if err != nil {
		return err
	}
	if c.Mode == NoOp {
		return nil
	}
	if err := p.Disable(); err != nil {
		return err
	}
	var direction string
	switch c.Mode {
	case Exit:
		return nil
	case Reset:
		direction = "upstream"
		_, err = p.AddToxic(toxicName, "reset_peer", direction, 1, toxiproxy.Attributes{"timeout": 0})
	case Truncate:
		direction = "downstream"
		_, err = p.AddToxic(toxicName, "limit_data", direction, 1, toxiproxy.Attributes{"bytes": c.Bytes})
	default:
		return fmt.Errorf("unknown mode %q", c.Mode)
	}
	if err != nil {
		return err
	}
	if err := addMeter(p, c.Edge, passed, direction); err != nil {
		return err
	}
	return p.Enable()
}

// mend takes a cut away. It does not assume that cut got to its end.
func (l *Links) mend(c Cut) error {
	p, err := l.proxy(c.Edge)
	if err != nil {
		return err
	}
	toxics, err := p.Toxics()
	if err != nil {
		return err
	}
	for _, t := range toxics {
		if t.Name == toxicName || t.Name == passed+"-"+t.Stream {
			if err := p.RemoveToxic(t.Name); err != nil {
				return err
			}
		}
	}
	if c.Mode == NoOp {
		return nil
	}
	return p.Enable()
}

// Reading is what the meters of an edge have counted so far.
type Reading struct {
	Connections int   // attempts that reached the edge
	Offered     int64 // bytes that arrived at the edge, both directions
	Passed      int64 // bytes that came through the cut's toxic
}

// Read reads an edge's meters.
func (l *Links) Read(ctx context.Context, edge topology.Edge) (Reading, error) {
	s, err := l.snapshot(ctx, 0)
	if err != nil {
		return Reading{}, err
	}
	return reading(s, edge), nil
}

func reading(s meter.Snapshot, edge topology.Edge) Reading {
	up, down := s.Meters[meterID(edge, offered, "upstream")], s.Meters[meterID(edge, offered, "downstream")]
	return Reading{
		Connections: int(up.Connections),
		Offered:     int64(up.Bytes + down.Bytes),
		Passed:      int64(s.Meters[meterID(edge, passed, "upstream")].Bytes + s.Meters[meterID(edge, passed, "downstream")].Bytes),
	}
}

// snapshot reads all meters, with the connections opened after the given moment
// of the meters' clock.
func (l *Links) snapshot(ctx context.Context, after int64) (meter.Snapshot, error) {
	var s meter.Snapshot
	url := "http://" + l.address + meter.Path + "?after=" + strconv.FormatInt(after, 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return s, fmt.Errorf("read meters: %w", err)
	}
	res, err := l.http.Do(req)
	if err != nil {
		return s, fmt.Errorf("read meters: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return s, fmt.Errorf("read meters: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return s, fmt.Errorf("read meters: %w", err)
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("read meters: %w", err)
	}
	return s, nil
}
