// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package build makes the programs that a run starts: those of this module's
// cmd directory, and the ones below tools, each a module of its own, that are
// only ever built and run. Its central type is [Request]:
//
//	binaries, err := build.Programs(ctx, build.Request{Root: ".", Programs: []string{"gateway", "minio"}})
//	program := engine.Program{Name: "gateway", Binary: binaries["gateway"].Path}
//
// Finished programs are kept in the user's cache under their content, so that
// two runs with different sources never disturb each other, and an unchanged
// program is neither linked nor imported into Docker again. The directory may
// be deleted at any time between runs.
//
// What fails here is the environment's or the harness's fault, never the
// gateway's: every error wraps [engine.ErrUnavailable], except the end of ctx.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/harness/engine"
)

// Module is the path of the module whose programs are built.
const Module = "blackout"

// toolPackages are the programs with a module of their own, tools/<name>, by
// their main package there.
var toolPackages = map[string]string{
	"minio": "github.com/minio/minio",
}

// Request says which programs are needed and how they are built.
type Request struct {
	// Root is the module's directory or any below it; empty is the working
	// directory.
	Root string

	// Programs are names of cmd/<name>, or "minio".
	Programs []string

	// Platform is "<GOOS>/<GOARCH>"; empty is this machine's. The Docker engine
	// may need another (docker.Platform).
	Platform string

	// Race builds the module's own programs with the race detector. They are
	// then no longer static, so only the local engine can run them.
	Race bool

	// OverlayJSON is the path of a `go build -overlay` file that is used for
	// the gateway alone: how a defect is planted.
	OverlayJSON string

	// Cache is where finished programs are kept; empty is "blackout" in the
	// user's cache directory.
	Cache string

	// Run is the run's id. The compiler's processes carry it in their
	// environment, so that they can be found if the harness is killed.
	Run string

	// Env is added to the compiler's environment, "NAME=value".
	Env []string

	// Progress, if set, is told in one line that a program's build begins or
	// has ended. It is never called twice at once.
	Progress func(line string)
}

// Binary is a finished program.
type Binary struct {
	Name   string
	Path   string
	Digest string        // SHA-256 of the file, hexadecimal
	Took   time.Duration // the command that built it, others it built and the wait for another one's lock included
	Cached bool          // the same content was there already
}

// Programs builds what is asked for, several programs at a time, and returns
// them by name.
func Programs(ctx context.Context, req Request) (map[string]Binary, error) {
	b, err := newBuilder(req, toolPackages)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(req.Programs)
	slices.Sort(names)
	names = slices.Compact(names)

	jobs, err := b.jobs(names)
	if err != nil {
		return nil, err
	}
	binaries := make(map[string]Binary, len(names))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.NumCPU()))
	for _, j := range jobs {
		group.Go(func() error {
			built, err := b.build(ctx, j)
			mu.Lock()
			defer mu.Unlock()
			for _, binary := range built {
				binaries[binary.Name] = binary
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return binaries, nil
}

// Compile compiles packages of this module, "./cmd/gateway", with the request's
// overlay, and links and keeps nothing.
func Compile(ctx context.Context, req Request, packages ...string) error {
	b, err := newBuilder(req, nil)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", os.DevNull, "-overlay", b.OverlayJSON}, packages...)
	if err := b.goCommand(ctx, b.root, args, b.Race); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("compile %s: %w", strings.Join(packages, ", "), ctx.Err())
		}
		return fmt.Errorf("%w: compile %s: %w", engine.ErrUnavailable, strings.Join(packages, ", "), err)
	}
	return nil
}

// FindRoot returns the directory of this module's go.mod at or above dir.
func FindRoot(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", Module, errors.Join(err, engine.ErrUnavailable))
	}
	for at := start; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && declares(text, Module) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: no go.mod of module %s at or above %s; run from its source tree", engine.ErrUnavailable, Module, start)
		}
	}
}

// declares reports whether a go.mod is that of the module.
func declares(gomod []byte, module string) bool {
	for line := range bytes.Lines(gomod) {
		if fields := strings.Fields(string(line)); len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], `"`) == module
		}
	}
	return false
}
