// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
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
