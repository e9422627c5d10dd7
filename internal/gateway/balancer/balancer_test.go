// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"blackout/internal/gateway/balancer"
	"blackout/internal/gateway/entity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type row = map[string]any

// upstream is a configuration of one upstream "u" with targets and weights.
func upstream(fields row, targets map[string]float64) *entity.Table {
	fields["id"], fields["name"] = "u-id", "u"
	var rows []any
	for text, weight := range targets {
		rows = append(rows, row{"id": "t-" + text, "target": text, "weight": weight, "upstream": "u-id"})
	}
	return &entity.Table{All: row{"upstreams": []any{fields}, "targets": rows}}
}

func newUpstream(t *testing.T, table *entity.Table, previous *balancer.Set, options balancer.Options) (*balancer.Upstream, *balancer.Set) {
	t.Helper()
	options.Log = slog.New(slog.DiscardHandler)
	set, err := balancer.New(table, previous, options)
	if err != nil {
		t.Fatal(err)
	}
	return set.Upstream("u"), set
}

func pick(t *testing.T, u *balancer.Upstream, choice *balancer.Choice) *balancer.Peer {
	t.Helper()
	peer, err := u.Pick(t.Context(), choice)
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

func TestRoundRobinByWeight(t *testing.T) {
	t.Parallel()
	for _, weights := range []map[string]float64{
		{"192.0.2.1:80": 1},
		{"192.0.2.1:80": 10, "192.0.2.2:80": 20, "[2001:db8::1]:80": 70},
		{"192.0.2.1:80": 65535, "192.0.2.2:80": 1, "192.0.2.3:80": 0},
	} {
		u, _ := newUpstream(t, upstream(row{}, weights), nil, balancer.Options{Seed: 12345})
		total := 0.0
		for _, weight := range weights {
			total += weight
		}
		seen := map[string]float64{}
		for range int(total) {
			seen[pick(t, u, &balancer.Choice{}).Address]++
		}
		for target, weight := range weights {
			if seen[target] != weight {
				t.Errorf("%v: %s was chosen %v times in a round", weights, target, seen[target])
			}
		}
	}
}

// TestRetryElsewhere covers that a request's further attempts go to other
// targets as long as there are some, with every algorithm.
func TestRetryElsewhere(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"round-robin", "least-connections", "consistent-hashing", "latency"} {
		u, _ := newUpstream(t, upstream(row{"algorithm": algorithm, "hash_on": "ip"},
			map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100, "192.0.2.3:80": 1}), nil, balancer.Options{})
		choice := &balancer.Choice{Value: func(string, string) string { return "198.51.100.7" }}
		seen := map[string]bool{}
		for range 3 {
			seen[pick(t, u, choice).Address] = true
		}
		if len(seen) != 3 {
			t.Errorf("%s: three attempts went to %v", algorithm, seen)
		}
		pick(t, u, choice) // a fourth goes somewhere
	}
}

func TestLeastConnections(t *testing.T) {
	t.Parallel()
	u, _ := newUpstream(t, upstream(row{"algorithm": "least-connections"}, map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 200}), nil, balancer.Options{})
	seen := map[string]int{}
	for range 300 {
		peer := pick(t, u, &balancer.Choice{})
		peer.Begin()
		seen[peer.Address]++
	}
	if seen["192.0.2.1:80"] < 99 || seen["192.0.2.1:80"] > 101 {
		t.Errorf("of 300 open requests %v are at the targets of weights 100 and 200", seen)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	u, _ := newUpstream(t, upstream(row{"algorithm": "latency"}, map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100}), nil, balancer.Options{})
	for range 4 {
		peer := pick(t, u, &balancer.Choice{})
		peer.Observe(map[string]time.Duration{"192.0.2.1:80": time.Second, "192.0.2.2:80": time.Millisecond}[peer.Address])
	}
	if peer := pick(t, u, &balancer.Choice{}); peer.Address != "192.0.2.2:80" {
		t.Errorf("the slow %s was chosen", peer.Address)
	}
}

// TestConsistentHashing covers that a value keeps its target, that the shares
// follow the weights, and that few values move when a target is added.
func TestConsistentHashing(t *testing.T) {
	t.Parallel()
	fields := func() row {
		return row{"algorithm": "consistent-hashing", "hash_on": "header", "hash_on_header": "X-K", "hash_fallback": "ip", "slots": 10000.0}
	}
	before, _ := newUpstream(t, upstream(fields(), map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100, "192.0.2.3:80": 200}), nil, balancer.Options{})
	after, _ := newUpstream(t, upstream(fields(), map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100, "192.0.2.3:80": 200, "192.0.2.4:80": 100}), nil, balancer.Options{})
	seen, moved, elsewhere := map[string]int{}, 0, 0
	for i := range 2000 {
		choice := func() *balancer.Choice {
			return &balancer.Choice{Value: func(source, name string) string {
				if source == "ip" && i%2 == 0 || source == "header" && name == "X-K" && i%2 == 1 {
					return fmt.Sprintf("value %d", i)
				}
				return ""
			}}
		}
		address := pick(t, before, choice()).Address
		if again := pick(t, before, choice()).Address; again != address {
			t.Fatalf("value %d goes to %s, then to %s", i, address, again)
		}
		seen[address]++
		if now := pick(t, after, choice()).Address; now != address {
			moved++
			if now != "192.0.2.4:80" {
				elsewhere++
			}
		}
	}
	if seen["192.0.2.3:80"] < 800 || seen["192.0.2.3:80"] > 1200 {
		t.Errorf("%v of 2000 values at targets of weights 100, 100, 200", seen)
	}
	// The number of a target's points depends on the others' weights, so that
	// some values move among the old ones, too.
	if moved < 200 || moved > 650 || elsewhere > 150 {
		t.Errorf("of 2000 values %d moved when a fifth of the weight was added, %d of them elsewhere", moved, elsewhere)
	}
}

func TestNoPeer(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]*entity.Table{
		"no targets": upstream(row{}, nil),
		"weight 0":   upstream(row{}, map[string]float64{"192.0.2.1:80": 0}),
	} {
		u, _ := newUpstream(t, table, nil, balancer.Options{})
		if _, err := u.Pick(t.Context(), &balancer.Choice{}); !errors.Is(err, balancer.ErrNoPeer) {
			t.Errorf("%s: got %v, want ErrNoPeer", name, err)
		}
	}
}

// passive is an upstream's passive health checks with all limits at 2.
func passive(threshold float64) row {
	return row{"healthchecks": row{"threshold": threshold, "passive": row{
		"healthy":   row{"successes": 1.0},
		"unhealthy": row{"tcp_failures": 2.0, "timeouts": 2.0, "http_failures": 2.0},
	}}}
}

func TestPassiveChecks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		outcomes []balancer.Outcome
		healthy  bool
	}{
		{"one failure", []balancer.Outcome{{Status: 500}}, true},
		{"two failures", []balancer.Outcome{{Status: 500}, {Status: 503}}, false},
		{"a success between", []balancer.Outcome{{Status: 500}, {Status: 200}, {Status: 500}}, true},
		{"another status between", []balancer.Outcome{{Status: 500}, {Status: 404}, {Status: 500}}, false},
		{"of several kinds", []balancer.Outcome{{Status: 500}, {Refused: true}, {Timeout: true}}, true},
		{"refused twice", []balancer.Outcome{{Refused: true}, {Refused: true}}, false},
		{"timed out twice", []balancer.Outcome{{Timeout: true}, {Timeout: true}}, false},
		{"a success again", []balancer.Outcome{{Timeout: true}, {Timeout: true}, {Status: 200}}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, _ := newUpstream(t, upstream(passive(0), map[string]float64{"192.0.2.1:80": 100}), nil, balancer.Options{})
			peer := pick(t, u, &balancer.Choice{})
			for _, outcome := range test.outcomes {
				peer.Report(outcome)
			}
			if have := u.Available(t.Context()); have != test.healthy {
				t.Errorf("well: %t, want %t", have, test.healthy)
			}
		})
	}
}

// TestChecksOff covers that without limits nothing changes a target's state.
func TestChecksOff(t *testing.T) {
	t.Parallel()
	u, _ := newUpstream(t, upstream(row{}, map[string]float64{"192.0.2.1:80": 100}), nil, balancer.Options{})
	peer := pick(t, u, &balancer.Choice{})
	for range 100 {
		peer.Report(balancer.Outcome{Status: 500})
		peer.Report(balancer.Outcome{Refused: true})
	}
	if have := healthOf(t, u, "192.0.2.1:80"); have != balancer.ChecksOff || !u.Available(t.Context()) {
		t.Errorf("the target is %s", have)
	}
}

func healthOf(t *testing.T, u *balancer.Upstream, target string) string {
	t.Helper()
	list, err := u.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if one.Target == target {
			return one.Health
		}
	}
	t.Fatalf("no target %s in %v", target, list)
	return ""
}

// TestThreshold covers healthchecks.threshold: at 50, half of the weight is not
// enough.
func TestThreshold(t *testing.T) {
	t.Parallel()
	for threshold, want := range map[float64]bool{0: true, 49: true, 50: false} {
		u, _ := newUpstream(t, upstream(passive(threshold), map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100}), nil, balancer.Options{})
		if found, err := u.SetHealth(t.Context(), "192.0.2.1:80", "", false); !found || err != nil {
			t.Fatalf("set unhealthy: %t %v", found, err)
		}
		if have := u.Available(t.Context()); have != want {
			t.Errorf("threshold %v: available %t, want %t", threshold, have, want)
		}
		if !want {
			continue
		}
		for range 4 {
			if peer := pick(t, u, &balancer.Choice{}); peer.Address != "192.0.2.2:80" {
				t.Errorf("the unhealthy %s was chosen", peer.Address)
			}
		}
	}
}

// TestReload covers that a new configuration keeps what is known of targets
// that stay.
func TestReload(t *testing.T) {
	t.Parallel()
	old, set := newUpstream(t, upstream(passive(0), map[string]float64{"192.0.2.1:80": 100, "192.0.2.2:80": 100}), nil, balancer.Options{})
	if _, err := old.SetHealth(t.Context(), "192.0.2.1:80", "", false); err != nil {
		t.Fatal(err)
	}
	u, _ := newUpstream(t, upstream(passive(0), map[string]float64{"192.0.2.1:80": 50, "192.0.2.3:80": 100}), set, balancer.Options{})
	if healthOf(t, u, "192.0.2.1:80") != balancer.Unhealthy || healthOf(t, u, "192.0.2.3:80") != balancer.Healthy {
		t.Error("the health of a target was lost, or a new one has another's")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "two.test" || broken.Load() {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")}, nil
	}
	u, set := newUpstream(t, upstream(passive(0), map[string]float64{"two.test": 100, "none.test:80": 100}), nil,
		balancer.Options{Resolve: resolve, Refresh: time.Nanosecond})
	defer set.Close()
	seen := map[string]int{}
	for range 10 {
		peer := pick(t, u, &balancer.Choice{})
		seen[peer.Address]++
		broken.Store(true) // a name server's outage takes no address away
	}
	if seen["192.0.2.1:8000"] != 5 || seen["192.0.2.2:8000"] != 5 {
		t.Errorf("chosen %v, want both addresses alike", seen)
	}
	if have := healthOf(t, u, "none.test:80"); have != balancer.DNSError {
		t.Errorf("a name that is not known is %s", have)
	}
}

// TestActiveChecks covers that a target that answers badly is left out, and
// comes back once it answers well.
func TestActiveChecks(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(http.StatusInternalServerError)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" || r.Host != "hh.example" || r.Header.Get("X-Probe") != "1" {
			status.Store(http.StatusTeapot)
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	target := server.Listener.Addr().String()
	for _, kind := range []string{"http", "tcp"} {
		status.Store(http.StatusInternalServerError)
		u, set := newUpstream(t, upstream(row{"host_header": "hh.example", "healthchecks": row{"active": row{
			"type": kind, "http_path": "/up", "headers": row{"X-Probe": []any{"1"}},
			"healthy":   row{"interval": 0.01, "successes": 2.0},
			"unhealthy": row{"interval": 0.01, "http_failures": 2.0, "tcp_failures": 1.0},
		}}}, map[string]float64{target: 100}), nil, balancer.Options{})
		set.Start(t.Context())
		if kind == "http" {
			await(t, func() bool { return healthOf(t, u, target) == balancer.Unhealthy })
		} else if _, err := u.SetHealth(t.Context(), target, "", false); err != nil {
			t.Fatal(err)
		}
		status.Store(http.StatusOK)
		await(t, func() bool { return healthOf(t, u, target) == balancer.Healthy })
		set.Close()
	}
}

// await waits until a condition holds.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	deadline, ticker := time.After(10*time.Second), time.NewTicker(2*time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatal("waited 10 s in vain")
		case <-ticker.C:
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]*entity.Table{
		"algorithm": upstream(row{"algorithm": "x"}, nil),
		"target":    upstream(row{}, map[string]float64{"host:port:x": 1}),
		"srv":       upstream(row{"use_srv_name": true}, nil),
	} {
		if _, err := balancer.New(table, nil, balancer.Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
