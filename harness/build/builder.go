// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"blackout/harness/engine"
)

// gateway is the one program that an overlay applies to.
const gateway = "gateway"

// builder builds the programs of one request.
type builder struct {
	Request
	root  string
	tools map[string]string
	goos  string
	arch  string

	progressing sync.Mutex
}

func newBuilder(req Request, tools map[string]string) (*builder, error) {
	root, err := FindRoot(req.Root)
	if err != nil {
		return nil, err
	}
	b := &builder{Request: req, root: root, tools: tools, goos: runtime.GOOS, arch: runtime.GOARCH}
	if req.Platform != "" {
		var ok bool
		if b.goos, b.arch, ok = strings.Cut(req.Platform, "/"); !ok {
			return nil, fmt.Errorf("%w: build for platform %q: want os/architecture", engine.ErrUnavailable, req.Platform)
		}
	}
	if b.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: find the user's cache directory: %w", engine.ErrUnavailable, err)
		}
		b.Cache = filepath.Join(dir, "blackout")
	}
	return b, nil
}

// job builds programs with one command.
type job struct {
	names []string
	do    func(ctx context.Context) ([]Binary, error)
}

// jobs are what programs take to be built. Those of this module that are built in the same
// way share a command: that they are up to date costs it little more than for one.
func (b *builder) jobs(names []string) ([]job, error) {
	var jobs []job
	own := make(map[string][]string) // names by the key of their variant
	for _, name := range names {
		if _, ok := b.tools[name]; ok {
			jobs = append(jobs, job{[]string{name}, func(ctx context.Context) ([]Binary, error) {
				binary, err := b.tool(ctx, name)
				return []Binary{binary}, err
			}})
			continue
		}
		if name == "" || name != filepath.Base(name) {
			return nil, fmt.Errorf("%w: %q is not a program's name", engine.ErrUnavailable, name)
		}
		key, _, err := b.variant(name)
		if err != nil {
			return nil, err
		}
		own[key] = append(own[key], name)
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		jobs = append(jobs, job{own[key], func(ctx context.Context) ([]Binary, error) { return b.own(ctx, own[key]) }})
	}
	return jobs, nil
}

// build does a job and reports its progress.
func (b *builder) build(ctx context.Context, j job) ([]Binary, error) {
	all := strings.Join(j.names, ", ")
	b.progress("build %s", all)
	start := time.Now()
	binaries, err := j.do(ctx)
	took := time.Since(start)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, fmt.Errorf("build %s: %w", all, ctx.Err())
	default:
		b.progress("build %s: failed after %s", all, took.Round(time.Millisecond))
		return nil, fmt.Errorf("%w: build %s: %w", engine.ErrUnavailable, all, err)
	}
	outcomes := make(map[string][]string)
	for i, binary := range binaries {
		binaries[i].Took = took
		how := "built"
		if binary.Cached {
			how = "unchanged"
		}
		outcomes[how] = append(outcomes[how], binary.Name)
	}
	for _, how := range slices.Sorted(maps.Keys(outcomes)) {
		b.progress("build %s: %s in %s", strings.Join(outcomes[how], ", "), how, took.Round(time.Millisecond))
	}
	return binaries, nil
}

func (b *builder) progress(format string, args ...any) {
	if b.Progress == nil {
		return
	}
	b.progressing.Lock()
	defer b.progressing.Unlock()
	b.Progress(fmt.Sprintf(format, args...))
}

// own builds programs of this module, all of one variant. They are linked at a place
// that depends on how they are built, because go build leaves a file alone that is still
// up to date, and then kept under their content.
func (b *builder) own(ctx context.Context, names []string) ([]Binary, error) {
	key, flags, err := b.variant(names[0])
	if err != nil {
		return nil, err
	}
	stage := filepath.Join(b.Cache, "stage", key)
	unlock, err := lock(ctx, stage+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	args := append([]string{"build", "-o", stage + string(filepath.Separator)}, flags...)
	for _, name := range names {
		args = append(args, "./cmd/"+name)
	}
	if err := b.goCommand(ctx, b.root, args, b.Race); err != nil {
		return nil, err
	}
	binaries := make([]Binary, len(names))
	for i, name := range names {
		if binaries[i], err = b.keep(name, filepath.Join(stage, name)); err != nil {
			return nil, err
		}
	}
	return binaries, nil
}

// variant returns the flags that a program is built with, and a key that tells
// different ways of building it apart.
func (b *builder) variant(name string) (key string, flags []string, err error) {
	flags = []string{"-trimpath", "-buildvcs=false"}
	parts := []string{b.root, b.goos, b.arch}
	if b.Race {
		flags = append(flags, "-race")
		parts = append(parts, "race")
	}
	if b.OverlayJSON != "" && name == gateway {
		overlay, err := filepath.Abs(b.OverlayJSON)
		if err != nil {
			return "", nil, fmt.Errorf("find overlay: %w", err)
		}
		flags = append(flags, "-overlay="+overlay)
		parts = append(parts, "overlay") // not its path: overlays come and go
	}
	return keyOf(parts...), flags, nil
}

// keepFor is how long a program is kept after its last use. It is far longer
// than any run.
const keepFor = 14 * 24 * time.Hour

// keep copies a linked program to the place that its content names.
func (b *builder) keep(name, staged string) (Binary, error) {
	digest, err := engine.DigestOf(staged)
	if err != nil {
		return Binary{}, err
	}
	binary := Binary{Name: name, Path: filepath.Join(b.Cache, "bin", digest[:keyLength], name), Digest: digest}
	dir := filepath.Dir(binary.Path)
	if _, err := os.Stat(binary.Path); err == nil {
		binary.Cached = true
		now := time.Now()
		return binary, os.Chtimes(dir, now, now) // in use: not to be pruned
	}
	if err := place(staged, binary.Path); err != nil {
		return Binary{}, err
	}
	return binary, prune(filepath.Dir(dir), time.Now().Add(-keepFor))
}

// tool builds a program that has a module of its own. It is named by all that
// goes into it, so that its slow build happens once.
func (b *builder) tool(ctx context.Context, name string) (Binary, error) {
	dir := filepath.Join(b.root, "tools", name)
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	parts := append([]string{b.tools[name], runtime.Version(), b.goos, b.arch}, flags...)
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return Binary{}, err
		}
		parts = append(parts, string(text))
	}
	path := filepath.Join(b.Cache, "tools", keyOf(parts...), name)
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return Binary{}, err
	}
	defer unlock()

	binary := Binary{Name: name, Path: path, Cached: true}
	if _, err := os.Stat(path); err != nil {
		binary.Cached = false
		if err := b.link(ctx, dir, flags, path); err != nil {
			return Binary{}, err
		}
	}
	binary.Digest, err = engine.DigestOf(path)
	return binary, err
}

// link builds a tool to a temporary name and gives it its own when finished.
func (b *builder) link(ctx context.Context, dir string, flags []string, path string) error {
	partial := path + ".partial"
	args := append([]string{"build", "-o", partial}, flags...)
	if err := b.goCommand(ctx, dir, append(args, b.tools[filepath.Base(path)]), false); err != nil {
		return errors.Join(err, removeIfThere(partial))
	}
	return os.Rename(partial, path)
}

// keyLength is the length of the hexadecimal keys that name cache directories.
const keyLength = 24

// keyOf is a key that differs when any part does.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:keyLength]
}
