// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"blackout/harness/watchdog"
	"blackout/harness/watchdog/owner"
)

const (
	// roleVariable makes this test binary a harness.
	roleVariable = "WATCHDOG_TEST_ROLE"

	// forgetVariable reaches the watchdog, because of its prefix, and makes it
	// the program of somebody who forgot to call MaybeRun.
	forgetVariable = "DOCKER_TEST_FORGET"
)

func TestMain(m *testing.M) {
	if os.Getenv(forgetVariable) != "" && os.Getenv(roleVariable) == "" {
		os.Exit(0)
	}
	watchdog.MaybeRun(map[string]watchdog.Sweeper{"residue": sweepResidue})
	if os.Getenv(roleVariable) != "" {
		os.Exit(harness())
	}
	os.Exit(m.Run())
}

// sweepResidue removes $TMPDIR/residue, once it is there.
func sweepResidue(_ context.Context, run string) ([]string, error) {
	err := os.Remove(residue(os.TempDir()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return []string{"residue of run " + run}, err
}

func residue(dir string) string { return filepath.Join(dir, "residue") }

// harness starts a watchdog and ends it when told to on standard input.
func harness() int {
	dog, err := watchdog.Start(context.Background(), os.Getenv("RUN"), os.Getenv("STATE"))
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("started")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	if err := errors.Join(dog.Done(), dog.Done()); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// subject is a harness under test.
type subject struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Writer
	dir   string
	first string // its first line of output
}

func startHarness(t *testing.T, env ...string) *subject {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{t: t, dir: t.TempDir(), cmd: exec.Command(program)}
	if err := os.WriteFile(residue(s.dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd.Env = append(os.Environ(), append(env, roleVariable+"=harness", "RUN=r1", "STATE="+filepath.Join(s.dir, "state"), "TMPDIR="+s.dir)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, inErr := s.cmd.StdinPipe()
	stdout, outErr := s.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, s.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	s.stdin = stdin
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // mostly long gone
	if s.first, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return s
}

// signal sends to the harness's whole process group, as a terminal does.
func (s *subject) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subject) log() string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, "state", "watchdog.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

// awaitLog waits until the watchdog has logged a text.
func (s *subject) awaitLog(text string) {
	s.t.Helper()
	s.eventually("the watchdog logs "+text, func() bool { return strings.Contains(s.log(), text) })
}

func (s *subject) eventually(what string, holds func() bool) {
	s.t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("waited in vain: %s; the watchdog's log:\n%s", what, s.log())
		}
	}
}

var watching = regexp.MustCompile(`msg=watching run=r1 pid=(\d+)`)

// watchdogPID is the process id that the watchdog logged.
func (s *subject) watchdogPID() int {
	s.t.Helper()
	var match []string
	s.eventually("the watchdog logs its id", func() bool {
		match = watching.FindStringSubmatch(s.log())
		return match != nil
	})
	pid, err := strconv.Atoi(match[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

func (s *subject) awaitWatchdogGone(pid int) {
	s.t.Helper()
	s.eventually("the watchdog ends", func() bool {
		_, err := owner.Started(pid)
		return errors.Is(err, owner.ErrGone)
	})
}

func (s *subject) residueIsThere() bool {
	_, err := os.Stat(residue(s.dir))
	return err == nil
}

func TestSweepsWhenTheHarnessIsKilled(t *testing.T) {
	t.Parallel()
	s := startHarness(t)
	pid := s.watchdogPID()
	s.signal(syscall.SIGKILL)
	_ = s.cmd.Wait() // it was killed
	s.awaitLog("swept clean")
	if s.residueIsThere() {
		t.Error("the residue is still there")
	}
	if !strings.Contains(s.log(), `what="residue of run r1"`) {
		t.Errorf("the log does not name what was removed:\n%s", s.log())
	}
	s.awaitWatchdogGone(pid)
}

// Ctrl-C reaches the whole foreground group; the watchdog is not in it, and
// would not end if it were.
func TestWatchdogOutlivesRequestsToEnd(t *testing.T) {
	t.Parallel()
	s := startHarness(t)
	pid := s.watchdogPID()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	s.signal(syscall.SIGINT)
	if err := s.cmd.Wait(); err == nil {
		t.Fatal("the harness ended without an error although it was sent a signal")
	}
	s.eventually("the residue goes", func() bool { return !s.residueIsThere() })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // spares the quiet passes
		t.Error(err)
	}
	s.awaitWatchdogGone(pid)
}

func TestDoneEndsTheWatchdogWithoutSweeping(t *testing.T) {
	t.Parallel()
	s := startHarness(t)
	pid := s.watchdogPID()
	if _, err := io.WriteString(s.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("the harness: %v", err)
	}
	// Done waits for the watchdog's end, so that it is over by now.
	if _, err := owner.Started(pid); !errors.Is(err, owner.ErrGone) {
		t.Errorf("the watchdog outlives Done (%v)", err)
	}
	if !strings.Contains(s.log(), "run is clean") {
		t.Errorf("the log does not say that the run is clean:\n%s", s.log())
	}
	if !s.residueIsThere() {
		t.Error("a sweep was made although the harness was done")
	}
}

func TestDoneSaysThatNobodyWatched(t *testing.T) {
	t.Parallel()
	s := startHarness(t)
	if err := syscall.Kill(s.watchdogPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err == nil {
		t.Error("Done() reports no error although the watchdog was killed")
	}
}

func TestStartNeedsMaybeRun(t *testing.T) {
	t.Parallel()
	s := startHarness(t, forgetVariable+"=1")
	if !strings.Contains(s.first, "MaybeRun") {
		t.Errorf("the harness says %q, want an error that names MaybeRun", s.first)
	}
	_ = s.cmd.Wait() // its output is what counts
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := map[string]struct {
		ctx        context.Context
		run, state string
	}{
		"no run":                 {ctx: t.Context(), state: t.TempDir()},
		"state is not directory": {ctx: t.Context(), run: "r1", state: file},
		"context over":           {ctx: cancelled, run: "r1", state: t.TempDir()},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dog, err := watchdog.Start(c.ctx, c.run, c.state)
			if err == nil {
				t.Fatalf("Start() succeeds; Done() = %v", dog.Done())
			}
		})
	}
}
