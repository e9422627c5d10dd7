// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"blackout/internal/gateway/entity"
)

func TestOnlyAConfigurationOfMoreThanWorkspacesMakesReady(t *testing.T) {
	t.Parallel()
	const workspaces = `"workspaces":[{"id":"0000000a-0000-4000-8000-00000000000a","name":"default"}]`
	for name, test := range map[string]struct {
		table string
		ready bool
	}{
		"no rows":         {`{"_format_version":"3.0"}`, false},
		"only workspaces": {`{"_format_version":"3.0",` + workspaces + `}`, false},
		"and parameters":  {`{"_format_version":"3.0",` + workspaces + `,"parameters":[{"key":"cluster_id","value":"x"}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dp, _ := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
			dp.Configure(t.Context(), message(test.table))
			if ready := dp.ready(t.Context()) == ""; ready != test.ready {
				t.Errorf("ready: %v, want %v", ready, test.ready)
			}
			if zero := dp.Hash() == entity.EmptyHash; zero == test.ready {
				t.Errorf("the hash is %s", dp.Hash())
			}
		})
	}
}

// A disk that was full when a configuration came, and is not any more when the
// control plane sends it again, gets it: else the next start would be with an old one.
func TestAConfigurationThatCameAgainIsOnTheDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "absent")
	dp, _ := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(dir, "config.cache"))
	dp.Configure(t.Context(), message(valid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	dp.Configure(t.Context(), message(valid))
	if entry, err := dp.cache.Load(); err != nil || string(entry.Table) != valid {
		t.Errorf("the disk has %s, %v", entry.Table, err)
	}
}
