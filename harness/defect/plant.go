// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package defect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"

	"blackout/harness/build"
	"blackout/harness/engine"
)

// Build builds the gateway with the defect. The platform is as in [build.Request].
// A hunk that fails, and a patch that changes nothing that it names, are errors.
func (d Defect) Build(ctx context.Context, req build.Request) (gateway build.Binary, err error) {
	err = d.planted(ctx, req, func(req build.Request) error {
		req.Programs = []string{"gateway"}
		binaries, err := build.Programs(ctx, req)
		gateway = binaries["gateway"]
		return err
	})
	return gateway, err
}

// Compile compiles what the defect changes, without linking it: it is far quicker
// than Build, and tells whether the patch still fits the tree.
func (d Defect) Compile(ctx context.Context, req build.Request) error {
	return d.planted(ctx, req, func(req build.Request) error {
		var packages []string
		for _, f := range d.Files() {
			packages = append(packages, "./"+path.Dir(f))
		}
		slices.Sort(packages)
		return build.Compile(ctx, req, slices.Compact(packages)...)
	})
}

// planted does something with a request in whose tree the defect is planted.
func (d Defect) planted(ctx context.Context, req build.Request, do func(build.Request) error) (err error) {
	if req.Root, err = build.FindRoot(req.Root); err != nil {
		return err
	}
	// Outside any repository, or git would resolve the patch's paths against it.
	dir, err := os.MkdirTemp("", "blackout-"+req.Run+"-defect-")
	if err != nil {
		return fmt.Errorf("build defect %s: %w", d.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if req.OverlayJSON, err = d.apply(ctx, req.Root, dir); err != nil {
		return fmt.Errorf("build defect %s: %w: %w", d.Name, engine.ErrUnavailable, err)
	}
	if err := do(req); err != nil {
		return fmt.Errorf("build defect %s: %w", d.Name, err)
	}
	return nil
}

// apply applies the patch to copies of the files that it names and writes the
// overlay that puts the copies in the originals' place.
func (d Defect) apply(ctx context.Context, root, dir string) (overlay string, err error) {
	files := d.Files()
	before := make(map[string][sha256.Size]byte)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(root, f))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the patch adds it
		}
		if err != nil {
			return "", err
		}
		before[f] = sha256.Sum256(b)
		if err := write(filepath.Join(dir, f), b); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "git", "apply", "--allow-empty", "--whitespace=nowarn", "-")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(d.diff)
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_DIR="+filepath.Join(dir, "none"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("git apply: %w: %s", err, bytes.TrimSpace(out))
	}
	replace := make(map[string]string)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			return "", fmt.Errorf("the patch names %s: %w", f, err)
		}
		if sha256.Sum256(b) == before[f] {
			return "", fmt.Errorf("the patch names %s and does not change it", f)
		}
		replace[filepath.Join(root, f)] = filepath.Join(dir, f)
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
