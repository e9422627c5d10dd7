// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package traffic sends probes and watches nodes, and records what came back.
// It judges nothing. Its central type is [Prober].
//
// The prober is open loop: the schedule is absolute and fixed before the first
// request. A fixed number of workers draw slots from one atomic counter, and
// each sleeps until its slot's intended time. There is no pacing goroutine and no
// channel to block on, so a slow target delays nobody, and a late request is
// recorded as late. There are as many workers as requests can be outstanding
// (rate × timeout): with fewer, a target that never answers would turn the open
// loop into a closed one and hide its own failures.
package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"blackout/harness/history"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 1 << 16

// Target is where a stream's requests go.
type Target struct {
	Address string   // "host:port" to dial
	Paths   []string // paths of probed routes; requests take them in turn
}

// Prober drives the streams of one target until stopped.
type Prober struct {
	stop    atomic.Int64 // history.Time after which nothing more is due; 0 while running
	wake    chan struct{}
	workers sync.WaitGroup
	close   []func()
}

// Start begins to send. The streams are the target's, by their index in the
// recording's header; they are staggered evenly, because streams in step see
// the same moments twice and miss the ones between.
func Start(rec *history.Writer, target Target, streams map[uint16]history.Stream) *Prober {
	p := &Prober{wake: make(chan struct{})}
	begin := rec.Now()
	for k, index := range slices.Sorted(maps.Keys(streams)) {
		s := streams[index]
		client := newClient(s)
		p.close = append(p.close, client.CloseIdleConnections)
		run := &stream{
			rec: rec, index: index, spec: s, client: client,
			base: "http://" + target.Address, paths: target.Paths,
			begin: begin + history.Time(s.Interval)*history.Time(k)/history.Time(len(streams)),
		}
		for range workers(s) {
			p.workers.Go(func() { run.work(p) })
		}
	}
	return p
}

// Stop ends the schedule now, sends what is already due, waits for the answers
// and closes the connections.
func (p *Prober) Stop(rec *history.Writer) {
	p.stop.Store(int64(rec.Now()))
	close(p.wake)
	p.workers.Wait()
	for _, c := range p.close {
		c()
	}
}

// workers is how many requests of a stream can be outstanding, and a few.
func workers(s history.Stream) int { return int(s.Timeout/s.Interval) + 4 }

func newClient(s history.Stream) *http.Client {
	return &http.Client{
		Timeout: s.Timeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: s.Timeout}).DialContext,
			DisableKeepAlives:   s.Fresh,
			DisableCompression:  true,
			MaxIdleConnsPerHost: workers(s),
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type stream struct {
	rec    *history.Writer
	index  uint16
	spec   history.Stream
	client *http.Client
	base   string
	paths  []string
	begin  history.Time
	slot   atomic.Int64
}

func (s *stream) work(p *Prober) {
	for {
		slot := s.slot.Add(1) - 1
		intended := s.begin + history.Time(slot)*history.Time(s.spec.Interval)
		if !s.await(p, intended) {
			return
		}
		s.rec.Request(s.send(intended, s.base+s.paths[slot%int64(len(s.paths))]))
	}
}

// await sleeps until the slot is due and reports whether it is to be sent.
func (s *stream) await(p *Prober, intended history.Time) bool {
	wait := time.NewTimer(time.Until(s.rec.Wall(intended)))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-p.wake:
	}
	stop := p.stop.Load()
	return stop == 0 || intended <= history.Time(stop)
}

func (s *stream) send(intended history.Time, url string) history.Request {
	r := history.Request{Intended: intended, Stream: s.index}
	connections := 0
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		connections++
		if !info.Reused {
			r.Flags |= history.NewConnection
		}
	}}
	// The client's timeout bounds the request; a prober outlives no context.
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		r.Sent, r.Done, r.Class = s.rec.Now(), s.rec.Now(), history.OtherError
		return r
	}
	r.Sent = s.rec.Now()
	answer := Ask(s.client, req)
	r.Done = s.rec.Now()
	r.Status, r.Class, r.Generation = answer.Status, answer.Class, answer.Generation
	if connections > 1 {
		r.Flags |= history.Masked
	}
	return r
}

// Answer is what came back from the probed route.
type Answer struct {
	Status     uint16
	Class      history.Class
	Generation uint32
}

// Ask sends req to the probed route and reads the answer whole.
func Ask(client *http.Client, req *http.Request) Answer {
	res, err := client.Do(req)
	if err != nil {
		return Answer{Class: Classify(err)}
	}
	defer res.Body.Close()
	a := Answer{Status: uint16(res.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	switch {
	case err != nil:
		a.Class = Classify(err)
	case res.StatusCode != http.StatusOK:
		a.Class = history.WrongStatus
	default:
		generation, ok := ReadGeneration(body)
		a.Generation = generation
		if !ok {
			a.Class = history.WrongBody
		}
	}
	return a
}

// ReadGeneration finds the generation in an upstream's echo: a JSON object whose
// "path" is /gen/<n>, the path of the probed service, with anything after it.
func ReadGeneration(body []byte) (generation uint32, ok bool) {
	var echo struct {
		Path string `json:"path"`
	}
	if json.Unmarshal(body, &echo) != nil {
		return 0, false
	}
	rest, found := strings.CutPrefix(echo.Path, "/gen/")
	if !found {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n > 0
}

// Classify says how a request without a whole answer ended.
func Classify(err error) history.Class {
	var netErr net.Error
	switch {
	case err == nil:
		return history.Good
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return history.Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return history.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return history.Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return history.EOF
	}
	return history.OtherError
}
