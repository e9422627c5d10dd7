// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"blackout/harness/engine"
)

func TestPortsAreUniqueAndBelowTheEphemeralRange(t *testing.T) {
	t.Parallel()
	// Two engines that begin at the same place, and more ports than a block has.
	seen := make(map[string]bool)
	for _, p := range []*ports{newPorts(loopback, "same"), newPorts(loopback, "same")} {
		t.Cleanup(func() {
			if err := p.release(); err != nil {
				t.Error(err)
			}
		})
		for range blockSize + 1 {
			address, err := p.take()
			if err != nil {
				t.Fatal(err)
			}
			if seen[address] {
				t.Fatalf("%s was handed out twice", address)
			}
			seen[address] = true
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := strconv.Atoi(port); err != nil || n < firstPort || n > lastPort {
				t.Fatalf("port %s is outside %d to %d", port, firstPort, lastPort)
			}
		}
	}
}

// TestPortsAreFreeWhileProcessesStart: one that has not begun its program yet has what its
// parent listened on when it was forked.
func TestPortsAreFreeWhileProcessesStart(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	p := newPorts(loopback, "forks")
	defer func() { _ = p.release() }()
	ctx, stop := context.WithCancel(t.Context())
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for ctx.Err() == nil {
				_ = exec.CommandContext(ctx, program).Run() // that it starts is enough
			}
		})
	}
	defer starting.Wait()
	defer stop()
	for range 500 {
		address, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPortsSkipTakenOnes(t *testing.T) {
	t.Parallel()
	p := newPorts(loopback, "taken")
	defer func() { _ = p.release() }()
	first, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(first)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", p.at(number+1))
	if err != nil {
		t.Skipf("somebody else has the port that this test would take: %v", err)
	}
	defer func() { _ = taken.Close() }()
	if second, err := p.take(); err != nil || second == taken.Addr().String() {
		t.Fatalf("take() = %s, %v although that port is bound", second, err)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	p := &process{cmd: &exec.Cmd{}, done: make(chan struct{})}
	n := &node{site: &site{name: "dp-1"}, current: p}
	if err := n.runs(); err != nil {
		t.Errorf("a running process: %v", err)
	}
	close(p.done)
	if err := n.runs(); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("an ended process: %v, want ErrEnded", err)
	}
}

// A process that could not be entered in the ledger ran, and was ended by the
// engine: the node is there, and it was not the program's doing.
func TestStartWithoutALedger(t *testing.T) {
	t.Parallel()
	e, err := New(t.Context(), Options{Run: "no-ledger-" + strconv.Itoa(os.Getpid()), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	place, err := e.Reserve(t.Context(), "dp-1", engine.Program{Name: "sleep", Binary: "/bin/sleep"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(e.ledger.path); err != nil {
		t.Fatal(err)
	}
	n, err := e.Start(t.Context(), place, engine.Process{Args: []string{"60"}})
	if n == nil || err == nil || errors.Is(err, engine.ErrEnded) {
		t.Fatalf("Start() = %v, %v, want the node and an error that is not ErrEnded", n, err)
	}
	select {
	case <-n.(*node).process().done:
	case <-t.Context().Done():
		t.Fatal("the process goes on")
	}
}

func TestParseLedger(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(string(filepath.Separator), "runs", "dp-1")
	got := parseLedger([]byte(`{"owner":"h/1/2"}
{"dir":"` + dir + `"}
{"dir":"relative"}
{"pid":4711,"started":"99"}
{"pid":1,"started":"1"}
{"pid":4712}
not json
{"dir":"/cut sho`))
	want := record{owner: "h/1/2", dirs: []string{dir}, processes: []started{{pid: 4711, at: "99"}}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("parseLedger() = %+v, want %+v", got, want)
	}
}

func FuzzParseLedger(f *testing.F) {
	f.Add([]byte(`{"owner":"h/1/2"}` + "\n" + `{"dir":"/x"}`))
	f.Add([]byte(`{"pid":-1,"started":"1"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		r := parseLedger(content)
		for _, p := range r.processes {
			if p.pid <= 1 { // kill(-1) and kill(0) would reach everything
				t.Fatalf("process %d was taken from %q", p.pid, content)
			}
		}
		for _, dir := range r.dirs {
			if !filepath.IsAbs(dir) {
				t.Fatalf("directory %q was taken from %q", dir, content)
			}
		}
	})
}

// TestSharedDirectory: every site that asks for it has the same one, and it goes
// with the run.
func TestSharedDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := New(t.Context(), Options{Run: "share-" + strings.ToLower(rand.Text()[:8]), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, name := range []string{"cp-1", "cp-2"} {
		site, err := e.Reserve(t.Context(), name, engine.Program{Name: "self", Binary: self})
		if err != nil {
			t.Fatal(err)
		}
		shared, err := site.Share(t.Context(), "database")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := site.Share(t.Context(), "../x"); err == nil {
			t.Error("a path was taken for a name")
		}
		dirs = append(dirs, shared)
	}
	if info, err := os.Stat(dirs[0]); dirs[0] != dirs[1] || err != nil || !info.IsDir() {
		t.Errorf("directories %q: %v", dirs, err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dirs[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left behind: %v", err)
	}
}
