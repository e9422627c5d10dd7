// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/process"

	"blackout/harness/history"
)

// sampleInterval is how often a [Sampler] looks.
const sampleInterval = time.Second

// Sampler measures the measurement, once a second and at its end: how well the
// schedules of its probers were kept, and what may have kept them from it. It
// records metrics, which package history names. What this machine does not tell
// is recorded once, with the reason, instead of a figure. The zero value samples
// the harness alone.
type Sampler struct {
	// Processes, if set, tells the process of each node that has one on this
	// machine, by node.
	Processes func(ctx context.Context) map[string]int

	mu      sync.Mutex
	probers []*Prober
}

// Add lets the sampler look at a prober too, from now on and after its stop.
func (s *Sampler) Add(p *Prober) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probers = append(s.probers, p)
}

// Run samples until ctx ends.
func (s *Sampler) Run(ctx context.Context, rec *history.Writer) {
	r := newSampling(s, rec)
	tick := time.NewTicker(denialInterval)
	defer tick.Stop()
	for ticks := 0; ctx.Err() == nil; ticks++ {
		if ticks%int(sampleInterval/denialInterval) == 0 {
			r.sample(ctx)
		} else {
			r.denied()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	r.sample(context.WithoutCancel(ctx)) // the last figures are those that count
}

// sampling is a sampler at work.
type sampling struct {
	*Sampler
	rec     *history.Writer
	root    fs.FS           // of this machine
	unknown map[string]bool // of what it was said that it cannot be had
	pids    map[string]int  // of the nodes, at the last whole sample
	denials map[string]*denial
}

func newSampling(s *Sampler, rec *history.Writer) *sampling {
	return &sampling{Sampler: s, rec: rec, root: os.DirFS("/"), unknown: make(map[string]bool), denials: make(map[string]*denial)}
}

func (s *sampling) sample(ctx context.Context) {
	s.traffic()
	s.machine(ctx)
	s.process(ctx, history.Harness, os.Getpid())
	if s.Processes == nil {
		return
	}
	s.pids = s.Processes(ctx)
	s.denied()
	for _, node := range slices.Sorted(maps.Keys(s.pids)) {
		s.process(ctx, node, s.pids[node])
	}
}

// traffic samples how well the schedules of all probers were kept.
func (s *sampling) traffic() {
	s.mu.Lock()
	probers := slices.Clone(s.probers)
	s.mu.Unlock()
	var f figures
	now := s.rec.Now()
	for _, p := range probers {
		for _, stream := range p.streams {
			f.add(stream, now)
		}
	}
	if len(probers) > 0 {
		f.record(s.rec, history.Harness, 0)
	}
}

// machine samples what the harness is denied.
func (s *sampling) machine(ctx context.Context) {
	throttled, err := readThrottling(s.root)
	s.metric(history.Harness, history.ThrottledPeriods, float64(throttled.periods), err)
	s.metric(history.Harness, history.ThrottledSeconds, throttled.total.Seconds(), err)
	average, err := load.AvgWithContext(ctx)
	if err != nil {
		average = new(load.AvgStat)
	}
	s.metric(history.Harness, history.LoadAverage, average.Load1, err)
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	s.metric(history.Harness, history.GCPauses, gc.PauseTotal.Seconds(), nil)
}

// ofProcess are the figures of a process.
var ofProcess = []struct {
	name string
	read func(context.Context, *process.Process) (float64, error)
}{
	{history.ProcessCPU, func(ctx context.Context, p *process.Process) (float64, error) {
		times, err := p.TimesWithContext(ctx)
		if err != nil {
			return 0, err
		}
		return times.User + times.System, nil
	}},
	{history.ProcessResident, func(ctx context.Context, p *process.Process) (float64, error) {
		memory, err := p.MemoryInfoWithContext(ctx)
		if err != nil {
			return 0, err
		}
		return float64(memory.RSS), nil
	}},
	{history.ProcessFiles, func(ctx context.Context, p *process.Process) (float64, error) {
		files, err := p.NumFDsWithContext(ctx)
		return float64(files), err
	}},
	{history.ProcessSockets, func(_ context.Context, p *process.Process) (float64, error) {
		sockets, err := countSockets(os.DirFS("/"), int(p.Pid))
		return float64(sockets), err
	}},
	{history.ProcessThreads, func(ctx context.Context, p *process.Process) (float64, error) {
		threads, err := p.NumThreadsWithContext(ctx)
		return float64(threads), err
	}},
}

// process samples a process. One that has ended has no figures.
func (s *sampling) process(ctx context.Context, node string, pid int) {
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return
	}
	for _, figure := range ofProcess {
		value, err := figure.read(ctx, p)
		if running, _ := p.IsRunningWithContext(ctx); err == nil || running {
			s.metric(node, figure.name, value, err)
		}
	}
}

// metric records a figure, or once that it cannot be had.
func (s *sampling) metric(node, name string, value float64, err error) {
	if err == nil {
		s.rec.Event(history.Event{Kind: history.Metric, Node: node, Text: name, Value: value})
		return
	}
	s.unknowable(history.Event{Kind: history.Metric, Node: node, Text: name, Error: err.Error()})
}

// unknowable records once that something cannot be had.
func (s *sampling) unknowable(e history.Event) {
	if key := string(e.Kind) + " " + e.Node + " " + e.Text; !s.unknown[key] {
		s.unknown[key] = true
		s.rec.Event(e)
	}
}
