// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness/defect"
	"blackout/harness/run"
)

// repository is one of two commits with a gateway, whose file differs from the
// first commit and not from the second.
func repository(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, content := range []string{"a", "b"} {
		file := filepath.Join(root, "cmd", "gateway", "main.go")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", content}} {
			cmd := exec.CommandContext(t.Context(), "git", args...)
			cmd.Dir = root
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git %q: %v: %s", args, err, said)
			}
		}
	}
	return root
}

// TestTouched: those whose code differs from the commit are judged, no more than
// asked for, and the controls; what is left out is said.
func TestTouched(t *testing.T) {
	t.Parallel()
	root, dir := repository(t), t.TempDir()
	elsewhere := strings.ReplaceAll(diff, "cmd/gateway", "internal/gateway")
	for name, text := range map[string]string{"a": diff, "b": diff, "c": diff, "elsewhere": elsewhere, defect.Controls[0]: elsewhere, defect.Controls[1]: diff} {
		if err := os.WriteFile(filepath.Join(dir, name+".patch"), []byte(preamble+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	control := slices.Sorted(slices.Values(defect.Controls))
	for name, c := range map[string]struct {
		options
		want []string
		some int // how many of a, b and c
		says string
	}{
		"since the first commit":  {options{changed: "HEAD~1"}, nil, 3, "changed since HEAD~1"},
		"by itself":               {options{changed: since}, nil, 3, "changed since "},
		"no more than two":        {options{changed: "HEAD~1", atMost: 2}, nil, 2, "*** LEFT OUT: 1 of 3 changed defects: "},
		"with controls":           {options{changed: "HEAD~1", controls: true}, control, 3, ""},
		"since the second commit": {options{changed: "HEAD", controls: true}, control, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := defect.All(dir)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			campaign := &campaign{options: c.options, root: root, say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
			campaign.dir = dir
			chosen, err := campaign.touched(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			var others []string
			some := 0
			for _, d := range chosen {
				if len(d.Name) == 1 {
					some++
				} else {
					others = append(others, d.Name)
				}
			}
			if some != c.some || !slices.Equal(others, c.want) || !strings.Contains(strings.Join(said, "\n"), c.says) {
				t.Errorf("%d touched and %q, want %d and %q; it said %q", some, others, c.some, c.want, said)
			}
		})
	}
	campaign := &campaign{options: options{changed: "no-such-commit"}, root: root}
	if _, err := campaign.touched(t.Context(), nil); !errors.Is(err, run.ErrUsage) || !strings.Contains(err.Error(), "no-such-commit") {
		t.Errorf("error %v, want one that names the commit", err)
	}
}
