// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestWipeGuard(t *testing.T) {
	t.Parallel()
	full := contents{entities: 2, revision: 7, cluster: "a"}
	for name, c := range map[string]struct {
		before    *contents
		found     contents
		pushEmpty bool
		want      bool
	}{
		"new":                        {nil, contents{cluster: "a"}, false, true},
		"still empty":                {&contents{revision: 7, cluster: "a"}, contents{cluster: "b"}, false, true},
		"deleted through the API":    {&full, contents{revision: 9, cluster: "a"}, false, true},
		"another database":           {&full, contents{revision: 9, cluster: "b"}, false, false},
		"emptied without a change":   {&full, contents{revision: 7, cluster: "a"}, false, false},
		"put back to the beginning":  {&full, contents{revision: 0, cluster: "a"}, false, false},
		"another one, not empty":     {&full, contents{entities: 1, cluster: "b"}, false, true},
		"another database, as asked": {&full, contents{cluster: "b"}, true, true},
	} {
		var log bytes.Buffer
		guard := wipeGuard{log: slog.New(slog.NewTextHandler(&log, nil)), pushEmpty: c.pushEmpty, published: c.before}
		for range 3 {
			if got := guard.allows(c.found); got != c.want {
				t.Errorf("%s: allowed: %v", name, got)
			}
		}
		if warnings := strings.Count(log.String(), "database.emptied"); c.want == (warnings == 1) || warnings > 1 {
			t.Errorf("%s: %d warnings", name, warnings)
		}
	}
}
