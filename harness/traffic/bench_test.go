// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/load"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"blackout/harness/history"
	"blackout/reports"
)

// The load of [BenchmarkProber], and how long each side of it is measured.
const (
	benchRate    = 5000 // requests a second
	benchTimeout = time.Second
	benchFor     = 2 * time.Second
	benchRounds  = 9
)

// vegetaWorkers bounds vegeta's: without a bound it starts a worker, with a new
// connection, whenever none is free this instant, and collapses.
const vegetaWorkers = 64

// BenchmarkProber sends as much as 5 000 requests a second to a trivial server in
// another process and compares what that costs with vegeta, round by round. A
// figure is the median of the rounds in which the machine let the prober keep its
// schedule; all of them, if it did so in none.
func BenchmarkProber(b *testing.B) {
	to := serveApart(b)
	for b.Loop() {
		var all, counting []round
		for n := range benchRounds {
			r := round{}
			if n%2 == 0 {
				r.prober(b, to)
				r.vegeta(b, to)
			} else {
				r.vegeta(b, to)
				r.prober(b, to)
			}
			if all = append(all, r); r.sent >= minSent && r.lag <= tolerableLag {
				counting = append(counting, r)
			}
		}
		b.ReportMetric(float64(len(counting)), "rounds")
		if len(counting) == 0 {
			b.Log("the machine was too busy in every round")
			counting = all
		}
		b.ReportMetric(median(counting, func(r round) float64 { return r.sent }), "sent/due")
		b.ReportMetric(median(counting, func(r round) float64 { return r.lag.Seconds() * 1e3 }), "lag-p99-ms")
		b.ReportMetric(median(counting, func(r round) float64 { return r.cost }), "cpu-µs/req")
		b.ReportMetric(median(counting, func(r round) float64 { return r.vegetaCost }), "vegeta-cpu-µs/req")
		b.ReportMetric(median(counting, func(r round) float64 { return r.cost / r.vegetaCost }), "cpu/vegeta")
	}
	b.ReportMetric(0, "ns/op")
	reportLoad(b)
}

// round is one measurement of each side.
type round struct {
	sent             float64       // of what was due, within the time
	lag              time.Duration // at the 99th percentile
	cost, vegetaCost float64       // processor time of this process for a request, in µs
}

func (r *round) prober(b *testing.B, to Target) {
	s := history.Stream{Name: "bench", Node: "dp-1", Interval: time.Second / benchRate, Timeout: benchTimeout}
	rec := newRecording(b, s)
	before := processorTime(b)
	p := start(b, rec, to, []history.Stream{s})
	wait(b, benchFor)
	p.Stop()
	spent := processorTime(b) - before
	loaded := rec.load(b)
	stop, inTime := history.Time(p.streams[0].stop.Load()), 0
	for _, q := range loaded.Requests {
		if q.Sent <= stop {
			inTime++
		}
		if q.Class != history.Good {
			b.Errorf("request %+v: %s", q, q.Class)
		}
	}
	r.sent = float64(inTime) / float64(p.streams[0].due(stop))
	r.lag = time.Duration(metrics(loaded, "dp-1", 0)[history.LagP99] * float64(time.Second))
	r.cost = micros(spent) / float64(len(loaded.Requests))
}

func (r *round) vegeta(b *testing.B, to Target) {
	attacker := vegeta.NewAttacker(vegeta.MaxWorkers(vegetaWorkers), vegeta.MaxBody(0), vegeta.Timeout(benchTimeout))
	targets := vegeta.NewStaticTargeter(vegeta.Target{Method: "GET", URL: "http://" + to.Address + to.Paths[0]})
	before := processorTime(b)
	requests := 0
	for range attacker.Attack(targets, vegeta.Rate{Freq: benchRate, Per: time.Second}, benchFor, "") {
		requests++
	}
	r.vegetaCost = micros(processorTime(b)-before) / float64(requests)
	attacker.Stop()
}

// BenchmarkOutageEdges compares the edges of outages that were staged with the
// truth: the distance from the middle of what all streams agree to, and from what
// the idle connection saw.
func BenchmarkOutageEdges(b *testing.B) {
	const outages = 15
	for b.Loop() {
		var start, end, lost, found []time.Duration
		missed := 0
		for range outages {
			o := stageOutage(b)
			if why := o.misses(); why != "" {
				missed++
				b.Error(why)
				continue
			}
			start = append(start, (middle(o.all[0]) - middle(o.closed)).Abs())
			end = append(end, (middle(o.all[1]) - middle(o.opened)).Abs())
			lost = append(lost, (o.watched.From.Sub(0) - middle(o.closed)).Abs())
			found = append(found, (o.watched.To.Sub(0) - middle(o.opened)).Abs())
		}
		b.ReportMetric(float64(missed), "truth-missed")
		b.ReportMetric(median(start, millis), "start-error-ms")
		b.ReportMetric(median(end, millis), "end-error-ms")
		b.ReportMetric(median(lost, millis), "watched-start-error-ms")
		b.ReportMetric(median(found, millis), "watched-end-error-ms")
	}
	b.ReportMetric(0, "ns/op")
	reportLoad(b)
}

// BenchmarkReadGeneration is what checking an answer costs.
func BenchmarkReadGeneration(b *testing.B) {
	body := []byte(`{"path":"/gen/1234/probe","generation":1234,"host":"127.0.0.1:8000","method":"GET"}` + "\n")
	b.ReportAllocs()
	for b.Loop() {
		if n, ok := ReadGeneration(body); !ok || n != 1234 {
			b.Fatal(n, ok)
		}
	}
}

// middle is the middle of an interval, since the start of the run.
func middle(i reports.Interval) time.Duration { return time.Duration(i.From+i.To) / 2 }

func millis(d time.Duration) float64 { return d.Seconds() * 1e3 }

func micros(d time.Duration) float64 { return d.Seconds() * 1e6 }

// median is the median of what of makes of all; 0 of nothing.
func median[T any](all []T, of func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = of(v)
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// processorTime is what this process has used, in user and kernel mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// reportLoad reports how busy the machine was, without which no figure of time
// says anything.
func reportLoad(b *testing.B) {
	b.Helper()
	average, err := load.AvgWithContext(b.Context())
	if err != nil {
		b.Log(err)
		return
	}
	b.ReportMetric(average.Load1, "load1")
}
