// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/harness/admission"
	"blackout/harness/build"
	"blackout/harness/defect"
	"blackout/harness/journal"
	"blackout/harness/run"
)

// heading is the first line of the log.
type heading struct {
	Of     string `json:"of"`
	Schema int    `json:"schema"`
}

var ours = heading{"defects", 1}

// campaign is all that was asked for, on its way.
type campaign struct {
	options
	root    string
	lanes   []lane
	files   []string // the sources
	state   string   // their digest
	journal *journal.Journal[heading, row]
	say     func(format string, args ...any)
	build   func(context.Context, defect.Defect) (gateway string, err error)
	built   map[string]string // gateways by defect
	room    room

	mu   sync.Mutex
	errs []error // of runs that came to no outcome
}

// room is where runs are side by side, see [admission.Control].
type room interface {
	Admit(ctx context.Context) (leave func(), err error)
	AdmitAlone(ctx context.Context) (leave func(), err error)
}

// carryOut does what is not yet in the log, and says what came of everything.
func carryOut(ctx context.Context, o options) error {
	root, err := build.FindRoot(".")
	if err != nil {
		return err
	}
	files, err := sources(ctx, root)
	if err != nil {
		return err
	}
	c, err := newCampaign(ctx, o, root, files)
	if err != nil {
		return err
	}
	return c.carryOut(ctx)
}

func (c *campaign) carryOut(ctx context.Context) error {
	var ended error
	if !c.tell {
		ended = c.each(ctx)
	}
	t := c.table()
	tableErr := t.tell(os.Stdout, c.options.table)
	if err := errors.Join(ended, errors.Join(c.errs...), tableErr, c.journal.Close()); err != nil {
		return err
	}
	return t.problems()
}

// newCampaign prepares what was asked for. The outcomes rest on the files, which are
// sources below root.
func newCampaign(ctx context.Context, o options, root string, files []string) (*campaign, error) {
	began := time.Now()
	c := &campaign{options: o, root: root, files: files, say: func(format string, args ...any) {
		fmt.Printf("%7.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}}
	c.build = c.gateway
	limits := admission.Processes
	if o.engine == run.Docker {
		limits = admission.Containers
	}
	limits.Now = o.queue
	control, err := admission.New(limits)
	if err != nil {
		return nil, err
	}
	c.room = control
	defects, err := c.defects(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range defects {
		named := d.Scenarios
		if len(o.scenarios) > 0 {
			named = o.scenarios
		}
		ls, err := lanes(d, named, o.seed)
		if err != nil {
			return nil, err
		}
		c.lanes = append(c.lanes, ls...)
	}
	c.lanes = append(c.lanes, cleanLanes(o.clean, o.seed)...)
	if c.state, err = stateOf(c.root, c.files); err != nil {
		return nil, err
	}
	if o.anew {
		if err := os.Remove(o.log); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if c.journal, err = journal.Open[heading, row](o.log, ours); err != nil {
		return nil, fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	return c, nil
}

// defects are those that were asked for. Each must be one that can be read.
func (c *campaign) defects(ctx context.Context) ([]defect.Defect, error) {
	all, err := defect.All(c.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	for _, name := range c.only {
		if !slices.ContainsFunc(all, func(d defect.Defect) bool { return d.Name == name }) {
			return nil, fmt.Errorf("%w: unknown defect %q in %s", run.ErrUsage, name, c.dir)
		}
	}
	if len(c.only) > 0 {
		all = slices.DeleteFunc(all, func(d defect.Defect) bool { return !slices.Contains(c.only, d.Name) })
	}
	if c.changed == "" {
		return all, nil
	}
	return c.touched(ctx, all)
}

// each does what is asked for, several lanes at a time. What is wrong with a run is
// kept for the end; only an interrupt ends the rest.
func (c *campaign) each(ctx context.Context) error {
	if c.changed != "" && c.controls {
		c.note(c.emptyIsGood(ctx))
	}
	c.buildAll(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var group errgroup.Group
	group.SetLimit(c.parallel)
	for _, l := range c.lanes {
		if _, built := c.built[l.defect.Name]; built || l.defect.Name == "" {
			group.Go(func() error { return c.follow(ctx, l) })
		}
	}
	return group.Wait()
}

// follow does a lane's trials one after the other.
func (c *campaign) follow(ctx context.Context, l lane) error {
	for _, t := range l.trials {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r, err := c.trial(ctx, l, t)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.note(fmt.Errorf("%s: %w", t, err))
			continue
		}
		if l.untilCaught && r.caught() {
			return nil
		}
	}
	return nil
}

// buildAll builds the gateways of all lanes that have something left to do, before
// anything runs: a compiler beside a run would make it late.
func (c *campaign) buildAll(ctx context.Context) {
	c.built = make(map[string]string)
	failed := make(map[string]bool)
	for _, l := range c.lanes {
		name := l.defect.Name
		if _, built := c.built[name]; name == "" || built || failed[name] || ctx.Err() != nil || c.judged(l).done {
			continue
		}
		gateway, err := c.build(ctx, l.defect)
		if err != nil {
			failed[name] = true
			c.note(err)
			continue
		}
		c.say("built %s", name)
		c.built[name] = gateway
	}
}

func (c *campaign) note(err error) {
	if err == nil {
		return
	}
	c.say("%v", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// keyOf is what a trial's outcome rests on.
func (c *campaign) keyOf(l lane, t trial) (key, error) {
	k := key{trial: t, Engine: c.engine, State: c.state}
	if l.defect.Name != "" {
		k.Patch = l.defect.Digest()
	}
	var err error
	k.Plan, err = planDigest(t)
	return k, err
}

// find is the last settled run of a key in the log.
func (c *campaign) find(k key) (row, bool) {
	done := c.journal.All()
	for _, r := range slices.Backward(done) {
		if c.earlier {
			r.State = k.State
		}
		if r.key == k && r.settled() {
			return r, true
		}
	}
	return row{}, false
}

// trial does a trial that was not done yet, and returns its outcome.
func (c *campaign) trial(ctx context.Context, l lane, t trial) (row, error) {
	k, err := c.keyOf(l, t)
	if err != nil {
		return row{}, err
	}
	if r, done := c.find(k); done {
		return r, nil
	}
	r, err := c.judge(ctx, l, k)
	if err != nil {
		return r, err
	}
	if state, err := stateOf(c.root, c.files); err != nil || state != c.state {
		return r, errors.Join(errors.New("the sources have changed meanwhile: build the harness and start again"), err)
	}
	c.say("%s: %s", t, told(l.defect, r))
	return r, c.journal.Add(r)
}

// emptyIsGood is the first control: the patch that changes nothing gives the good
// gateway, byte for byte, and so passes what that passes.
func (c *campaign) emptyIsGood(ctx context.Context) error {
	req := build.Request{Root: c.root, Programs: []string{"gateway"}}
	good, err := build.Programs(ctx, req)
	if err != nil {
		return err
	}
	empty, err := defect.Empty.Build(ctx, req)
	if err != nil {
		return err
	}
	if empty.Digest != good["gateway"].Digest {
		return fmt.Errorf("control: the empty patch gives another gateway than the good one: %s and %s", empty.Path, good["gateway"].Path)
	}
	c.say("control: the empty patch gives the good gateway, byte for byte")
	return nil
}

// home makes the directory for a trial's files, beside the log.
func (c *campaign) home(t trial, attempt int) (string, error) {
	name := fmt.Sprintf("%s-%s-%d", cmp.Or(t.Defect, "good"), t.Scenario, t.Seed)
	if attempt > 0 {
		name += "-again"
	}
	dir, err := filepath.Abs(filepath.Join(filepath.Dir(c.log), name))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil { // of a trial that was cut short
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
