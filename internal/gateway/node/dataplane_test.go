// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
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

// An empty configuration is the order to serve nothing, unless it is the first word of
// a control plane that may have come back without its database.
func TestAnEmptyGreetingEmptiesNobody(t *testing.T) {
	t.Parallel()
	const full = `{"_format_version":"3.0","services":[{"id":"0000000a-0000-4000-8000-00000000000a","host":"upstream","port":80,"protocol":"http"}]}`
	for name, test := range map[string]struct {
		before, greeting, then string
		takesEmpty, empties    bool
	}{
		"it comes back empty":      {before: full, greeting: valid},
		"it is emptied":            {before: full, greeting: full, then: valid, empties: true},
		"it is empty, as asked":    {before: full, greeting: valid, takesEmpty: true, empties: true},
		"it says so a second time": {before: full, greeting: valid, then: valid, empties: true},
		"there was nothing":        {before: valid, greeting: valid, empties: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dp, _ := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
			dp.takesEmpty = test.takesEmpty
			dp.Connected()
			send := func(table, hash string) {
				if table != "" {
					dp.Configure(t.Context(), hybrid.Reconfigure{Table: []byte(table), Hash: strings.Repeat(hash, 32)})
				}
			}
			send(test.before, "a")
			dp.Disconnected(io.EOF)
			dp.Connected()
			send(test.greeting, "b")
			send(test.then, "c")
			if got := dp.current.Load().table.IsEmpty(); got != test.empties {
				t.Errorf("it serves nothing: %v", got)
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
