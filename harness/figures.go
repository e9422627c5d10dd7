// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"blackout/harness/engine"
	"blackout/harness/history"
)

// A node's own figures are asked for once a second; where many data planes are looked
// at, so often that all of them together are asked ten times a second.
const (
	figuresInterval = time.Second
	figuresShare    = 100 * time.Millisecond
)

// maxFigures bounds the answer of /metrics, in bytes.
const maxFigures = 1 << 20

// toldFigures are the figures that a node tells of itself, by the names under which
// Kong 3.9 exposes them: the sum of what has one of the label's values, or of all.
var toldFigures = []struct {
	name, metric, label, value string
}{
	{history.RunningTimers, "kong_nginx_timers", "state", "running"},
	{history.LiveBytes, "kong_memory_workers_lua_vms_bytes", "", ""},
}

// followFigures records what a node tells of itself until ctx ends. What it does not
// tell is recorded once. A node that does not answer tells nothing.
func (c *Cluster) followFigures(ctx context.Context, node engine.Node) {
	client := &http.Client{Timeout: answerTimeout}
	defer client.CloseIdleConnections()
	untold := make(map[string]bool)
	next := time.NewTimer(figuresInterval)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(max(figuresInterval, time.Duration(c.watched.Load())*figuresShare))
		c.recordFigures(ctx, client, node, untold)
	}
}

func (c *Cluster) recordFigures(ctx context.Context, client *http.Client, node engine.Node, untold map[string]bool) {
	address, err := c.endpoint(ctx, node.Name(), portStatus)
	if err != nil {
		return // it does not run
	}
	families, err := scrape(ctx, client, "http://"+address+"/metrics")
	if errors.Is(err, errNoAnswer) {
		return
	}
	for _, f := range toldFigures {
		value, why := 0.0, err
		if why == nil {
			value, why = sum(families[f.metric], f.label, f.value)
		}
		e := history.Event{Kind: history.Metric, Node: node.Name(), Text: f.name, Value: value}
		if why != nil && untold[f.name] {
			continue
		}
		if why != nil {
			untold[f.name] = true
			e.Error = fmt.Sprintf("%s: %v", f.metric, why)
		}
		c.rec.Event(e)
	}
}

// errNoAnswer is returned, wrapped, by scrape where nobody answers.
var errNoAnswer = errors.New("no answer")

// scrape reads the metrics of an address in the Prometheus text format, by name.
func scrape(ctx context.Context, client *http.Client, url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics answers status %d", res.StatusCode)
	}
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(io.LimitReader(res.Body, maxFigures))
	if err != nil {
		return nil, fmt.Errorf("read /metrics: %w", err)
	}
	return families, nil
}

// sum adds the gauges of a family that have a label's value, or all of them.
func sum(family *dto.MetricFamily, label, value string) (total float64, err error) {
	found := false
	for _, m := range family.GetMetric() {
		if m.Gauge == nil || label != "" && !hasLabel(m, label, value) {
			continue
		}
		found = true
		total += m.GetGauge().GetValue()
	}
	if !found {
		return 0, errors.New("/metrics does not have it")
	}
	return total, nil
}

func hasLabel(m *dto.Metric, name, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == name && l.GetValue() == value {
			return true
		}
	}
	return false
}
