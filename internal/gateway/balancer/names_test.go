// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer_test

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/gateway/balancer"
)

// nameServer answers with one address, fails or hangs.
type nameServer struct{ down, hangs atomic.Bool }

func (n *nameServer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if n.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if n.down.Load() {
		return nil, &net.DNSError{Err: "server misbehaving", Name: host}
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

// TestReloadWithoutNameServer covers a new configuration while no name can be
// looked up, or while lookups hang: targets keep the addresses they had.
func TestReloadWithoutNameServer(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*nameServer){
		"down":  func(n *nameServer) { n.down.Store(true) },
		"hangs": func(n *nameServer) { n.hangs.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var names nameServer
			options := balancer.Options{Resolve: names.resolve, Refresh: time.Nanosecond}
			u, set := newUpstream(t, upstream(row{}, map[string]float64{"a.test:80": 100}), nil, options)
			pick(t, u, &balancer.Choice{})
			trouble(&names)
			_, unused := newUpstream(t, upstream(row{}, map[string]float64{"a.test:80": 100}), set, options)
			set.Close()
			again, next := newUpstream(t, upstream(row{}, map[string]float64{"a.test:80": 50}), unused, options)
			unused.Close()
			begin := time.Now()
			for range 3 {
				if peer := pick(t, again, &balancer.Choice{}); peer.Address != "192.0.2.1:80" {
					t.Errorf("picked %s", peer.Address)
				}
			}
			next.Close()
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("requests and the end took %s, want no wait for a lookup", took)
			}
		})
	}
}

// TestFailedNameIsLookedUpSoon covers a name server that comes back: the target
// is there long before other addresses are looked up anew.
func TestFailedNameIsLookedUpSoon(t *testing.T) {
	t.Parallel()
	var names nameServer
	names.down.Store(true)
	u, set := newUpstream(t, upstream(row{}, map[string]float64{"a.test:80": 100}), nil, balancer.Options{Resolve: names.resolve, Refresh: time.Hour})
	defer set.Close()
	if u.Available(t.Context()) {
		t.Fatal("there is a peer without an address")
	}
	names.down.Store(false)
	await(t, func() bool { return u.Available(t.Context()) })
}

// TestRequestsWhileClosing covers requests that go on through a configuration
// that is being replaced. It is for the race detector.
func TestRequestsWhileClosing(t *testing.T) {
	t.Parallel()
	var names nameServer
	for range 50 {
		u, set := newUpstream(t, upstream(row{}, map[string]float64{"a.test:80": 100}), nil,
			balancer.Options{Resolve: names.resolve, Refresh: time.Nanosecond})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 50 {
				_, _ = u.Pick(context.Background(), &balancer.Choice{})
			}
		}()
		set.Close()
		<-done
	}
}

// TestHealthEndsWithTheChecks covers a configuration without the checks by which
// a target was found to be ill.
func TestHealthEndsWithTheChecks(t *testing.T) {
	t.Parallel()
	targets := map[string]float64{"192.0.2.1:80": 100}
	old, set := newUpstream(t, upstream(passive(0), targets), nil, balancer.Options{})
	if _, err := old.SetHealth(t.Context(), "192.0.2.1:80", "", false); err != nil {
		t.Fatal(err)
	}
	u, _ := newUpstream(t, upstream(row{}, targets), set, balancer.Options{})
	if !u.Available(t.Context()) {
		t.Error("a target stays away although nothing could bring it back")
	}
}
