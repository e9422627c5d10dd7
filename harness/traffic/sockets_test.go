// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestCountSockets(t *testing.T) {
	t.Parallel()
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)} }
	proc := fstest.MapFS{
		"proc/7/fd/0": link("/dev/null"), "proc/7/fd/1": link("pipe:[3]"), "proc/7/fd/2": link("anon_inode:[eventpoll]"),
		"proc/7/fd/3": link("socket:[4711]"), "proc/7/fd/4": link("socket:[4712]"), "proc/8/fd/0": link("/dev/null"),
	}
	for pid, want := range map[int]int{7: 2, 8: 0} {
		if got, err := countSockets(proc, pid); err != nil || got != want {
			t.Errorf("process %d has %d sockets, %v; want %d", pid, got, err, want)
		}
	}
	if _, err := countSockets(proc, 9); err == nil || !strings.Contains(err.Error(), "proc/9/fd") {
		t.Errorf("of a process that is not there: %v", err)
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("there is no /proc here")
	}
	serveApart(t)
	if _, err := countSockets(os.DirFS("/"), os.Getpid()); err != nil {
		t.Errorf("of this process: %v", err)
	}
}
