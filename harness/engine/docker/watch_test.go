// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness/engine"
)

// TestFollowGoesOnThroughRestarts, gives every line once and whole, and ends with
// its context.
func TestFollowGoesOnThroughRestarts(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, node := started(t, e, "a", testProgram(t), nil)
	following, stop := context.WithCancel(ctx)
	defer stop()
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		ended <- node.Follow(following, func(line string) { lines <- line })
	}()
	want := []string{"to standard error hello", "to standard output"}
	for range 3 {
		got := []string{receive(ctx, t, lines), receive(ctx, t, lines)}
		slices.Sort(got) // the streams reach the daemon each on its own way
		if !slices.Equal(got, want) {
			t.Errorf("lines %q, want %q", got, want)
		}
		must(t, errors.Join(node.Kill(ctx), node.Restart(ctx)))
	}
	receive(ctx, t, lines)
	receive(ctx, t, lines)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func receive(ctx context.Context, t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-ctx.Done():
		t.Fatal("no line came")
		return ""
	}
}

func TestLifeIsAnotherAfterARestart(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, node := started(t, e, "a", testProgram(t), nil)
	lives := map[string]bool{}
	look := func() {
		t.Helper()
		state, err := node.State(ctx)
		must(t, err)
		lives[state.Life] = true
	}
	look()
	must(t, node.Pause(ctx))
	must(t, node.Resume(ctx))
	look()
	must(t, node.Kill(ctx))
	look()
	if len(lives) != 1 {
		t.Errorf("lives %v of one process", lives)
	}
	must(t, node.Restart(ctx))
	look()
	if len(lives) != 2 {
		t.Errorf("lives %v after a restart", lives)
	}
}

func TestResumeByHandle(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, node := started(t, e, "a", testProgram(t), nil)
	handle, err := node.Handle(ctx)
	if err != nil || handle["engine"] != e.Name() {
		t.Fatalf("handle = %v, %v", handle, err)
	}
	must(t, node.Pause(ctx))
	for range 2 { // of one that runs it does nothing
		must(t, Resume(ctx, handle))
		get(t, node, "/data/")
	}
	must(t, node.Kill(ctx))
	must(t, Resume(ctx, handle))
	must(t, Resume(ctx, engine.Handle{"engine": e.Name(), "container": "no-such-container"}))
}

// giveDisk gives a site a disk of 64 KiB, or leaves the test out.
func giveDisk(t *testing.T, site engine.Site) engine.Disk {
	t.Helper()
	disk, err := site.Disk(testContext(t), 64<<10)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	must(t, err)
	return disk
}

// mounted says whether something of the run is mounted.
func mounted(t *testing.T, run string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Contains(string(table), "blackout/"+run+"/")
}

func TestDiskIsSharedWithTheNode(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	site, err := e.Reserve(ctx, "a", testProgram(t), "http")
	must(t, err)
	disk := giveDisk(t, site)
	if _, err := site.Disk(ctx, disk.Bytes); err == nil {
		t.Error("a second disk was given")
	}
	node, err := e.Start(ctx, site, engine.Process{Args: []string{site.Listen("http")}})
	must(t, err)
	for _, content := range []string{"first", "second"} {
		must(t, os.WriteFile(filepath.Join(disk.Host, "file"), []byte(content), 0o644))
		if got := get(t, node, "/data/disk/file"); got != content || disk.Dir != "/data/disk" {
			t.Errorf("the node reads %q in %s, want %q", got, disk.Dir, content)
		}
		must(t, errors.Join(node.Kill(ctx), node.Restart(ctx)))
	}
	if got := get(t, node, "/write?file=disk/own&bytes=1024"); got != "" {
		t.Errorf("the node cannot write: %s", got)
	}
	if got := get(t, node, "/write?file=disk/large&bytes=131072"); !strings.Contains(got, "no space left") {
		t.Errorf("the node writes more than its disk holds: %q", got)
	}
	must(t, e.Close(ctx))
	if mounted(t, e.options.Run) {
		t.Error("the disk is still mounted")
	}
}
