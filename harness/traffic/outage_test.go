// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/reports"
)

// outage is an outage that was staged and what was seen of it. Its edges are
// intervals: from before the call that made one to after it.
type outage struct {
	closed, opened reports.Interval    // in truth
	streams        []reports.Outage    // as reports tell it, one of each stream
	watched        reports.Interval    // from the end of the idle connection to the next one
	all            [2]reports.Interval // edges that every stream agrees to
}

// The outage that is staged: 10 streams at 100 requests a second, staggered.
const (
	outageStreams  = 10
	outageInterval = 10 * time.Millisecond
	outagePart     = 150 * time.Millisecond // before it, in it and after it
)

// stageOutage closes a door that is probed and watched, and opens it again.
func stageOutage(tb testing.TB) outage {
	tb.Helper()
	d := &door{serve: func(conn net.Conn) {
		for in := bufio.NewReader(conn); ; {
			if _, err := request(in); err != nil {
				return
			}
			answer(conn)
		}
	}}
	d.open(tb)
	streams := Staggered(outageStreams, history.Stream{Name: "fresh", Node: "dp-1", Interval: outageInterval, Timeout: 5 * time.Second, Fresh: true})
	rec := newRecording(tb, streams...)
	ctx, stop := context.WithCancel(tb.Context())
	watched := make(chan struct{})
	c := Connection{Node: "dp-1", Endpoint: Endpoint{Address: d.address}, Redial: time.Millisecond, Timeout: patience}
	go func() { defer close(watched); c.Run(ctx, rec.Writer) }()
	p := start(tb, rec, Target{Endpoint: Endpoint{Address: d.address}, Paths: []string{"/probe"}}, streams)

	wait(tb, outagePart)
	closed := rec.interval(d.close(false))
	wait(tb, outagePart)
	opened := rec.interval(d.open(tb))
	wait(tb, outagePart)
	p.Stop()
	stop()
	<-watched
	d.close(false)

	loaded := rec.load(tb)
	o := outage{closed: closed, opened: opened, streams: reports.Build(reports.Input{Recording: loaded}).Outages}
	for _, e := range loaded.Events {
		switch {
		case e.Kind == history.ConnClose && o.watched.From == 0:
			o.watched.From = e.At
		case e.Kind == history.ConnOpen:
			o.watched.To = e.Until
		}
	}
	o.all = agreed(o.streams)
	return o
}

// interval is what lies between two moments.
func (r recording) interval(from, to time.Time) reports.Interval {
	return reports.Interval{From: r.At(from), To: r.At(to)}
}

// wait lets a part of the staged outage last.
func wait(tb testing.TB, d time.Duration) {
	tb.Helper()
	select {
	case <-time.After(d):
	case <-tb.Context().Done():
		tb.Fatal(tb.Context().Err())
	}
}

// agreed are the edges of an outage that every stream's edges allow.
func agreed(outages []reports.Outage) (edges [2]reports.Interval) {
	for i, o := range outages {
		for e, interval := range [2]reports.Interval{o.Start, o.End} {
			if i == 0 {
				edges[e] = interval
			}
			edges[e].From, edges[e].To = max(edges[e].From, interval.From), min(edges[e].To, interval.To)
		}
	}
	return edges
}

// misses says which interval does not hold the truth; nothing if all do.
func (o outage) misses() string {
	holds := func(seen, truth reports.Interval) bool { return seen.From <= truth.To && seen.To >= truth.From }
	if len(o.streams) != outageStreams {
		return fmt.Sprintf("%d outages on %d streams", len(o.streams), outageStreams)
	}
	for _, s := range o.streams {
		if !holds(s.Start, o.closed) || !holds(s.End, o.opened) {
			return fmt.Sprintf("%s was out from %v to %v; the door was closed in %v and opened in %v", s.Stream, s.Start, s.End, o.closed, o.opened)
		}
	}
	if !holds(o.all[0], o.closed) || !holds(o.all[1], o.opened) {
		return fmt.Sprintf("all agree to %v; the door was closed in %v and opened in %v", o.all, o.closed, o.opened)
	}
	if o.watched.From < o.closed.From || o.watched.To < o.opened.From {
		return fmt.Sprintf("there was no connection in %v; the door was closed in %v and opened in %v", o.watched, o.closed, o.opened)
	}
	return ""
}

// TestOutageEdgesHoldTheTruth, however busy the machine is: that only makes them
// wider.
func TestOutageEdgesHoldTheTruth(t *testing.T) {
	t.Parallel()
	for range 3 {
		if why := stageOutage(t).misses(); why != "" {
			t.Error(why)
		}
	}
}
