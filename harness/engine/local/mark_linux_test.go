// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// findsByMark says whether a sweep reads the environment of processes.
const findsByMark = true

// Not one thread of a process may do anything once Pause has returned.
func TestPauseReturnsWhenAllThreadsStandStill(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "busy")
	pid := ask(t, site.Listen("proxy"))
	for range 100 {
		if err := node.Pause(ctx); err != nil {
			t.Fatal(err)
		}
		assertStopped(t, pid)
		if err := node.Resume(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// assertStopped checks that every thread of a process is in state T.
func assertStopped(t *testing.T, pid string) {
	t.Helper()
	threads, err := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "stat"))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v, %v of process %s, want several", threads, err, pid)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			t.Fatal(err)
		}
		if state := stat[bytes.LastIndexByte(stat, ')')+2]; state != 'T' {
			t.Fatalf("%s: state %c after Pause, want T", thread, state)
		}
	}
}
