// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"blackout/internal/gateway/store"
)

func TestWipeGuard(t *testing.T) {
	t.Parallel()
	full := store.Snapshot{Entities: 2, Revision: 7, Cluster: "a"}
	for name, c := range map[string]struct {
		before    *store.Snapshot
		found     store.Snapshot
		pushEmpty bool
		want      bool
	}{
		"new":                        {nil, store.Snapshot{Cluster: "a"}, false, true},
		"still empty":                {&store.Snapshot{Revision: 7, Cluster: "a"}, store.Snapshot{Cluster: "b"}, false, true},
		"deleted through the API":    {&full, store.Snapshot{Revision: 9, Cluster: "a"}, false, true},
		"another database":           {&full, store.Snapshot{Revision: 9, Cluster: "b"}, false, false},
		"emptied without a change":   {&full, store.Snapshot{Revision: 7, Cluster: "a"}, false, false},
		"put back to the beginning":  {&full, store.Snapshot{Revision: 0, Cluster: "a"}, false, false},
		"another one, not empty":     {&full, store.Snapshot{Entities: 1, Cluster: "b"}, false, true},
		"another database, as asked": {&full, store.Snapshot{Cluster: "b"}, true, true},
	} {
		var log bytes.Buffer
		guard := wipeGuard{log: slog.New(slog.NewTextHandler(&log, nil)), pushEmpty: c.pushEmpty, published: c.before}
		for range 3 {
			if got := guard.allows(&c.found); got != c.want {
				t.Errorf("%s: allowed: %v", name, got)
			}
		}
		if warnings := strings.Count(log.String(), "database.emptied"); c.want == (warnings == 1) || warnings > 1 {
			t.Errorf("%s: %d warnings", name, warnings)
		}
	}
}
