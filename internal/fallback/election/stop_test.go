// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"testing"
	"time"

	"blackout/internal/fallback/election"
)

// contest is a member whose claims of the lease are all refused.
type contest struct {
	config election.Config
	state  election.State
	now    time.Duration
	out    election.Output
}

func (c *contest) step(in election.Input) {
	c.state, c.out = c.config.Step(c.state, c.now, in)
}

// claim is one claim and its refusal, without a holder.
func (c *contest) claim(t *testing.T) {
	t.Helper()
	for _, want := range []election.Kind{election.ReadLease, election.HeadSnapshot, election.WriteLease} {
		if len(c.out.Requests) == 0 {
			c.now = c.out.Wake
			c.step(election.Tick{})
		}
		if len(c.out.Requests) != 1 || c.out.Requests[0].Kind != want {
			t.Fatalf("at %s it asks for %+v, want %v", c.now, c.out.Requests, want)
		}
		outcome := election.Absent
		if want == election.WriteLease {
			outcome = election.Conflict
		}
		c.step(election.Answer{Kind: want, Outcome: outcome})
	}
}

// Who stops has no time for the waits that earlier refusals led to.
func TestStopForgetsRefusedClaims(t *testing.T) {
	t.Parallel()
	c := contest{config: election.Config{ID: "a", Life: "l", Lease: 15 * time.Second, RetryMin: 500 * time.Millisecond, RetryMax: 30 * time.Second}}
	c.state = c.config.Start(1)
	c.step(election.Online(true))
	c.step(election.Offer{Number: 1, Hash: "x"})
	for range 8 {
		c.claim(t)
	}
	stopped := c.now
	c.step(election.Stop{})
	for range 3 {
		c.claim(t)
	}
	if took := c.now - stopped; took > 2*time.Second {
		t.Errorf("three claims after its stop took it %s", took)
	}
}
