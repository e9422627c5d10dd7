// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/entity"
)

// state is what is known of one target at one address. It outlives
// configurations in which the target stays.
type state struct {
	target      string
	healthy     atomic.Bool
	connections atomic.Int64

	mu                             sync.Mutex
	successes, tcp, timeouts, http int // counters, Kong 3.9's
	average                        float64
	observed                       time.Time
}

func newState(target string) *state {
	s := &state{target: target}
	s.healthy.Store(true)
	return s
}

// latencyMemory is after what time an observation counts 1/e.
const latencyMemory = 10 * time.Second

// observe takes a latency into the moving average.
func (s *state) observe(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	keep := math.Exp(-float64(now.Sub(s.observed)) / float64(latencyMemory))
	s.average, s.observed = keep*s.average+(1-keep)*took.Seconds(), now
}

// latency returns the moving average, in seconds. A peer that was never asked
// has the least.
func (s *state) latency() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.average + 1e-6
}

// Outcome is how an attempt, or a check, went: the status of the response, or
// how it failed.
type Outcome struct {
	Status    int
	Refused   bool // no connection, or it broke
	Timeout   bool
	Connected bool // a check that only connects did so
}

// limits are how often something is to be seen until a peer changes its state;
// 0 means never.
type limits struct {
	successes, tcp, timeouts, http int
	healthy, unhealthy             []int // statuses
}

// checks are an upstream's health checks.
type checks struct {
	passive, active limits
	threshold       float64 // percent
	probe           probe
}

// Kong 3.9's defaults, for rows that no schema has completed.
var (
	activeHealthy    = []int{200, 302}
	activeUnhealthy  = []int{429, 404, 500, 501, 502, 503, 504, 505}
	passiveHealthy   = []int{200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308}
	passiveUnhealthy = []int{429, 500, 503}
)

func newChecks(row entity.Record) checks {
	all := sub(row, "healthchecks")
	active, passive := sub(all, "active"), sub(all, "passive")
	c := checks{
		active:  newLimits(active, activeHealthy, activeUnhealthy),
		passive: newLimits(passive, passiveHealthy, passiveUnhealthy),
		probe:   newProbe(active),
	}
	c.threshold, _ = all["threshold"].(float64)
	return c
}

func sub(row entity.Record, field string) entity.Record {
	record, _ := row[field].(map[string]any)
	return record
}

func newLimits(row entity.Record, healthyStatuses, unhealthyStatuses []int) limits {
	healthy, unhealthy := sub(row, "healthy"), sub(row, "unhealthy")
	return limits{
		successes: healthy.Integer("successes"),
		tcp:       unhealthy.Integer("tcp_failures"), timeouts: unhealthy.Integer("timeouts"), http: unhealthy.Integer("http_failures"),
		healthy: statuses(healthy, healthyStatuses), unhealthy: statuses(unhealthy, unhealthyStatuses),
	}
}

func statuses(row entity.Record, missing []int) []int {
	list, given := row["http_statuses"].([]any)
	if !given {
		return missing
	}
	var read []int
	for _, element := range list {
		if status, ok := element.(float64); ok {
			read = append(read, int(status))
		}
	}
	return read
}

// used reports whether anything is checked.
func (c *checks) used() bool {
	return c.probe.healthyEvery > 0 || c.probe.unhealthyEvery > 0 ||
		c.passive.tcp > 0 || c.passive.timeouts > 0 || c.passive.http > 0
}

// Report tells how an attempt went, for the passive checks. Kong 3.9 counts a
// refused connection or a timeout as such only if another attempt follows; the
// last attempt counts by the status that the client got.
func (p *Peer) Report(outcome Outcome) { p.report(outcome, &p.upstream.checks.passive, "passive") }

func (p *Peer) report(outcome Outcome, l *limits, kind string) {
	counted := p.state.count(outcome, l)
	if counted {
		p.upstream.log.Info("balancer.health_changed", "target", p.target, "address", p.Address,
			"healthy", p.state.healthy.Load(), "check", kind, "status", outcome.Status, "refused", outcome.Refused, "timeout", outcome.Timeout)
	}
}

// count counts an outcome and reports whether it changed the state. A success
// sets the counters of failures back, and a failure that of successes; what has
// no limit is not counted at all.
func (s *state) count(outcome Outcome, l *limits) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var counter *int
	limit, good := 0, false
	switch {
	case outcome.Timeout:
		counter, limit = &s.timeouts, l.timeouts
	case outcome.Refused:
		counter, limit = &s.tcp, l.tcp
	case outcome.Connected, slices.Contains(l.healthy, outcome.Status):
		counter, limit, good = &s.successes, l.successes, true
	case slices.Contains(l.unhealthy, outcome.Status):
		counter, limit = &s.http, l.http
	}
	if limit == 0 {
		return false
	}
	if good {
		s.tcp, s.timeouts, s.http = 0, 0, 0
	} else {
		s.successes = 0
	}
	if *counter++; *counter < limit || s.healthy.Load() == good {
		return false
	}
	s.set(good)
	return true
}

func (s *state) set(healthy bool) {
	s.successes, s.tcp, s.timeouts, s.http = 0, 0, 0, 0
	s.healthy.Store(healthy)
}

// The health of targets and addresses, in Kong's words.
const (
	Healthy   = "HEALTHY"
	Unhealthy = "UNHEALTHY"
	DNSError  = "DNS_ERROR"
	ChecksOff = "HEALTHCHECKS_OFF"
)

// TargetHealth is the health of one target.
type TargetHealth struct {
	ID, Target string
	Weight     int
	Health     string
	Addresses  []AddressHealth
}

// AddressHealth is the health of one address of a target.
type AddressHealth struct {
	IP     string
	Port   int
	Weight int
	Health string
}

// Health returns the health of all targets. Their names are looked up if no
// request has done so before.
func (u *Upstream) Health(ctx context.Context) ([]TargetHealth, error) {
	m, err := u.current(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]TargetHealth, 0, len(u.targets))
	for _, one := range u.targets {
		health := TargetHealth{ID: one.id, Target: one.text, Weight: one.weight, Health: Unhealthy}
		for _, peer := range m.all {
			if peer.target != one.text {
				continue
			}
			of := u.healthOf(peer)
			health.Addresses = append(health.Addresses, AddressHealth{
				IP: peer.address.Addr().String(), Port: peer.Port, Weight: peer.weight, Health: of,
			})
			if of != Unhealthy {
				health.Health = of
			}
		}
		if len(health.Addresses) == 0 || m.failed[one.text] {
			health.Health = DNSError
		}
		list = append(list, health)
	}
	return list, nil
}

func (u *Upstream) healthOf(peer *Peer) string {
	switch {
	case !u.checks.used():
		return ChecksOff
	case peer.state.healthy.Load():
		return Healthy
	}
	return Unhealthy
}

// Available reports whether the upstream has enough targets that are well to be
// used at all.
func (u *Upstream) Available(ctx context.Context) bool {
	m, err := u.current(ctx)
	return err == nil && m.available(u.checks.threshold)
}

// SetHealth puts a target's addresses into a state by hand, or only the one
// address if it is given as "ip:port". It reports whether there is such a
// target. The state is this node's, in memory.
func (u *Upstream) SetHealth(ctx context.Context, target, address string, healthy bool) (bool, error) {
	m, err := u.current(ctx)
	if err != nil {
		return false, err
	}
	found := false
	for _, peer := range m.all {
		if peer.target == target && (address == "" || address == peer.Address) {
			peer.state.mu.Lock()
			peer.state.set(healthy)
			peer.state.mu.Unlock()
			found = true
		}
	}
	return found, nil
}
