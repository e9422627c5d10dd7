// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"net/http"
	"time"

	"blackout/harness/history"
)

// Control asks an upstream itself, past every gateway, until its context ends. What
// keeps it waiting is the machine and no gateway: that tells a stall from an outage.
type Control struct {
	Upstream string // its name
	Endpoint Endpoint
}

const (
	controlInterval = 100 * time.Millisecond
	controlTimeout  = 5 * time.Second
	controlPath     = "/gen/1/control" // an echo of it is a good answer

	// controlSlow is from when on an answer is recorded. A good machine needs a
	// hundredth of it.
	controlSlow = 100 * time.Millisecond
)

// Run asks at fixed times; those that pass while it waits are left out, for the wait
// covers them. It records each answer that was slow or bad, and once a second and at
// its end how many requests it sent.
func (c Control) Run(ctx context.Context, rec *history.Writer) {
	transport := &http.Transport{DialContext: c.Endpoint.dialer(controlTimeout), DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: controlTimeout, Transport: transport}
	asked, told := 0, rec.Now()
	tell := func() {
		rec.Event(history.Event{Kind: history.Metric, Node: c.Upstream, Text: history.ControlRequests, Value: float64(asked)})
	}
	defer func() { tell() }()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for due := rec.Now(); ; due = c.next(due, rec.Now()) {
		wait.Reset(time.Duration(due - rec.Now()))
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		c.ask(ctx, rec, client, due)
		if ctx.Err() != nil {
			return
		}
		if asked++; rec.Now()-told >= history.Time(sampleInterval) {
			tell()
			told = rec.Now()
		}
	}
}

// next is the first of the fixed times that is yet to come.
func (c Control) next(due, now history.Time) history.Time {
	passed := max(0, now-due) / history.Time(controlInterval)
	return due + (passed+1)*history.Time(controlInterval)
}

// ask sends the request of a time. One that the end of the control cut off says nothing.
func (c Control) ask(ctx context.Context, rec *history.Writer, client *http.Client, due history.Time) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Endpoint.Address+controlPath, nil)
	if err != nil {
		rec.Event(history.Event{Kind: history.HarnessError, Node: c.Upstream, Error: err.Error()})
		return
	}
	a := Ask(client, req)
	done := rec.Now()
	if ctx.Err() != nil || a.Class == history.Good && done-due < history.Time(controlSlow) {
		return
	}
	e := history.Event{At: due, Until: done, Kind: history.UpstreamSlow, Node: c.Upstream, Code: int(a.Status)}
	if a.Class != history.Good {
		e.Error = a.Class.String()
	}
	rec.Event(e)
}
