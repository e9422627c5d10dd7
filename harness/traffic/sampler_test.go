// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"blackout/harness/history"
)

// sampled runs a sampler for a moment and returns what it recorded.
func sampled(t *testing.T, s *Sampler, rec recording) *history.Recording {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx, rec.Writer) }()
	await(t, "a sample", func() bool { return len(rec.soFar(history.Harness)) > 0 })
	stop()
	<-ended
	return rec.load(t)
}

// TestSampler: all of what may have disturbed a measurement is there, or it is
// said why not.
func TestSampler(t *testing.T) {
	t.Parallel()
	streams := both(5*time.Millisecond, patience)
	rec := newRecording(t, streams...)
	p := start(t, rec, serveApart(t), streams)
	s := &Sampler{Processes: func(context.Context) map[string]int { return map[string]int{"dp-1": os.Getpid(), "dp-2": -1} }}
	s.Add(p)
	await(t, "requests", func() bool { return p.streams[1].sent.Load() >= 20 })
	p.Stop()
	loaded := sampled(t, s, rec)

	got := metrics(loaded, history.Harness, 0)
	for _, name := range []string{
		history.SlotsDue, history.SlotsSent, history.SlotsSaturated, history.LagP50, history.LagP99, history.LagMax,
		history.LoadAverage, history.GCPauses, history.ThrottledPeriods, history.ThrottledSeconds,
		history.ProcessCPU, history.ProcessResident, history.ProcessFiles, history.ProcessSockets, history.ProcessThreads,
	} {
		if _, ok := got[name]; !ok && !excused(loaded, name) {
			t.Errorf("%s is missing, and nothing says why", name)
		}
	}
	if n := float64(len(loaded.Requests)); got[history.SlotsDue] != n || got[history.SlotsSent] != n {
		t.Errorf("%g slots due and %g sent, want %g", got[history.SlotsDue], got[history.SlotsSent], n)
	}
	if own := metrics(loaded, "dp-1", 0); own[history.ProcessResident] <= 0 || own[history.ProcessFiles] <= 0 {
		t.Errorf("of a node's process: %v", own)
	}
	if ended := metrics(loaded, "dp-2", 0); len(ended) > 0 {
		t.Errorf("of a process that is not there: %v", ended)
	}
}

// excused says whether a recording says why it has no figure of a name.
func excused(rec *history.Recording, name string) bool {
	for _, e := range rec.Events {
		if e.Kind == history.Metric && e.Text == name && e.Error != "" {
			return true
		}
	}
	return false
}

// TestWhatCannotBeHadIsSaidOnce and not taken for zero.
func TestWhatCannotBeHadIsSaidOnce(t *testing.T) {
	t.Parallel()
	rec := newRecording(t)
	s := newSampling(new(Sampler), rec.Writer)
	for range 3 {
		s.metric(history.Harness, history.ThrottledSeconds, 0, errors.New("no such file"))
	}
	events := rec.soFar(history.Harness)
	if len(events) != 1 || events[0].Error != "no such file" || events[0].Text != history.ThrottledSeconds {
		t.Errorf("recorded %+v", events)
	}
}
