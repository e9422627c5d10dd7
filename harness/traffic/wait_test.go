// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestWait(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	proc := fstest.MapFS{
		"proc/7/task/7/schedstat": file("162448789 615524318 750\n"),
		"proc/7/task/9/schedstat": file("1 84475682 3\n"),
		"proc/8/task/8/schedstat": file("0\n"),
		"proc/9/task/9/stat":      file("a kernel that does not tell"),
	}
	if got, err := readWait(proc, 7); err != nil || got != 700*time.Millisecond {
		t.Errorf("the threads waited %s, %v; want 700ms", got, err)
	}
	for pid, names := range map[int]string{8: "proc/8/task/8/schedstat", 9: "proc/9/task/9/schedstat", 10: "proc/10/task"} {
		if got, err := readWait(proc, pid); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("process %d: %s, error %v, want one that names %s", pid, got, err, names)
		}
	}
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel keeps no waits")
	}
	if _, err := readWait(os.DirFS("/"), os.Getpid()); err != nil {
		t.Errorf("of this process: %v", err)
	}
}
