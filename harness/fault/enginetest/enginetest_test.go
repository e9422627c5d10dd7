// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package enginetest tries the faults of nodes, disks and networks on each engine:
// every kind is witnessed in force and healed, undone after a crash, and its
// witness is not deceived when nothing was injected.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/engine/local"
	"blackout/harness/fault"
)

const (
	patience   = 30 * time.Second       // for what is going to happen
	impatience = 700 * time.Millisecond // for what is not
	askLimit   = 500 * time.Millisecond // for one answer of a node
	portHTTP   = "http"
	diskSize   = 256 << 10 // bytes
)

// scratch is a directory for all tests of this process.
var scratch string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "blackout-enginetest-"); err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(scratch)
	// The ledgers of these tests must not meet those of real runs, and the
	// programs are built with the cache of all.
	if err := buildOnce(); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := os.Setenv("XDG_CACHE_HOME", filepath.Join(scratch, "cache")); err != nil {
		fmt.Println(err)
		return 1
	}
	return m.Run()
}

// programs are the paths of what the tests run, static and so for both engines.
var programs = map[string]string{"node": "./testdata/node", "netfault": "blackout/cmd/netfault"}

var buildOnce = sync.OnceValue(func() error {
	for name, source := range programs {
		path := filepath.Join(scratch, name)
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
		programs[name] = path
	}
	return nil
})

func program(name string) engine.Program {
	return engine.Program{Name: "faulttest-" + name, Binary: programs[name]}
}

// engines make the engine of a test's run, or leave the test out.
var engines = map[string]func(t *testing.T, run string) engine.Engine{
	"local": func(t *testing.T, run string) engine.Engine {
		e, err := local.New(t.Context(), local.Options{Run: run, Dir: t.TempDir()})
		must(t, err)
		return e
	},
	"docker": func(t *testing.T, run string) engine.Engine {
		if err := docker.Available(t.Context()); err != nil {
			t.Skipf("LEFT OUT: %v", err)
		}
		e, err := docker.New(t.Context(), docker.Options{Run: run, Netfault: program("netfault")})
		must(t, err)
		return e
	},
}

// undoers are those of the harness.
var undoers = map[string]fault.Undoer{
	fault.UndoPause: func(ctx context.Context, args map[string]string) error {
		if args["engine"] == "docker" {
			return docker.Resume(ctx, args)
		}
		return local.Resume(ctx, args)
	},
	fault.UndoNetwork:      func(ctx context.Context, args map[string]string) error { return docker.RestoreNetwork(ctx, args) },
	fault.UndoFullDisk:     fault.FreeDisk,
	fault.UndoReadOnlyDisk: fault.MakeWritable,
}

// bench is a run of two nodes: "a" meets faults, "b" does not.
type bench struct {
	*testing.T
	engine engine.Engine
	run    string
	a, b   *subject
}

// subject is a node and what it has.
type subject struct {
	engine.Node
	site engine.Site
	disk engine.Disk
}

// newBench starts two nodes, with disks if asked for.
func newBench(t *testing.T, engineName string, disks bool) *bench {
	t.Helper()
	b := &bench{T: t, run: "faults-" + uuid.NewString()[:8]}
	b.engine = engines[engineName](t, b.run)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.engine.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	b.a, b.b = b.start("a", disks), b.start("b", disks)
	return b
}

func (b *bench) start(name string, disk bool) *subject {
	b.Helper()
	ctx := b.within(patience)
	site, err := b.engine.Reserve(ctx, name, program("node"), portHTTP)
	must(b.T, err)
	s := &subject{site: site}
	if disk {
		s.disk, err = site.Disk(ctx, diskSize)
		if errors.Is(err, engine.ErrUnsupported) {
			b.Skipf("NOT MEASURED: %v", err)
		}
		must(b.T, err)
	}
	s.Node, err = b.engine.Start(ctx, site, engine.Process{Args: []string{site.Listen(portHTTP)}})
	must(b.T, err)
	b.eventually(name+" answers", func(ctx context.Context) error { return s.answers(ctx) })
	return s
}

// within is a context that ends with the test or after a time.
func (b *bench) within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	b.Cleanup(cancel)
	return ctx
}

// eventually waits until something succeeds.
func (b *bench) eventually(what string, do func(context.Context) error) {
	b.Helper()
	ctx := b.within(patience)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			b.Fatalf("%s: %v", what, err)
		case <-retry.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answers asks a node for its health.
func (s *subject) answers(ctx context.Context) error {
	_, err := s.ask(ctx, "/health", nil)
	return err
}

// client uses no connection twice, and so meets what a new one would.
var client = &http.Client{Timeout: askLimit, Transport: &http.Transport{DisableKeepAlives: true}}

// ask sends a node a request on a connection of its own; the error is the node's
// own, if it has one.
func (s *subject) ask(ctx context.Context, path string, query url.Values) (string, error) {
	address, err := s.Endpoint(ctx, portHTTP)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// trial is a kind of fault on a bench.
type trial struct {
	spec  fault.Spec
	means func(*bench, fault.Spec) fault.Means
	disks bool

	inForce func(*bench) error // nil if the node, too, meets the fault
	outlive bool               // it is still in force after Recover, which starts nothing
}

// try makes a fault and brings it as far as asked for.
func (tr trial) try(b *bench, control bool) (*fault.Fault, fault.Means, *fault.Ledger, string) {
	b.Helper()
	spec := tr.spec
	spec.Control = control
	must(b.T, spec.Validate())
	dir := b.TempDir()
	ledger, err := fault.OpenLedger(dir, b.run)
	must(b.T, err)
	means := tr.means(b, spec)
	return fault.New(spec, means, ledger), means, ledger, dir
}

// run tries all that a fault must do, one after the other on the same nodes.
func (tr trial) run(t *testing.T, engineName string) {
	b := newBench(t, engineName, tr.disks)
	t.Run("control", func(t *testing.T) { tr.control(b.with(t)) })
	t.Run("in force and healed", func(t *testing.T) { tr.wholeLife(b.with(t)) })
	for _, state := range []string{"prepared", "injected", "in force", "healed"} {
		t.Run("clean when "+state, func(t *testing.T) { tr.clean(b.with(t), state) })
	}
	t.Run("undone after a crash", func(t *testing.T) { tr.crash(b.with(t)) })
}

// with is the bench for a part of its test.
func (b *bench) with(t *testing.T) *bench {
	part := *b
	part.T = t
	return &part
}

// control injects nothing, which the witness must see.
func (tr trial) control(b *bench) {
	f, _, ledger, _ := tr.try(b, true)
	must(b.T, errors.Join(f.Prepare(b.within(patience)), f.Inject(b.within(patience))))
	if seen, err := f.Witness(b.within(impatience)); !errors.Is(err, fault.ErrNotWitnessed) || seen == "" {
		b.Errorf("seen %q, error %v, though nothing was injected", seen, err)
	}
	must(b.T, errors.Join(f.Clean(b.within(patience)), ledger.Close()))
}

func (tr trial) wholeLife(b *bench) {
	f, _, ledger, _ := tr.try(b, false)
	must(b.T, errors.Join(f.Prepare(b.within(patience)), f.Inject(b.within(patience))))
	seen, err := f.Witness(b.within(patience))
	must(b.T, err)
	b.Log(seen)
	if err := tr.inForce(b); err != nil {
		b.Errorf("the node does not meet the fault: %v", err)
	}
	must(b.T, f.Heal(b.within(patience)))
	seen, err = f.WitnessHealed(b.within(patience))
	must(b.T, err)
	b.Log(seen)
	must(b.T, errors.Join(f.Clean(b.within(patience)), ledger.Close()))
}

// clean cleans up, twice, from a state.
func (tr trial) clean(b *bench, state string) {
	f, means, ledger, _ := tr.try(b, false)
	must(b.T, f.Prepare(b.within(patience)))
	if state != "prepared" {
		must(b.T, f.Inject(b.within(patience)))
	}
	if state == "in force" || state == "healed" {
		_, err := f.Witness(b.within(patience))
		must(b.T, err)
	}
	if state == "healed" {
		must(b.T, f.Heal(b.within(patience)))
	}
	for range 2 {
		must(b.T, f.Clean(b.within(patience)))
	}
	b.works(means)
	must(b.T, ledger.Close())
}

// works waits until the target of means works.
func (b *bench) works(means fault.Means) {
	b.Helper()
	b.eventually("the target works", func(ctx context.Context) error {
		if seen, ok := means.LookHealed(ctx); !ok {
			return errors.New(seen)
		}
		return nil
	})
}

// crash lets go of a fault in force, as a harness does that is killed.
func (tr trial) crash(b *bench) {
	f, means, _, dir := tr.try(b, false)
	must(b.T, errors.Join(f.Prepare(b.within(patience)), f.Inject(b.within(patience))))
	_, err := f.Witness(b.within(patience))
	must(b.T, err)
	undone, err := fault.Recover(b.within(patience), dir, b.run, undoers)
	must(b.T, err)
	if seen, inForce := means.Look(b.within(patience)); inForce != tr.outlive {
		b.Errorf("after the recovery: %s", seen)
	}
	if tr.outlive {
		must(b.T, f.Clean(b.within(patience))) // the end of its goroutines
		return
	}
	if len(undone) != 1 {
		b.Errorf("undone %q", undone)
	}
	b.works(means)
}
