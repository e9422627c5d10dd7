// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	mobynetwork "github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go/network"

	"blackout/harness/engine"
)

// TestAddressesAreOneSitesEach: the subnet's own, this machine's and the broadcast
// address are nobody's.
func TestAddressesAreOneSitesEach(t *testing.T) {
	t.Parallel()
	e := &Engine{sites: map[string]*site{}}
	e.use(nil, []mobynetwork.IPAMConfig{
		{Subnet: netip.MustParsePrefix("fd00::/64"), Gateway: netip.MustParseAddr("fd00::1")},
		{Subnet: netip.MustParsePrefix("10.1.2.9/29"), Gateway: netip.MustParseAddr("10.1.2.10")},
	})
	var got []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s, err := e.newSite(name, engine.Program{}, nil)
		must(t, err)
		got = append(got, s.ip.String())
	}
	if want := []string{"10.1.2.9", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"}; !slices.Equal(got, want) {
		t.Errorf("addresses = %q, want %q", got, want)
	}
	if s, err := e.newSite("f", engine.Program{}, nil); err == nil {
		t.Errorf("a sixth site has the address %s", s.ip)
	}
}

// TestADeadNodesAddressIsNobodys: who dials a dead node does not reach another, and
// finds the node again when it was started.
func TestADeadNodesAddressIsNobodys(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	program := testProgram(t)
	_, a := started(t, e, "a", program, nil)
	before, err := a.Endpoint(ctx, "http")
	must(t, err)
	must(t, a.Kill(ctx))
	_, b := started(t, e, "b", program, nil)
	if other, err := b.Endpoint(ctx, "http"); err != nil || other == before {
		t.Errorf("the next node is at %s (%v), a dead one was at %s", other, err, before)
	}
	must(t, a.Restart(ctx))
	get(t, a, "/data/")
	if after, err := a.Endpoint(ctx, "http"); err != nil || e.Routable() && after != before {
		t.Errorf("restarted at %s (%v), was at %s", after, err, before)
	}
}

// TestNetworksAreDrawnSideBySide: a subnet that another network takes first is
// drawn again.
func TestNetworksAreDrawnSideBySide(t *testing.T) {
	t.Parallel()
	engines := make([]*Engine, 4)
	for i := range engines {
		engines[i] = newEngine(t)
	}
	e := engines[0]
	_, err := network.New(testContext(t), network.WithLabels(e.labels("")),
		network.WithIPAM(&mobynetwork.IPAM{Config: []mobynetwork.IPAMConfig{{Subnet: e.subnet}}}))
	if !errdefs.IsPermissionDenied(err) {
		t.Errorf("a subnet is given twice: %v", err)
	}
	var drawing sync.WaitGroup
	for _, e := range engines {
		drawing.Go(func() {
			for range 2 {
				if err := e.makeNetwork(testContext(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	drawing.Wait()
}
