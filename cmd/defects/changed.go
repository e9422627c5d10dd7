// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"blackout/harness/defect"
	"blackout/harness/plan"
	"blackout/harness/run"
)

// touched are the defects whose files differ between the commit and the working
// tree, or which are changed themselves, no more than asked for, and the controls.
// What is left out is said.
func (c *campaign) touched(ctx context.Context, all []defect.Defect) ([]defect.Defect, error) {
	changed, err := c.changes(ctx)
	if err != nil {
		return nil, err
	}
	isControl := func(d defect.Defect) bool { return slices.Contains(defect.Controls, d.Name) }
	var found []string
	for _, d := range all {
		if !isControl(d) && isChanged(d, c.dir, changed) {
			found = append(found, d.Name)
		}
	}
	if len(found) == 0 {
		c.say("no defect's code has changed")
	}
	if c.atMost > 0 && len(found) > c.atMost {
		drawn := plan.NewSource(c.seed).Shuffle("changed defects", found)
		slices.Sort(drawn[c.atMost:])
		c.say("*** LEFT OUT: %d of %d changed defects: %s", len(found)-c.atMost, len(found), strings.Join(drawn[c.atMost:], ", "))
		found = drawn[:c.atMost]
	}
	return slices.DeleteFunc(all, func(d defect.Defect) bool {
		return !slices.Contains(found, d.Name) && (!c.controls || !isControl(d))
	}), nil
}

// isChanged says whether one of a defect's files, or its patch, is among files.
func isChanged(d defect.Defect, dir string, files []string) bool {
	return slices.ContainsFunc(append(d.Files(), filepath.ToSlash(filepath.Join(dir, d.Name+".patch"))), func(f string) bool {
		return slices.Contains(files, f)
	})
}

// changes are the files that differ between the commit and the working tree.
func (c *campaign) changes(ctx context.Context) ([]string, error) {
	commit := c.changed
	if commit == since {
		commit = c.parting(ctx)
	}
	if commit == "" {
		c.say("*** LEFT OUT: changed defects: there is no earlier commit to compare with (--changed names one)")
		return nil, nil
	}
	differing, err := git(ctx, c.root, "diff", "--name-only", "--no-renames", commit, "--")
	if err != nil {
		return nil, fmt.Errorf("%w: --changed %s: %w", run.ErrUsage, commit, err)
	}
	added, err := git(ctx, c.root, "ls-files", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	c.say("changed since %s", commit)
	return slices.Concat(strings.Split(differing, "\n"), strings.Split(added, "\n")), nil
}

// parting is where the branch left origin/main, or the commit before this one;
// empty if there is neither.
func (c *campaign) parting(ctx context.Context) string {
	head, err := git(ctx, c.root, "rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	if base, err := git(ctx, c.root, "merge-base", "HEAD", "origin/main"); err == nil && base != head {
		return base
	}
	before, err := git(ctx, c.root, "rev-parse", "--verify", "--quiet", "HEAD~1")
	if err != nil {
		return "" // the first commit, or all that was fetched
	}
	return before
}
