// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// hurried is a control of runs in dir that looks a thousand times as often, and is told
// how many tasks are queued.
func hurried(dir string, tasks *atomic.Int64) *Control {
	return &Control{
		dir: dir, limits: Limits{Now: 3, Lately: 3}, window: 5 * time.Millisecond, settled: 4 * time.Millisecond, retry: time.Millisecond,
		queue: func() (queue, error) { return queue{now: float64(tasks.Load())}, nil },
	}
}

// admission is a run that waits or was let in.
type admission struct {
	leave func()
	err   error
}

// begin lets a run wait.
func begin(ctx context.Context, admit func(context.Context) (func(), error)) <-chan admission {
	done := make(chan admission, 1)
	go func() {
		leave, err := admit(ctx)
		done <- admission{leave, err}
	}()
	return done
}

// admitted expects a run to be let in.
func admitted(t *testing.T, run <-chan admission) func() {
	t.Helper()
	select {
	case a := <-run:
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.leave
	case <-time.After(10 * time.Second):
		t.Fatal("the run was not let in")
		return nil
	}
}

// waits expects a run not to be let in for as long as fifty looks take.
func waits(t *testing.T, run <-chan admission) {
	t.Helper()
	select {
	case a := <-run:
		t.Fatalf("the run was let in (error %v)", a.err)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestAdmitsARunBesideAnotherWhenTheMachineIsQuiet(t *testing.T) {
	var tasks atomic.Int64
	tasks.Store(4)
	c := hurried(t.TempDir(), &tasks)
	leave := admitted(t, begin(t.Context(), c.Admit)) // nobody else is there: however busy the machine is
	second := begin(t.Context(), c.Admit)
	waits(t, second)
	tasks.Store(3)
	admitted(t, second)()
	leave()
}

// A run is let in as soon as the last looks were quiet, whenever the busy ones ended.
func TestAdmitsAsSoonAsItHasBeenQuiet(t *testing.T) {
	const busy = looks * 3 / 2
	seen := 0
	c := hurried(t.TempDir(), nil)
	c.queue = func() (queue, error) {
		if seen++; seen <= busy {
			return queue{now: c.limits.Now + 1}, nil
		}
		return queue{now: c.limits.Now}, nil
	}
	defer admitted(t, begin(t.Context(), c.Admit))()
	admitted(t, begin(t.Context(), c.Admit))()
	if seen != busy+looks {
		t.Errorf("let in after %d looks, want %d: no more than a window after the machine was quiet", seen, busy+looks)
	}
}

// A run that is quiet for a moment may be loud again.
func TestAdmitsNobodyBesideARunThatWasLoudLately(t *testing.T) {
	var lately atomic.Int64
	lately.Store(4)
	c := hurried(t.TempDir(), nil)
	c.queue = func() (queue, error) { return queue{lately: float64(lately.Load())}, nil }
	defer admitted(t, begin(t.Context(), c.Admit))()
	second := begin(t.Context(), c.Admit)
	waits(t, second)
	lately.Store(3)
	admitted(t, second)()
}

// Where nodes are processes only the moment counts.
func TestAdmitsARunOfProcessesWhenTheMachineIsQuiet(t *testing.T) {
	c := hurried(t.TempDir(), nil)
	c.limits, c.queue = Processes, func() (queue, error) { return queue{now: 1, lately: 100}, nil }
	defer admitted(t, begin(t.Context(), c.Admit))()
	admitted(t, begin(t.Context(), c.Admit))()
}

func TestAdmitsTheNextRunWhenTheLastOneLeaves(t *testing.T) {
	var tasks atomic.Int64
	tasks.Store(100)
	c := hurried(t.TempDir(), &tasks)
	leave := admitted(t, begin(t.Context(), c.Admit))
	second := begin(t.Context(), c.Admit)
	waits(t, second)
	leave()
	admitted(t, second)()
}

func TestAdmitsNobodyBeforeTheLastOneHasBegun(t *testing.T) {
	var tasks atomic.Int64
	c := hurried(t.TempDir(), &tasks)
	c.settled = time.Hour
	admitted(t, begin(t.Context(), c.Admit))()
	long := time.Now().Add(-2 * c.settled)
	if err := os.Chtimes(filepath.Join(c.dir, "door.lock"), long, long); err != nil {
		t.Fatal(err)
	}
	defer admitted(t, begin(t.Context(), c.Admit))()
	waits(t, begin(t.Context(), c.Admit))
}

func TestAdmitsARunAlone(t *testing.T) {
	var tasks atomic.Int64
	c := hurried(t.TempDir(), &tasks)
	leave := admitted(t, begin(t.Context(), c.Admit))
	alone := begin(t.Context(), c.AdmitAlone)
	waits(t, alone)
	leave()
	leave = admitted(t, alone)
	second := begin(t.Context(), c.Admit)
	waits(t, second)
	leave()
	admitted(t, second)()
}

func TestAMachineThatDoesNotTellAdmitsAll(t *testing.T) {
	c := hurried(t.TempDir(), nil)
	c.queue = func() (queue, error) { return queue{}, errors.ErrUnsupported }
	defer admitted(t, begin(t.Context(), c.Admit))()
	admitted(t, begin(t.Context(), c.Admit))()
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	for name, admit := range map[string]func(*Control) func(context.Context) (func(), error){
		"beside others": func(c *Control) func(context.Context) (func(), error) { return c.Admit },
		"alone":         func(c *Control) func(context.Context) (func(), error) { return c.AdmitAlone },
	} {
		t.Run(name, func(t *testing.T) {
			var tasks atomic.Int64
			tasks.Store(100)
			c := hurried(t.TempDir(), &tasks)
			leave := admitted(t, begin(t.Context(), c.Admit))
			ctx, cancel := context.WithCancel(t.Context())
			waiting := begin(ctx, admit(c))
			cancel()
			if a := <-waiting; !errors.Is(a.err, context.Canceled) {
				t.Fatalf("error %v, want that of the context", a.err)
			}
			leave()
			admitted(t, begin(t.Context(), c.AdmitAlone))() // it holds nothing any more
		})
	}
}

// A run that was killed has left: the kernel knows who holds a lock.
func TestARunThatWasKilledHasLeft(t *testing.T) {
	if dir := os.Getenv("ADMISSION_TEST_DIR"); dir != "" {
		leave, err := In(dir, Containers).AdmitAlone(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		fmt.Println("it is in")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or nobody is there to do it
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ADMISSION_TEST_DIR="+dir)
	held, heldErr := cmd.StdinPipe()
	said, err := cmd.StdoutPipe()
	if err := errors.Join(heldErr, err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	lines := bufio.NewScanner(said)
	for lines.Scan() && lines.Text() != "it is in" {
	}
	if lines.Text() != "it is in" {
		t.Fatalf("the other run was not let in: %v, %v", lines.Err(), cmd.Wait())
	}
	var tasks atomic.Int64
	second := begin(t.Context(), hurried(dir, &tasks).Admit)
	waits(t, second)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	admitted(t, second)()
	if err := cmd.Wait(); err == nil {
		t.Error("the other run ended before it was killed")
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]queue{
		"0.20 0.18 0.12 1/80 11206\n":       {0, 0.2},
		"17.61 14.18 7.64 40/878 2223\n":    {39, 17.61},
		"17.61 14.18 7.64 0/878 2223 more ": {0, 17.61},
	} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0.20 0.18", "0.20 0.18 0.12 x/80 1", "x 0.18 0.12 1/80 1"} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q: %v and no error", text, got)
		}
	}
}
