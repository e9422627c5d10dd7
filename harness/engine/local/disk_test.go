// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/engine"
)

// diskSize is that of the tests' disks, in bytes.
const diskSize = 64 << 10

// giveDisk gives a site a disk, or leaves the test out.
func giveDisk(t *testing.T, site engine.Site) engine.Disk {
	t.Helper()
	disk, err := site.Disk(testContext(t), diskSize)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestDiskIsSizedAndOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, err := e.Reserve(ctx, "dp-1", program(t), "proxy")
	if err != nil {
		t.Fatal(err)
	}
	disk := giveDisk(t, site)
	if !strings.HasPrefix(disk.Dir, site.Dir()) || disk.Bytes != diskSize {
		t.Errorf("Disk() = %+v, want one below %s", disk, site.Dir())
	}
	if _, err := site.Disk(ctx, diskSize); err == nil {
		t.Error("a second disk was given")
	}
	node, err := e.Start(ctx, site, engine.Process{
		Env: map[string]string{roleVariable: "fill", "LISTEN": site.Listen("proxy"), "FILL": disk.Dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, site.Listen("proxy"))
	if log := logOf(t, node); !strings.Contains(log, "no space left on device") {
		t.Errorf("the node writes more than its disk holds: %q", log)
	}
	left := filepath.Join(disk.Host, "left-behind")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(node.Kill(ctx), node.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("the disk did not outlive the restart: %v", err)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	assertGone(t, site.Dir())
	if _, err := site.Disk(ctx, diskSize); err == nil {
		t.Error("a disk was given after Close")
	}
}

// mountedBelow says whether something is mounted below a directory.
func mountedBelow(t *testing.T, dir string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Contains(string(table), dir)
}
