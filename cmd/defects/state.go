// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"blackout/harness/build"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/scenarios"
)

// programs are what a run on any engine consists of.
var programs = []string{"blackout", "gateway", "toxiproxy", "upstream", "storefront", "store", "impostor", "netfault"}

// sources are the files that a run's outcome rests on, beside its plan: those of
// the programs, but for the scenarios, of which nothing but the plan comes to the
// run.
func sources(ctx context.Context, root string) ([]string, error) {
	args := []string{"list", "-deps", "-json=Dir,ImportPath,Module,GoFiles,CgoFiles,SFiles,EmbedFiles"}
	for _, p := range programs {
		args = append(args, "./cmd/"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	text, err := cmd.Output()
	if err != nil {
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(ended.Stderr))
		}
		return nil, fmt.Errorf("list the sources: %w", err)
	}
	files := []string{filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum")}
	for packages := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			Dir, ImportPath                       string
			Module                                *struct{ Main bool }
			GoFiles, CgoFiles, SFiles, EmbedFiles []string
		}
		switch err := packages.Decode(&p); {
		case errors.Is(err, io.EOF):
			slices.Sort(files)
			return files, nil
		case err != nil:
			return nil, fmt.Errorf("list the sources: %w", err)
		}
		if p.Module == nil || !p.Module.Main || p.ImportPath == build.Module+"/scenarios" {
			continue
		}
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles, p.SFiles, p.EmbedFiles) {
			files = append(files, filepath.Join(p.Dir, f))
		}
	}
}

// stateOf is a digest of files, by their paths below root and their contents.
func stateOf(root string, files []string) (string, error) {
	h := sha256.New()
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the sources: %w", err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// planDigest is a digest of the plan that a trial carries out.
func planDigest(t trial) (string, error) {
	s, err := scenarios.Find(t.Scenario)
	if err != nil {
		return "", fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	p, err := s.NewPlan(t.Seed, topology.Profiles["fast"])
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if err := p.Encode(h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// git asks the repository at root.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(text)), nil
}
