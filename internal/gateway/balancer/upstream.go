// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
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
	before  atomic.Pointer[members] // the last configuration's, until there are own

	updating sync.Mutex // held for a lookup of the targets' names

	mu     sync.Mutex
	states map[string]kept // by target and address; guarded by mu

	lookups lookups
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
		options: options, log: options.Log.With("upstream", row.Name()), states: map[string]kept{},
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
	u.lookups.ctx, u.lookups.stop = context.WithCancel(context.Background())
	return u, nil
}

// inherit takes over what the last configuration's upstream knows. What health
// checks have found ends with them.
func (u *Upstream) inherit(old *Upstream) {
	if old == nil {
		return
	}
	u.turn.Store(old.turn.Load())
	if u.before.Store(old.members.Load()); u.before.Load() == nil {
		u.before.Store(old.before.Load())
	}
	if old.checks.used() && !u.checks.used() {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
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
