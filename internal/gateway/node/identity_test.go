// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

func TestNodeIDs(t *testing.T) {
	t.Parallel()
	const id, other = "2f5e9c3a-5f1e-4c7c-9f1b-2a3b4c5d6e7f", "9A762F64-64FC-40FF-BF01-096F56904D5E"
	for name, c := range map[string]struct {
		role       conf.Role
		configured string
		file       string // "" means none
		want       string // "" means a new one
	}{
		"first start":         {conf.DataPlane, "", "", ""},
		"kept":                {conf.DataPlane, "", id, id},
		"with a line's end":   {conf.DataPlane, "", id + "\n", id},
		"capitals":            {conf.DataPlane, "", other, other},
		"configured":          {conf.DataPlane, other, id, other},
		"garbage":             {conf.DataPlane, "", "garbage", ""},
		"braces":              {conf.DataPlane, "", "{" + id + "}", ""},
		"two":                 {conf.DataPlane, "", id + "\n" + other, ""},
		"much":                {conf.DataPlane, "", id + strings.Repeat(" ", 1<<20) + other, id},
		"nothing in it":       {conf.DataPlane, "", " ", ""},
		"control plane":       {conf.ControlPlane, "", "", ""},
		"control plane's own": {conf.ControlPlane, "", id, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := &conf.Config{Role: c.role, NodeID: c.configured, Prefix: t.TempDir()}
			path := filepath.Join(config.Prefix, "kong.id")
			if c.file != "" {
				if err := os.WriteFile(path, []byte(c.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := nodeID(config)
			if err != nil {
				t.Fatal(err)
			}
			if !conf.IsNodeID(got) || c.want != "" && got != c.want || c.want == "" && got == id {
				t.Errorf("got %q, want %q", got, c.want)
			}
			kept, err := os.ReadFile(path)
			switch {
			case c.role == conf.ControlPlane || c.configured != "":
				if string(kept) != c.file || err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the file changed to %q, %v", kept, err)
				}
			case strings.TrimSpace(string(kept))[:36] != got:
				t.Errorf("kept %q, not %s", kept, got)
			}
		})
	}
}

func TestNodeIDThatCannotBeKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "kong.id"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := nodeID(&conf.Config{Role: conf.DataPlane, Prefix: dir}); err == nil || !strings.Contains(err.Error(), "the node's id") {
		t.Errorf("got %v", err)
	}
}
