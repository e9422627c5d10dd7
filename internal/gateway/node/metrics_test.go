// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"blackout/internal/fallback/bucket"
)

var update = flag.Bool("update", false, "write the pages that are made from tables")

// The page of the metrics is made from their table.
func TestMetricsPageIsTheTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "docs", "gateway-metrics.md")
	page := metricsPage()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != page {
		t.Errorf("%s is not what the table says (%v); run this test with -update", path, err)
	}
}

// watchList is the end of the page. A tilde stands for a backquote.
var watchList = strings.ReplaceAll(`
What to watch

- ~blackout_configuration_source{source="store"} == 1~: a data plane serves the copy from object storage; its control plane gave it nothing.
- ~blackout_export_lag_seconds~ much above ~cluster_fallback_config_export_delay~: the copy falls behind.
- ~blackout_export_failures~ above 0 for longer than a minute: the object storage refuses or does not answer; ~fallback.last_error~ of ~/status~ says why.
- ~blackout_store_requests_total{result="denied"}~ rising: a node may not do what it must; ~blackout fallback iam~ prints the rights.
- ~sum(blackout_export_role{role!="standby"})~ over the backup nodes of one storage and version: 1. With 0 nobody writes the copy; with 2 two nodes do without an
  election, or storage and version are not the same.
- ~increase(blackout_export_takeovers_total[1h])~ above 1: backup nodes take the writing from each other; see whether they reach the storage, and whether ~blackout_fallback_lease~ is
  the same on all.
- ~blackout_snapshot_age_seconds~ absent on a backup node that has run for longer than the export delay: there is no copy. A large age alone is none to worry about: a copy is
  written when the configuration changes. On a data plane that serves the copy it tells how old its configuration is.
- ~blackout_configuration_refused_total~ rising: the control plane sends what this data plane cannot use; it goes on with what it has.
- ~kong_data_plane_config_hash~ of one data plane staying behind the others: the same, seen from the control plane.
`, "~", "`")

// Whatever a node tells of the copy is among what to watch.
func TestMetricsOfTheCopyAreWatched(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway-metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, watched, _ := strings.Cut(string(page), "What to watch")
	seen := 0
	for _, m := range metricTable() {
		for _, family := range []string{"blackout_export_", "blackout_fallback_", "blackout_snapshot_", "blackout_store_"} {
			if !strings.HasPrefix(m.name, family) {
				continue
			}
			seen++
			if !strings.Contains(watched, m.name) {
				t.Errorf("the page says nothing of when to look after %s", m.name)
			}
		}
	}
	if seen < 6 {
		t.Errorf("found %d metrics of the copy", seen)
	}
}

func metricsPage() string {
	var page strings.Builder
	page.WriteString(`# Metrics of the gateway

` + "`GET /metrics`" + ` at the Status API, in the Prometheus text format, on control planes (CP) and data planes (DP). Metrics named
` + "`kong_`" + ` have the names, labels and meanings of Kong 3.9's Prometheus plugin, so that dashboards and alerts for Kong
work; those named ` + "`blackout_`" + ` are this gateway's own. Kong's metrics per request (` + "`kong_http_requests_total`" + ` …) need its
plugin, which is not here.

| metric | type | labels | on | meaning |
|---|---|---|---|---|
`)
	for _, m := range metricTable() {
		kind := map[prometheus.ValueType]string{prometheus.GaugeValue: "gauge", prometheus.CounterValue: "counter"}[m.kind]
		on := "CP, DP"
		switch {
		case !m.dataPlane:
			on = "CP"
		case !m.controlPlane:
			on = "DP"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s |\n", m.name, kind, strings.Join(m.labels, ", "), on, m.help)
	}
	page.WriteString(watchList)
	return page.String()
}

type tells struct{ name string }

func (p tells) measure(_ context.Context, tell teller) { tell(p.name, 1) }

func TestMetricsOutsideTheTableAreRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"kong_node": false, "kong_datastore_reachable": true, "kong_control_plane_connected": false, "kong_node_info": false} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(newCollector(true, tells{name})) // of a control plane; kong_node_info has labels
		if _, err := registry.Gather(); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What both roles tell in any state is what the table says, name by name.
func TestProcessMetricsAreInTheTable(t *testing.T) {
	t.Parallel()
	for _, controlPlane := range []bool{true, false} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(newCollector(controlPlane, process{id: "id", version: "3.9.1"}))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, family := range families {
			names = append(names, family.GetName())
		}
		if !slices.Contains(names, "kong_nginx_connections_total") || len(names) != 8 {
			t.Errorf("got %v", names)
		}
	}
}

type brokenStore struct {
	bucket.Bucket
	err error
}

func (s brokenStore) Get(context.Context, string, int64) (bucket.Object, error) {
	return bucket.Object{}, s.err
}

func (s brokenStore) Put(context.Context, string, bucket.Body, bucket.PutOptions) (string, error) {
	return "", s.err
}

func TestStoreMeterCounts(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"ok": nil, "absent": bucket.ErrNotFound, "conflict": bucket.ErrConflict, "denied": fmt.Errorf("put: %w", bucket.ErrDenied),
		"unavailable": bucket.ErrUnavailable, "failed": errors.New("x"),
	} {
		meter := &storeMeter{snapshot: "p/1/config.json"}
		reading, writing := meter.over(brokenStore{err: err}), meter.over(brokenStore{err: err})
		_, _ = reading.Get(t.Context(), "p/1/config.json", 1)
		_, _ = writing.Put(t.Context(), "p/1/election/lease.json", bucket.BodyOf(nil), bucket.PutOptions{})
		got := map[string]float64{}
		tell := func(name string, value float64, labels ...string) { got[name+" "+strings.Join(labels, " ")] = value }
		if meter.measure(t.Context(), tell); got["blackout_store_requests_total election_put "+want] != 1 {
			t.Errorf("%v: got %v", err, got)
		}
		if _, aged := got["blackout_snapshot_age_seconds "]; aged {
			t.Errorf("a lease is no copy, and has none's age: %v", got)
		}
		_, _ = writing.Put(t.Context(), "p/1/config.json", bucket.BodyOf(nil), bucket.PutOptions{})
		_, _ = writing.Put(t.Context(), "p/1/config.json", bucket.BodyOf(nil), bucket.PutOptions{})
		meter.measure(t.Context(), tell)
		if got["blackout_store_requests_total get "+want] != 1 || got["blackout_store_requests_total put "+want] != 2 {
			t.Errorf("%v: got %v", err, got)
		}
		if _, aged := got["blackout_snapshot_age_seconds "]; aged != (err == nil) {
			t.Errorf("%v: got %v", err, got)
		}
	}
}
