// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// measured is a part of a node that has figures to tell.
type measured interface {
	// measure tells the part's figures as they are now.
	measure(ctx context.Context, tell teller)
}

// teller takes one figure of a metric in the table, with the values of its labels.
type teller func(name string, value float64, labels ...string)

// collector asks a node's parts for their figures when they are wanted. It keeps
// none.
type collector struct {
	table map[string]metric
	descs map[string]*prometheus.Desc
	parts []measured
}

var _ prometheus.Collector = (*collector)(nil)

// newCollector makes the collector of a role.
func newCollector(controlPlane bool, parts ...measured) *collector {
	c := &collector{table: map[string]metric{}, descs: map[string]*prometheus.Desc{}, parts: parts}
	for _, m := range metricTable() {
		if controlPlane && m.controlPlane || !controlPlane && m.dataPlane {
			c.table[m.name] = m
			c.descs[m.name] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
		}
	}
	return c
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	tell := func(name string, value float64, labels ...string) {
		desc, known := c.descs[name]
		if !known {
			metrics <- prometheus.NewInvalidMetric(prometheus.NewDesc(name, "", nil, nil), fmt.Errorf("%s is not in the table of metrics", name))
			return
		}
		m, err := prometheus.NewConstMetric(desc, c.table[name].kind, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		metrics <- m
	}
	for _, part := range c.parts {
		part.measure(context.Background(), tell) // a part bounds its own waits
	}
}

// metricsHandler serves /metrics in the text form, with the Content-Type of Kong
// 3.9.
func metricsHandler(c *collector) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(c); err != nil {
		return nil, fmt.Errorf("register the metrics: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		families, err := registry.Gather()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, family := range families {
			if encoder.Encode(family) != nil {
				return // the client has gone
			}
		}
	}), nil
}

// process tells what every node has.
type process struct {
	id, version string
	traffic     *counters // nil on a node without proxy listeners
}

func (p process) measure(_ context.Context, tell teller) {
	tell("kong_node_info", 1, p.id, p.version)
	tell("kong_nginx_metric_errors_total", 0)
	tell("kong_nginx_timers", float64(runtime.NumGoroutine()), "running")
	tell("kong_nginx_timers", 0, "pending")
	const subsystem = "http"
	used := readMemory()
	for _, name := range sharedMemory {
		allocated, capacity := used.dictionary(name)
		tell("kong_memory_lua_shared_dict_bytes", float64(allocated), p.id, name, subsystem)
		tell("kong_memory_lua_shared_dict_total_bytes", float64(capacity), p.id, name, subsystem)
	}
	tell("kong_memory_workers_lua_vms_bytes", float64(used.live), p.id, strconv.Itoa(os.Getpid()), subsystem)
	counted := p.traffic.describe()
	for _, state := range []string{"accepted", "handled", "active", "reading", "writing", "waiting"} {
		tell("kong_nginx_connections_total", float64(counted["connections_"+state]), p.id, subsystem, state)
	}
	tell("kong_nginx_connections_total", float64(counted["total_requests"]), p.id, subsystem, "total")
	tell("kong_nginx_requests_total", float64(counted["total_requests"]), p.id, subsystem)
}

// oneIf is the figure of a yes or no.
func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
