// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
)

// How often the engine is asked for a node's state, and for what it listens on.
// A probe needs resolution in time; this tells a pause from a death.
const (
	stateInterval  = 500 * time.Millisecond
	listenInterval = 2 * time.Second
)

// looks are the repeated looks at a node. They end when another runs in its place.
type looks struct {
	end     context.CancelFunc
	running sync.WaitGroup
}

// observe records a gateway node's log lines, the states of its process, the
// addresses that it listens on and what it tells of itself, through all of its lives,
// until the cluster is closed or another node runs at its site. The log of one that was replaced is
// still read to its end: its last lines may not have been handed on yet.
func (c *Cluster) observe(node engine.Node) {
	c.background(func(ctx context.Context) {
		err := node.Follow(ctx, func(line string) {
			c.rec.Event(history.Event{Kind: history.NodeLog, Node: node.Name(), Text: c.placeless(node.Name(), line)})
		})
		c.notObserved(ctx, node, err)
	})
	look := c.replaceLooks(node.Name())
	look(func(ctx context.Context) {
		last := ""
		every(ctx, stateInterval, func() {
			state, err := node.State(ctx)
			if err != nil {
				c.notObserved(ctx, node, err)
				return
			}
			if text := describe(state); text != last {
				last = text
				c.rec.Event(history.Event{Kind: history.NodeState, Node: node.Name(), Text: text, Code: state.ExitCode})
			}
		})
	})
	look(func(ctx context.Context) {
		seen := make(map[netip.AddrPort]bool)
		fromNow(ctx, listenInterval, func() { c.recordListeners(ctx, node, seen) }) // a process that has just begun does not listen yet
	})
	look(func(ctx context.Context) { c.followFigures(ctx, node) })
}

// replaceLooks ends the looks at what ran in a node's place, and waits for that. What
// it returns begins others.
func (c *Cluster) replaceLooks(name string) func(func(context.Context)) {
	ctx, end := context.WithCancel(c.watchCtx)
	l := &looks{end: end}
	c.mu.Lock()
	former := c.looks[name]
	c.looks[name] = l
	c.mu.Unlock()
	if former != nil {
		former.end()
		former.running.Wait()
	}
	return func(look func(context.Context)) {
		l.running.Add(1)
		c.background(func(context.Context) {
			defer l.running.Done()
			look(ctx)
		})
	}
}

// recordListeners records the addresses that a node listens on and that were not
// seen before.
func (c *Cluster) recordListeners(ctx context.Context, node engine.Node, seen map[netip.AddrPort]bool) {
	addresses, err := node.Listening(ctx)
	if errors.Is(err, engine.ErrUnsupported) || errors.Is(err, engine.ErrEnded) {
		return // what needs them is not measured
	}
	if err != nil {
		c.notObserved(ctx, node, err)
		return
	}
	for _, a := range addresses {
		if !seen[a] {
			seen[a] = true
			c.rec.Event(history.Event{Kind: history.NodeListens, Node: node.Name(), Text: "tcp " + a.String()})
		}
	}
}

// notObserved records that something of a node could not be seen.
func (c *Cluster) notObserved(ctx context.Context, node engine.Node, err error) {
	if err != nil && ctx.Err() == nil {
		c.rec.Event(history.Event{Kind: history.HarnessError, Node: node.Name(), Error: err.Error()})
	}
}

func describe(s engine.State) string {
	switch {
	case s.Paused:
		return "paused"
	case s.Running:
		return "running"
	}
	return "ended"
}

// every does something now and at every interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	do()
	fromNow(ctx, interval, do)
}

// fromNow does something at every interval from now on until ctx ends.
func fromNow(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// processes are the process ids of the running nodes of which the engine tells
// one, by node.
func (c *Cluster) processes(ctx context.Context) map[string]int {
	out := make(map[string]int)
	for _, name := range c.has.started() {
		if pid, err := c.has.node(name).Process(ctx); err == nil { // else it has ended, or is not one of this machine
			out[name] = pid
		}
	}
	return out
}
