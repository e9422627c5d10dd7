// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/entity"
)

// Upstream is one upstream with its targets. It is safe for concurrent use.
type Upstream struct {
	ID, Name   string
	HostHeader string // for the requests; empty: the target's name

	// ClientCertificate is the id of the certificate shown to targets.
	ClientCertificate string

	algorithm algorithm
	hash      hashing
	slots     int
	checks    checks
	targets   []target
	options   Options
	log       *slog.Logger

	turn    atomic.Uint64
	members atomic.Pointer[members]

	updating   sync.Mutex
	states     map[string]*state // by target and address; guarded by updating
	refreshing sync.WaitGroup
	refresh    atomic.Bool
}

type algorithm int

const (
	roundRobin algorithm = iota
	leastConnections
	consistentHashing
	latency
)

var algorithms = map[string]algorithm{
	"": roundRobin, "round-robin": roundRobin, "least-connections": leastConnections,
	"consistent-hashing": consistentHashing, "latency": latency,
}

func newUpstream(row entity.Record, targets []entity.Record, options Options) (*Upstream, error) {
	u := &Upstream{
		ID: row.ID(), Name: row.Name(), HostHeader: row.Text("host_header"),
		ClientCertificate: row.Reference("client_certificate"),
		hash:              newHashing(row), slots: max(row.Integer("slots"), 1000),
		options: options, log: options.Log.With("upstream", row.Name()), states: map[string]*state{},
	}
	known := false
	if u.algorithm, known = algorithms[row.Text("algorithm")]; !known {
		return nil, fmt.Errorf("algorithm '%s' is not known", row.Text("algorithm"))
	}
	if row.Flag("use_srv_name") {
		return nil, fmt.Errorf("use_srv_name is not supported by this gateway")
	}
	u.checks = newChecks(row)
	for _, record := range targets {
		one, err := newTarget(record)
		if err != nil {
			return nil, err
		}
		u.targets = append(u.targets, one)
	}
	u.turn.Store(options.Seed)
	return u, nil
}

// inherit takes over what the last configuration's upstream knows.
func (u *Upstream) inherit(old *Upstream) {
	if old == nil {
		return
	}
	u.turn.Store(old.turn.Load())
	old.updating.Lock()
	defer old.updating.Unlock()
	for _, one := range u.targets {
		for key, known := range old.states {
			if known.target == one.text {
				u.states[key] = known
			}
		}
	}
}

// Pick chooses the peer for an attempt. The error is [ErrNoPeer], or ctx's.
func (u *Upstream) Pick(ctx context.Context, choice *Choice) (*Peer, error) {
	m, err := u.current(ctx)
	if err != nil {
		return nil, err
	}
	if !m.available(u.checks.threshold) {
		return nil, ErrNoPeer
	}
	peer := u.choose(m, choice)
	if peer == nil {
		return nil, ErrNoPeer
	}
	choice.tried = append(choice.tried, peer)
	return peer, nil
}

// current returns the peers. The first caller looks up the targets' names, and
// later ones do so in the background when the addresses have become old.
func (u *Upstream) current(ctx context.Context) (*members, error) {
	m := u.members.Load()
	if m == nil {
		return u.update(ctx, nil)
	}
	if !m.expires.IsZero() && time.Now().After(m.expires) && u.refresh.CompareAndSwap(false, true) {
		u.refreshing.Go(func() {
			defer u.refresh.Store(false)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupLimit)
			defer cancel()
			if _, err := u.update(ctx, m); err != nil {
				u.log.Warn("balancer.lookup_failed", "error", err)
			}
		})
	}
	return m, nil
}

// lookupLimit ends a lookup in the background.
const lookupLimit = 10 * time.Second

// update looks up the targets' names and makes the peers, unless another call
// has done so since old was current.
func (u *Upstream) update(ctx context.Context, old *members) (*members, error) {
	u.updating.Lock()
	defer u.updating.Unlock()
	if m := u.members.Load(); m != old {
		return m, nil
	}
	var all []*Peer
	failed := map[string]bool{}
	var expires time.Time
	for i := range u.targets {
		one := &u.targets[i]
		if _, err := netip.ParseAddr(one.host); err != nil {
			expires = time.Now().Add(u.options.Refresh)
		}
		addresses, err := u.lookup(ctx, one)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			failed[one.text] = true
			u.log.Warn("balancer.lookup_failed", "target", one.text, "error", err)
			addresses = addressesOf(old, one)
		}
		for _, address := range addresses {
			all = append(all, u.peer(one, address))
		}
	}
	m := newMembers(u, all, failed, expires)
	u.members.Store(m)
	return m, nil
}

// addressesOf returns the addresses that a target had: a name server's outage
// takes no target away.
func addressesOf(old *members, one *target) []netip.AddrPort {
	if old == nil {
		return nil
	}
	var addresses []netip.AddrPort
	for _, peer := range old.all {
		if peer.target == one.text {
			addresses = append(addresses, peer.address)
		}
	}
	return addresses
}

func (u *Upstream) lookup(ctx context.Context, one *target) ([]netip.AddrPort, error) {
	if address, err := netip.ParseAddr(one.host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(address, one.port)}, nil
	}
	found, err := u.options.Resolve(ctx, one.host)
	if err != nil {
		return nil, err
	}
	addresses := make([]netip.AddrPort, 0, len(found))
	for _, address := range found {
		addresses = append(addresses, netip.AddrPortFrom(address.Unmap(), one.port))
	}
	slices.SortFunc(addresses, netip.AddrPort.Compare)
	return slices.Compact(addresses), nil
}

// peer returns a target's peer at an address with what is known of it.
func (u *Upstream) peer(one *target, address netip.AddrPort) *Peer {
	key := one.text + " " + address.String()
	known := u.states[key]
	if known == nil {
		known = newState(one.text)
		u.states[key] = known
	}
	return &Peer{
		Address: address.String(), Host: one.host, Port: int(one.port),
		address: address, target: one.text, weight: one.weight, state: known, upstream: u,
	}
}

// Peer is one address of a target.
type Peer struct {
	Address string // "ip:port", to be dialled
	Host    string // the target's name, for the Host header
	Port    int

	address  netip.AddrPort
	target   string
	weight   int
	state    *state
	upstream *Upstream
}

// Begin notes that an attempt begins.
func (p *Peer) Begin() { p.state.connections.Add(1) }

// End notes that an attempt, and its response, has ended.
func (p *Peer) End() { p.state.connections.Add(-1) }

// Observe notes how long the peer took to begin its response.
func (p *Peer) Observe(took time.Duration) { p.state.observe(took) }
