// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"blackout/harness/engine/local"
)

func TestSweepAfterTheHarnessWasKilled(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		role string
		byID bool
	}{
		"by id":               {role: "serve", byID: true},
		"by dead owner":       {role: "serve"},
		"without environment": {role: "wiped"},
	}
	for name, c := range cases {
		// One after the other: a case that sweeps all dead runs takes another's too.
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			run, dir, address := orphan(t, c.role, c.byID)
			if !mountedBelow(t, dir) {
				t.Log("NOT MEASURED: that disks are swept, for none could be mounted")
			}

			assertSwept(t, c.byID, run)
			if mountedBelow(t, dir) {
				t.Error("the node's disk is still mounted")
			}
			awaitSilence(t, address)
			assertGone(t, dir, "dp-1")
			if _, err := os.Stat(filepath.Join(dir, "dp-1.log")); err != nil {
				t.Errorf("the log did not outlive the sweep: %v", err)
			}
			if ended, err := local.Sweep(ctx, run); err != nil || len(ended) != 0 {
				t.Errorf("second Sweep() = %v, %v, want nothing left", ended, err)
			}
		})
	}
}

// orphan starts a harness with one node and kills the harness alone. A node that
// the sweep of another package's test takes at once proves nothing: another is
// tried then.
func orphan(t *testing.T, role string, byID bool) (run, dir, address string) {
	t.Helper()
	for range 5 {
		run, dir = runID(t), t.TempDir()
		address, kill := startHarness(t, run, dir, role)
		ask(t, address)
		if !byID {
			if ended, err := local.Sweep(testContext(t), ""); err != nil || mentions(ended, run) {
				t.Fatalf("Sweep() = %v, %v while the harness lives, want %s left alone", ended, err, run)
			}
			ask(t, address)
		}
		kill()
		if answer, err := askOnce(testContext(t), address); err == nil && answer != "" {
			return run, dir, address
		}
	}
	t.Fatal("no node outlives its harness")
	return "", "", ""
}

// assertSwept sweeps one run, or all dead ones. Sweeps of all dead runs that go
// on at the same time may take each other's work, so only the result counts.
func assertSwept(t *testing.T, byID bool, run string) {
	t.Helper()
	which := ""
	if byID {
		which = run
	}
	ended, err := local.Sweep(testContext(t), which)
	if err != nil || byID && !mentions(ended, run) {
		t.Fatalf("Sweep(%q) = %v, %v, want the process and directory of %s", which, ended, err, run)
	}
}

// startHarness starts another harness with one node; kill ends it as an
// out-of-memory killer would.
func startHarness(t *testing.T, run, dir, role string) (address string, kill func()) {
	t.Helper()
	harness := exec.Command(program(t).Binary)
	harness.Env = append(os.Environ(), roleVariable+"=owner", "RUN="+run, "DIR="+dir, "NODE_ROLE="+role)
	stdout, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() {
		if ended {
			return
		}
		ended = true
		if err := harness.Process.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		_ = harness.Wait() // it was killed
	}
	t.Cleanup(func() {
		kill()
		if _, err := local.Sweep(context.Background(), run); err != nil {
			t.Error(err)
		}
	})
	buffer := make([]byte, 200)
	n, err := stdout.Read(buffer)
	if err != nil || strings.HasPrefix(string(buffer[:n]), "error") {
		t.Fatalf("the harness says %q, %v", buffer[:n], err)
	}
	return strings.TrimSpace(string(buffer[:n])), kill
}

func mentions(lines []string, run string) bool {
	return slices.ContainsFunc(lines, func(line string) bool { return strings.HasSuffix(line, " of run "+run) })
}
