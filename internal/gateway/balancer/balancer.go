// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package balancer spreads requests over the targets of upstreams and knows
// which of them are well, as Kong 3.9 does.
//
// Its central type is [Upstream]. A [Set] holds those of one configuration; the
// next configuration's set takes over what is known of targets that are still
// there:
//
//	set, err := balancer.New(table, previous, balancer.Options{})
//	set.Start(ctx)      // active health checks
//	defer set.Close()   // ends them and waits
//	peer, err := set.Upstream("shop.internal").Pick(ctx, &balancer.Choice{})
//	peer.Begin()
//	// … one attempt …
//	peer.Report(balancer.Outcome{Status: 200})
//	peer.Observe(took)
//	peer.End()
//
// Algorithms: round-robin, least-connections, consistent-hashing, latency. The
// names of targets are looked up for addresses (A, AAAA); SRV records are not
// supported, a target needs its port.
package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"blackout/internal/gateway/entity"
)

// ErrNoPeer is returned when an upstream has no target that can be used: none
// at all, none that is well, or too few (healthchecks.threshold).
var ErrNoPeer = errors.New("failure to get a peer from the ring-balancer")

// Options set up a [Set]. Zero values are useful.
type Options struct {
	// Resolve looks up a name; net.DefaultResolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Refresh is how long looked up addresses are used before they are looked
	// up anew; 30 s. Kong goes by the records' TTL, which the resolver here
	// does not tell.
	Refresh time.Duration

	// Seed decides where the walk through the targets starts, so that nodes
	// which start together do not all go to the same target first.
	Seed uint64

	Log *slog.Logger // slog.Default()
}

func (o *Options) fill() {
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Refresh == 0 {
		o.Refresh = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Set is the upstreams of one configuration.
type Set struct {
	byName map[scoped]*Upstream
	stop   context.CancelFunc
	checks sync.WaitGroup
}

// scoped is a name, which is one upstream's in its workspace.
type scoped struct{ workspace, name string }

// New makes the upstreams of a configuration. What previous, which may be nil,
// knows of the health of a target is taken over where the upstream's id and the
// target's address are the same.
func New(table *entity.Table, previous *Set, options Options) (*Set, error) {
	options.fill()
	targets := map[string][]entity.Record{}
	for _, row := range table.Rows("targets") {
		id := row.Reference("upstream")
		targets[id] = append(targets[id], row)
	}
	known := map[string]*Upstream{}
	if previous != nil {
		for _, upstream := range previous.byName {
			known[upstream.ID] = upstream
		}
	}
	set, workspaces := &Set{byName: map[scoped]*Upstream{}}, table.Workspaces()
	for i, row := range table.Rows("upstreams") {
		upstream, err := newUpstream(row, targets[row.ID()], options)
		if err != nil {
			return nil, fmt.Errorf("upstreams.%d: %w", i+1, err)
		}
		upstream.inherit(known[upstream.ID])
		set.byName[scoped{workspaces(row), upstream.Name}] = upstream
	}
	return set, nil
}

// Upstream returns the upstream of a name in the default workspace, nil if there
// is none.
func (s *Set) Upstream(name string) *Upstream { return s.In("", name) }

// In returns the upstream of a name in a workspace, as [entity.Table.Workspaces]
// tells them, nil if there is none.
func (s *Set) In(workspace, name string) *Upstream {
	if s == nil {
		return nil
	}
	return s.byName[scoped{workspace, name}]
}

// ByID returns the upstream with an id, nil if there is none.
func (s *Set) ByID(id string) *Upstream {
	if s == nil {
		return nil
	}
	for _, upstream := range s.byName {
		if upstream.ID == id {
			return upstream
		}
	}
	return nil
}

// Start begins the active health checks. They end with ctx or [Set.Close].
func (s *Set) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	for _, upstream := range s.byName {
		upstream.startChecks(ctx, &s.checks)
	}
}

// Close ends the active health checks and waits for them. Requests may still be
// on their way through the set's upstreams.
func (s *Set) Close() {
	if s == nil {
		return
	}
	if s.stop != nil {
		s.stop()
	}
	s.checks.Wait()
	for _, upstream := range s.byName {
		upstream.lookups.end()
	}
}

// target is one target of an upstream.
type target struct {
	id, text string // text is the target as it was configured
	host     string
	port     uint16
	weight   int
}

func newTarget(row entity.Record) (target, error) {
	text := row.Text("target")
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "8000" // Kong's default
		if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
			host = ""
		}
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil || host == "" {
		return target{}, fmt.Errorf("target '%s' is no host:port", text)
	}
	weight := 100
	if _, given := row["weight"].(float64); given {
		weight = row.Integer("weight")
	}
	return target{id: row.ID(), text: text, host: host, port: uint16(number), weight: max(weight, 0)}, nil
}

// members are the peers of an upstream at one time. Immutable.
type members struct {
	peers   []*Peer // those with a weight, in the order of addresses
	all     []*Peer
	failed  map[string]bool // targets whose names could not be looked up
	total   int             // weight of peers
	wheel   wheel
	ring    ring
	expires time.Time // when to look up names; zero: never
}

func newMembers(u *Upstream, all []*Peer, failed map[string]bool, expires time.Time) *members {
	m := &members{all: all, failed: failed, expires: expires}
	for _, peer := range all {
		if peer.weight > 0 {
			m.peers = append(m.peers, peer)
			m.total += peer.weight
		}
	}
	// The order of rows in a configuration means nothing.
	slices.SortFunc(m.peers, func(a, b *Peer) int { return cmp.Compare(a.Address, b.Address) })
	m.wheel = newWheel(m.peers)
	if u.algorithm == consistentHashing {
		m.ring = newRing(m.peers, m.total, u.slots)
	}
	return m
}

// available reports whether enough of the weight can be used (Kong's
// healthchecks.threshold, in percent).
func (m *members) available(threshold float64) bool {
	usable := 0
	for _, peer := range m.peers {
		if peer.state.healthy.Load() {
			usable += peer.weight
		}
	}
	return usable > 0 && 100*float64(usable)/float64(m.total) > threshold
}
