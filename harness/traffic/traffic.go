// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package traffic sends probes and watches nodes, and records what came back.
// It judges nothing. Its central type is [Prober].
//
// The prober is open loop: the schedule is absolute and fixed before the first
// request. Workers draw its slots in order, each slot once, and each sleeps until
// its slot's intended time. No goroutine sets the pace and no channel is there to
// block on, so a slow target delays nobody, and a late request is recorded as
// late. There are as many workers as requests can be outstanding (rate × timeout):
// with fewer, a target that never answers would turn the open loop into a closed
// one and hide its own failures.
//
// How good the measurement itself was is measured too: see [Sampler] and the
// names of its metrics in package history.
package traffic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"blackout/harness/history"
)

// The values of [history.Stream.Protocol]. Over TLS, HTTP/2 is negotiated;
// without, it is spoken with prior knowledge.
const (
	HTTP1 = "http/1.1"
	HTTP2 = "h2"
	H2C   = "h2c"
)

// lead is the time from Start to the first slot: the workers get up in it.
const lead = 10 * time.Millisecond

// Target is where a stream's requests go.
type Target struct {
	Endpoint
	Paths []string // paths of probed routes; requests take them in turn

	GuardedPaths []string    // paths of routes that need a key, for guarded streams and those that show one
	Key          string      // the right one
	Secure       Endpoint    // for TLS streams
	TLS          *tls.Config // for TLS streams: the roots and the name that the certificate is verified against
}

// Load is what a prober sends.
type Load struct {
	Target  Target
	Streams map[uint16]history.Stream // by their index in the recording's header

	// ClosedLoop is a known-bad generator, for the harness's own tests: each
	// stream waits for an answer before it sends the next request, and states the
	// time at which it did so as the one it intended.
	ClosedLoop bool
}

// slack is by how much a busy machine may notice a request's end too late
// without a stream running out of workers.
const slack = 250 * time.Millisecond

// Workers is how many requests of a stream can be outstanding if it is to stay
// open loop: rate × timeout, and some. It is 0 for a stream without an interval.
func Workers(s history.Stream) int {
	if s.Interval <= 0 {
		return 0
	}
	return int((s.Timeout+slack)/s.Interval) + 4
}

// Staggered are k streams like s, named "s 1" to "s k". A prober spaces them
// evenly, so that together they find every outage longer than interval/k.
func Staggered(k int, s history.Stream) []history.Stream {
	out := make([]history.Stream, k)
	for i := range out {
		out[i] = s
		out[i].Name = fmt.Sprintf("%s %d", s.Name, i+1)
	}
	return out
}

// Prober drives the streams of one target until stopped.
type Prober struct {
	rec     *history.Writer
	streams []*stream
	workers sync.WaitGroup
}

// ErrStream is returned, wrapped, for a stream that cannot be sent to its target.
var ErrStream = errors.New("stream cannot be sent")

// Start begins to send. The target's streams are staggered evenly, because
// streams in step see the same moments twice and miss the ones between. It
// records when the first request of each is due. The end of ctx ends nothing: an
// interrupt must not turn outstanding requests into failures. Stop must be called.
func Start(ctx context.Context, rec *history.Writer, load Load) (*Prober, error) {
	p := &Prober{rec: rec}
	for _, index := range slices.Sorted(maps.Keys(load.Streams)) {
		s, err := newStream(rec, load, index)
		if err != nil {
			return nil, err
		}
		p.streams = append(p.streams, s)
	}
	ctx = context.WithoutCancel(ctx)
	begin := rec.Now() + history.Time(lead)
	for k, s := range p.streams {
		s.begin = begin + history.Time(s.spec.Interval)*history.Time(k)/history.Time(len(p.streams))
		rec.Event(history.Event{At: s.begin, Kind: history.TrafficBegin, Node: s.spec.Node, Stream: int(s.index)})
		s.slots = newSlots(s.spec.Workers, s.spec.Interval, func(slot int64) *worker {
			w := newWorker(ctx, s)
			if load.ClosedLoop {
				p.workers.Go(func() { w.workClosed(slot) })
			} else {
				p.workers.Go(func() { w.work(slot) })
			}
			return w
		})
		s.alarm = newAlarm(rec.Wall(s.begin), s.spec.Interval)
		s.slots.open()
	}
	return p, nil
}

// Stop ends the schedule now, sends what is already due, waits for the answers
// and closes the connections. It records the end of each stream and how well its
// schedule was kept. Stopping twice is a mistake.
func (p *Prober) Stop() {
	for _, s := range p.streams {
		stop := s.end()
		s.slots.stop()
		p.rec.Event(history.Event{At: stop, Kind: history.TrafficEnd, Node: s.spec.Node, Stream: int(s.index)})
	}
	p.workers.Wait()
	for _, s := range p.streams {
		s.alarm.close()
		s.transport.CloseIdleConnections()
		s.recordFigures()
	}
}

// newStream is a stream of a load. Its schedule has no beginning yet.
func newStream(rec *history.Writer, load Load, index uint16) (*stream, error) {
	spec := load.Streams[index]
	target := load.Target
	if spec.Interval <= 0 || spec.Timeout <= 0 {
		return nil, fmt.Errorf("%w: %s: it needs an interval and a timeout, and has %s and %s", ErrStream, spec.Name, spec.Interval, spec.Timeout)
	}
	if spec.Workers == 0 {
		spec.Workers = Workers(spec)
	}
	if load.ClosedLoop {
		spec.Workers = 1
	}
	scheme, endpoint, paths := "http", target.Endpoint, target.Paths
	if spec.TLS {
		scheme, endpoint = "https", target.Secure
	}
	if spec.Guarded || spec.Key != "" {
		paths = target.GuardedPaths
	}
	if endpoint.Address == "" || len(paths) == 0 {
		return nil, fmt.Errorf("%w: %s: its target has no such address or path", ErrStream, spec.Name)
	}
	transport, err := newTransport(spec, endpoint, target.TLS)
	if err != nil {
		return nil, err
	}
	s := &stream{rec: rec, index: index, spec: spec, transport: transport, header: keyHeader(spec.Key, target.Key)}
	for _, path := range paths {
		u, err := url.Parse(scheme + "://" + endpoint.Address + path)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrStream, spec.Name, err)
		}
		s.urls = append(s.urls, u)
	}
	return s, nil
}
