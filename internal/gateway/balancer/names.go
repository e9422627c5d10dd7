// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// What a lookup of names keeps to.
const (
	lookupLimit = 10 * time.Second // ends a lookup
	lookupsEach = 10               // names that are looked up at a time
	lookupAgain = time.Second      // after a failure (Kong 3.9's dns_error_ttl)
	stateMemory = 5 * time.Minute  // of the health of an address that a name has no longer
)

// lookups are an upstream's in the background, one at a time.
type lookups struct {
	ctx  context.Context
	stop context.CancelFunc

	running sync.WaitGroup
	mu      sync.Mutex
	busy    bool
	ended   bool // no other begins
}

// end ends the lookups in the background and waits for them.
func (l *lookups) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
}

// current returns the peers. The first caller looks up the targets' names, and
// later ones do so in the background when the addresses have become old.
func (u *Upstream) current(ctx context.Context) (*members, error) {
	m := u.members.Load()
	if m == nil {
		return u.update(ctx, nil)
	}
	if !m.expires.IsZero() && time.Now().After(m.expires) {
		u.lookUpAgain(m)
	}
	return m, nil
}

func (u *Upstream) lookUpAgain(old *members) {
	l := &u.lookups
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy || l.ended {
		return
	}
	l.busy = true
	l.running.Go(func() {
		_, _ = u.update(l.ctx, old) // fails only with the context; lookups are logged
		l.mu.Lock()
		defer l.mu.Unlock()
		l.busy = false
	})
}

// update looks up the targets' names and makes the peers, unless another call
// has done so since old was current. At first it takes the addresses that the
// last configuration had, so that neither a reload nor a name server's outage
// takes a target away.
func (u *Upstream) update(ctx context.Context, old *members) (*members, error) {
	u.updating.Lock()
	defer u.updating.Unlock()
	if m := u.members.Load(); m != old {
		return m, nil
	}
	first := old == nil
	if first {
		old = u.before.Load()
	}
	found := u.lookUpAll(ctx, old, first)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	var all []*Peer
	var expires time.Time
	failed := map[string]bool{}
	for i := range found {
		one, target := &found[i], &u.targets[i]
		for _, address := range one.addresses {
			all = append(all, u.peer(target, address))
		}
		if one.fresh > 0 {
			if until := now.Add(one.fresh); expires.IsZero() || until.Before(expires) {
				expires = until
			}
		}
		if one.failed {
			failed[target.text] = true
		}
	}
	u.forgetStates(all, now)
	m := newMembers(u, all, failed, expires)
	u.members.Store(m)
	u.before.Store(nil)
	return m, nil
}

// resolved is what a lookup of a target's name gave. fresh is how long it may be
// used, 0 for ever.
type resolved struct {
	addresses []netip.AddrPort
	fresh     time.Duration
	failed    bool
}

func (u *Upstream) lookUpAll(ctx context.Context, old *members, first bool) []resolved {
	within, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	found := make([]resolved, len(u.targets))
	var group errgroup.Group
	group.SetLimit(lookupsEach)
	for i := range u.targets {
		one := &u.targets[i]
		if address, err := netip.ParseAddr(one.host); err == nil {
			found[i].addresses = []netip.AddrPort{netip.AddrPortFrom(address, one.port)}
			continue
		}
		if had := addressesOf(old, one); first && len(had) > 0 {
			found[i] = resolved{addresses: had, fresh: time.Nanosecond, failed: old.failed[one.text]}
			continue
		}
		group.Go(func() error {
			found[i] = u.lookUp(within, one, old)
			return nil
		})
	}
	_ = group.Wait() // what failed is in found
	return found
}

// lookUp looks up one name. One that fails keeps its addresses; the first of
// several failures is logged.
func (u *Upstream) lookUp(ctx context.Context, one *target, old *members) resolved {
	addresses, err := u.options.Resolve(ctx, one.host)
	if err != nil {
		if ctx.Err() != context.Canceled && (old == nil || !old.failed[one.text]) {
			u.log.Warn("balancer.lookup_failed", "target", one.text, "error", err)
		}
		return resolved{addresses: addressesOf(old, one), fresh: min(u.options.Refresh, lookupAgain), failed: true}
	}
	list := make([]netip.AddrPort, 0, len(addresses))
	for _, address := range addresses {
		list = append(list, netip.AddrPortFrom(address.Unmap(), one.port))
	}
	slices.SortFunc(list, netip.AddrPort.Compare)
	return resolved{addresses: slices.Compact(list), fresh: u.options.Refresh}
}

// addressesOf returns the addresses that a target had.
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

// kept is the state of a target at an address, and since when the target has
// the address no longer.
type kept struct {
	*state
	gone time.Time
}

// peer returns a target's peer at an address with what is known of it. mu is
// held.
func (u *Upstream) peer(one *target, address netip.AddrPort) *Peer {
	key := one.text + " " + address.String()
	known, found := u.states[key]
	if !found {
		known = kept{state: newState(one.text)}
		u.states[key] = known
	}
	return &Peer{
		Address: address.String(), Host: one.host, Port: int(one.port),
		address: address, target: one.text, weight: one.weight, state: known.state, upstream: u,
	}
}

// forgetStates drops the states of addresses that have been gone for long: names
// may have ever new ones. mu is held.
func (u *Upstream) forgetStates(all []*Peer, now time.Time) {
	used := make(map[*state]bool, len(all))
	for _, peer := range all {
		used[peer.state] = true
	}
	for key, known := range u.states {
		switch {
		case used[known.state]:
			known.gone = time.Time{}
		case known.gone.IsZero():
			known.gone = now
		case now.Sub(known.gone) > stateMemory:
			delete(u.states, key)
			continue
		}
		u.states[key] = known
	}
}
