// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"time"

	"blackout/fixtures"
	"blackout/harness/fault"
	"blackout/harness/history"
)

// What things take on a quiet machine, at most. A run that takes longer is late
// and says so; one that takes less waits.
const (
	callLength    = 250 * time.Millisecond // one call of the Admin API or the store
	routeLength   = 10 * time.Millisecond  // one more call for a route
	startLength   = 1 * time.Second        // a node, until it dials
	crowdLength   = 400 * time.Millisecond // more for each of a crowd, which is prepared and shares the processors
	witnessLength = 500 * time.Millisecond // a probe that is refused at once, and one that is answered
	pieceLength   = 40 * time.Millisecond  // one for a piece of padding, which is large
	applyLength   = 250 * time.Millisecond // a configuration that has arrived, until it is served
)

// Lasts implements plan.Lasting.
func (a Configure) Lasts(history.Profile) time.Duration {
	return callLength + time.Duration(a.Routes+2*a.Disabled)*routeLength + time.Duration(a.Padding/fixtures.PieceSize)*pieceLength
}

// Lasts implements plan.Lasting. A control plane whose database is silent gives up
// on it by itself.
func (a Change) Lasts(history.Profile) time.Duration {
	if a.MayFail {
		return databaseTimeout + callLength
	}
	return callLength
}

// databaseTimeout is how long a control plane waits for its database: Kong 3.9
// `pg_timeout`, 5 s by default.
const databaseTimeout = 5 * time.Second

// Lasts implements plan.Lasting.
func (Plant) Lasts(history.Profile) time.Duration { return callLength }

// Lasts implements plan.Lasting.
func (TryWrite) Lasts(history.Profile) time.Duration { return callLength }

// Lasts implements plan.Lasting.
func (a Hold) Lasts(history.Profile) time.Duration { return a.For }

// Lasts implements plan.Lasting. A node may have to dial once more, and to give
// that up and wait for a configuration, before it has one.
func (AwaitServing) Lasts(p history.Profile) time.Duration {
	return p.ReconnectMax + p.DialTimeout + p.NoConfiguration + applyLength
}

// Lasts implements plan.Lasting.
func (AwaitSnapshot) Lasts(p history.Profile) time.Duration {
	return p.ExportDelay + callLength
}

// Lasts implements plan.Lasting. The attempts of an edge that is reset cost the
// delay before each and hardly more.
func (a AwaitAttempts) Lasts(p history.Profile) time.Duration {
	return time.Duration(a.Attempts) * p.ReconnectMax
}

// Lasts implements plan.Lasting.
func (a Inject) Lasts(history.Profile) time.Duration { return witnessing(a.Faults) }

// Lasts implements plan.Lasting.
func (a ScaleOut) Lasts(history.Profile) time.Duration {
	length := startLength + witnessing(a.Faults)
	if len(a.Nodes) >= crowd {
		length += time.Duration(len(a.Nodes)) * crowdLength
	}
	return length
}

// Lasts implements plan.Lasting.
func (Become) Lasts(history.Profile) time.Duration { return startLength }

// Lasts implements plan.Lasting.
func (Heal) Lasts(history.Profile) time.Duration { return witnessLength }

// witnessing is how long it takes to see that faults are in force: all at once, but
// where times are compared one after the other.
func witnessing(faults []fault.Spec) time.Duration {
	longest, turns := time.Duration(0), time.Duration(0)
	for _, f := range faults {
		longest = max(longest, witnessLength+probing(f))
		if f.Kind == fault.Latency || f.Kind == fault.Jitter || f.Kind == fault.Bandwidth {
			turns += witnessLength + probing(f)
		}
	}
	return max(longest, turns)
}

// probeBytes is about what a probe moves: the control plane's certificate, mostly.
const probeBytes = 4_000

// probing is how long probes take beyond those that nothing delays. Where a link
// hangs up that is no time at all, where it is silent it is all that a probe has.
func probing(f fault.Spec) time.Duration {
	switch f.Kind {
	case fault.Exit, fault.Reset, fault.Truncate, fault.Slicing:
		return 0
	case fault.HalfOpen: // its witness asks twice
		return 2 * probeTimeout
	case fault.Latency, fault.Jitter: // TLS and HTTP, to and fro
		return 4 * (f.Delay + f.Jitter)
	case fault.Bandwidth:
		return time.Duration(probeBytes * float64(time.Second) / float64(f.Rate))
	case fault.Flapping:
		if len(f.Times) > 1 { // down, and up again
			return f.Times[1]
		}
	}
	return probeTimeout
}
