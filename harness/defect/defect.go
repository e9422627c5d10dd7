// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package defect builds known-bad gateways: the reference gateway with one
// planted defect. The harness is tested by them, for a checker that never fails
// proves nothing. Its central function is [Build].
//
// A defect is fixtures/defects/<name>.patch: a preamble of "Key: value" lines
// that says which promise it breaks, by which clause, which further clauses fall
// with it, in which scenarios, and what is to be observed; then a diff. The run that judges the defect is given
// the built executable alone and never sees the preamble.
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
	"path/filepath"
	"slices"
	"strings"

	"blackout/harness/build"
	"blackout/harness/engine"
)

// Dir is where the patches are, below the module's root.
const Dir = "fixtures/defects"

// Preamble is what a patch says of its defect.
type Preamble struct {
	Promise    string   // "G2"
	Clause     string   // "G2.3"
	Also       []string // further clauses that cannot hold without it, "G3.1"
	Scenarios  []string // those that must catch it
	Observable string   // what gives it away
}

// Names are the names of the defects, sorted.
func Names(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, Dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".patch")
	}
	slices.Sort(names)
	return names, nil
}

// ErrUnknown is returned, wrapped, for a name without a patch.
var ErrUnknown = errors.New("unknown defect")

func read(root, name string) ([]byte, error) {
	patch, err := os.ReadFile(filepath.Join(root, Dir, filepath.Base(name)+".patch"))
	if errors.Is(err, fs.ErrNotExist) {
		names, listErr := Names(root)
		return nil, errors.Join(fmt.Errorf("%w %q: the defects are %s", ErrUnknown, name, strings.Join(names, ", ")), listErr)
	}
	return patch, err
}

// Read reads the preamble of a defect. A missing or unknown key is an error.
func Read(root, name string) (Preamble, error) {
	patch, err := read(root, name)
	if err != nil {
		return Preamble{}, err
	}
	p, err := parsePreamble(patch)
	if err != nil {
		return p, fmt.Errorf("%s/%s.patch: %w", Dir, name, err)
	}
	return p, nil
}

func parsePreamble(patch []byte) (Preamble, error) {
	var p Preamble
	head, _, _ := bytes.Cut(patch, []byte("diff --git "))
	for _, line := range strings.Split(string(head), "\n") {
		key, value, found := strings.Cut(line, ": ")
		if strings.TrimSpace(line) == "" {
			continue
		}
		switch {
		case found && key == "Promise":
			p.Promise = value
		case found && key == "Clause":
			p.Clause = value
		case found && key == "Also":
			p.Also = strings.Split(value, ", ")
		case found && key == "Scenarios":
			p.Scenarios = strings.Split(value, ", ")
		case found && key == "Observable":
			p.Observable = value
		default:
			return p, fmt.Errorf("preamble: line %q is none of Promise, Clause, Also, Scenarios, Observable", line)
		}
	}
	if p.Promise == "" || p.Clause == "" || len(p.Scenarios) == 0 || slices.Contains(p.Scenarios, "") || p.Observable == "" {
		return p, errors.New("preamble: Promise, Clause, Scenarios and Observable must all be there")
	}
	return p, nil
}

// Build builds the gateway with a defect and returns the executable's path. The
// platform is as in [build.Request]. A hunk that fails, and a patch that changes
// nothing that it names, are errors.
func Build(ctx context.Context, name string, req build.Request) (path string, err error) {
	root, err := build.FindRoot(req.Root)
	if err != nil {
		return "", err
	}
	patch, err := read(root, name)
	if err != nil {
		return "", err
	}
	// Outside any repository, or git would resolve the patch's paths against it.
	dir, err := os.MkdirTemp("", "blackout-"+req.Run+"-defect-")
	if err != nil {
		return "", fmt.Errorf("build defect %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := apply(ctx, root, dir, patch)
	if err != nil {
		return "", fmt.Errorf("build defect %s: %w: %w", name, engine.ErrUnavailable, err)
	}
	req.Root, req.Programs, req.OverlayJSON = root, []string{"gateway"}, overlay
	binaries, err := build.Programs(ctx, req)
	if err != nil {
		return "", fmt.Errorf("build defect %s: %w", name, err)
	}
	return binaries["gateway"].Path, nil
}

// apply applies a patch to copies of the files that it names and writes the
// overlay that puts the copies in the originals' place.
func apply(ctx context.Context, root, dir string, patch []byte) (overlay string, err error) {
	files := named(patch)
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
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(patch)
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

// named are the files that a diff changes or adds.
func named(patch []byte) []string {
	var files []string
	for _, line := range strings.Split(string(patch), "\n") {
		if f, ok := strings.CutPrefix(line, "+++ b/"); ok {
			files = append(files, strings.TrimSpace(f))
		}
	}
	return files
}
