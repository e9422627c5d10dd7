// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/fault"
)

// files are what is on the first node's disk, by path.
var files = map[string]string{
	"kong/cache.json":    strings.Repeat("configuration ", 1000),
	"kong/deep/er/state": "ready",
	"kong/empty":         "",
}

// stock puts the files on the disk, and nothing else.
func (b *bench) stock() {
	b.Helper()
	entries, err := os.ReadDir(b.a.disk.Host)
	must(b.T, err)
	for _, e := range entries {
		must(b.T, os.RemoveAll(filepath.Join(b.a.disk.Host, e.Name())))
	}
	for name, content := range files {
		path := filepath.Join(b.a.disk.Host, name)
		must(b.T, os.MkdirAll(filepath.Dir(path), 0o755))
		must(b.T, os.WriteFile(path, []byte(content), 0o644))
	}
}

// onDisk is a file's path as its node knows it.
func (s *subject) onDisk(name string) url.Values {
	return url.Values{"file": {s.disk.Dir + "/" + name}}
}

// writes lets the node itself write to its disk.
func (s *subject) writes(ctx context.Context) error {
	_, err := s.ask(ctx, "/write", s.onDisk("own"))
	return err
}

// reads lets the node itself read a file.
func (s *subject) reads(ctx context.Context, name string) (string, error) {
	return s.ask(ctx, "/read", s.onDisk(name))
}

func onDisk(kind fault.Kind, inForce func(*bench) error) trial {
	return trial{
		spec:  fault.Spec{Kind: kind, Node: "a", Seed: 42},
		disks: true,
		means: func(b *bench, spec fault.Spec) fault.Means {
			b.stock()
			return fault.NewDisk(b.a.disk, spec, b.b.writes)
		},
		inForce: inForce,
	}
}

// failsWith is nil if the node's own write fails as it should.
func failsWith(want syscall.Errno) func(*bench) error {
	return func(b *bench) error {
		if err := b.a.writes(b.within(patience)); err == nil || !strings.Contains(err.Error(), want.Error()) {
			return fmt.Errorf("its write: %w", err)
		}
		return nil
	}
}

var diskTrials = map[fault.Kind]func() trial{
	fault.DiskFull:     func() trial { return onDisk(fault.DiskFull, failsWith(syscall.ENOSPC)) },
	fault.DiskReadOnly: func() trial { return onDisk(fault.DiskReadOnly, failsWith(syscall.EROFS)) },
	fault.DiskWiped: func() trial {
		return outliving(onDisk(fault.DiskWiped, func(b *bench) error {
			for name := range files {
				if _, err := b.a.reads(b.within(patience), name); err == nil {
					return fmt.Errorf("%s is there", name)
				}
			}
			return nil
		}))
	},
	fault.DiskCorrupted: func() trial {
		return outliving(onDisk(fault.DiskCorrupted, func(b *bench) error {
			for name, content := range files {
				got, err := b.a.reads(b.within(patience), name)
				if err != nil || len(got) != len(content) || content != "" && got == content {
					return fmt.Errorf("%s: %d bytes of %d, corrupted %v, error %w", name, len(got), len(content), got != content, err)
				}
			}
			return nil
		}))
	},
}

func TestFaultsOfDisks(t *testing.T) {
	t.Parallel()
	for name := range engines {
		for kind, tr := range diskTrials {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				tr().run(t, name)
			})
		}
	}
}

// TestFilesAreGivenBack, but not those that the node has written anew.
func TestFilesAreGivenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", true)
	const rewritten = "kong/cache.json"
	for _, kind := range []fault.Kind{fault.DiskWiped, fault.DiskCorrupted} {
		means := diskTrials[kind]().means(b, fault.Spec{Kind: kind, Node: "a", Seed: 7})
		must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
		must(t, os.MkdirAll(filepath.Join(b.a.disk.Host, "kong"), 0o755))
		_, err := b.a.ask(b.within(patience), "/write", b.a.onDisk(rewritten))
		must(t, err)
		for range 2 {
			must(t, means.Heal(b.within(patience)))
		}
		b.works(means)
		for name, want := range files {
			if name == rewritten {
				want = "by the node"
			}
			if got, err := b.a.reads(b.within(patience), name); err != nil || got != want {
				t.Errorf("%s: %s is %.20q, %v; want %.20q", kind, name, got, err, want)
			}
		}
	}
}

// TestCorruptionIsDrawn from the seed.
func TestCorruptionIsDrawn(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", true)
	corrupted := func(seed uint64) string {
		means := diskTrials[fault.DiskCorrupted]().means(b, fault.Spec{Kind: fault.DiskCorrupted, Node: "a", Seed: seed})
		must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
		got, err := b.a.reads(b.within(patience), "kong/cache.json")
		must(t, err)
		return got
	}
	first := corrupted(1)
	if again := corrupted(1); again != first {
		t.Error("one seed corrupts in two ways")
	}
	if corrupted(2) == first {
		t.Error("two seeds corrupt in one way")
	}
}

// TestUselessDisksAreRefused before anything is done to them.
func TestUselessDisksAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", true)
	works, broken := func(context.Context) error { return nil }, func(context.Context) error { return errors.New("broken") }
	for _, c := range []struct {
		name    string
		kind    fault.Kind
		disk    engine.Disk
		control func(context.Context) error
		want    error
	}{
		{"none", fault.DiskFull, engine.Disk{}, works, fault.ErrCannotStage},
		{"nothing to wipe", fault.DiskWiped, b.a.disk, works, fault.ErrNotWitnessed},
		{"nothing to corrupt", fault.DiskCorrupted, b.a.disk, works, fault.ErrNotWitnessed},
		{"nothing to compare with", fault.DiskFull, b.a.disk, broken, fault.ErrNotWitnessed},
		{"not there", fault.DiskReadOnly, engine.Disk{Host: filepath.Join(t.TempDir(), "none")}, works, fault.ErrNotWitnessed},
	} {
		means := fault.NewDisk(c.disk, fault.Spec{Kind: c.kind, Node: "a"}, c.control)
		if err := means.Prepare(b.within(patience)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestOnlyDisksAreFilled: a directory without a limit of its own is not.
func TestOnlyDisksAreFilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	works := func(context.Context) error { return nil }
	means := fault.NewDisk(engine.Disk{Host: dir, Bytes: diskSize}, fault.Spec{Kind: fault.DiskFull, Node: "a"}, works)
	must(t, means.Prepare(t.Context()))
	if err := means.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "not the one that was mounted") {
		t.Errorf("inject: %v", err)
	}
	must(t, means.Heal(t.Context()))
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	readOnly := fault.NewDisk(engine.Disk{Host: dir, Bytes: diskSize}, fault.Spec{Kind: fault.DiskReadOnly, Node: "a"}, works)
	if err := readOnly.Inject(t.Context()); err == nil {
		t.Error("a directory that is no disk was remounted")
	}
	for _, path := range []string{"", dir, filepath.Join(dir, "file")} {
		if err := fault.FreeDisk(t.Context(), map[string]string{"ballast": path}); err == nil {
			t.Errorf("%q was removed as ballast", path)
		}
	}
}

// TestOpenFilesKeepADiskWritable, and that is said.
func TestOpenFilesKeepADiskWritable(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", true)
	open, err := os.Create(filepath.Join(b.a.disk.Host, "open"))
	must(t, err)
	means := fault.NewDisk(b.a.disk, fault.Spec{Kind: fault.DiskReadOnly, Node: "a"}, b.b.writes)
	must(t, means.Prepare(b.within(patience)))
	if err := means.Inject(b.within(impatience)); !errors.Is(err, fault.ErrCannotStage) || !strings.Contains(err.Error(), "open for writing") {
		t.Errorf("inject: %v", err)
	}
	injected := make(chan error, 1)
	go func() { injected <- means.Inject(b.within(patience)) }()
	must(t, open.Close()) // it is waited for
	must(t, <-injected)
	must(t, means.Heal(b.within(patience)))
}
