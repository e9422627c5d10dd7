// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGraph: everything that can be done together is, nothing before its time.
func TestGraph(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		lasts := func(name string, d time.Duration, after ...string) task {
			return task{name, after, func(ctx context.Context) error {
				timer := time.NewTimer(d)
				defer timer.Stop()
				<-timer.C
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				return ctx.Err()
			}}
		}
		start := time.Now()
		err := carryOut(t.Context(), []task{
			lasts("dp", time.Second, "cp", "edges", "account"),
			lasts("cp", 3*time.Second),
			lasts("toxiproxy", time.Second),
			lasts("edges", time.Second, "toxiproxy"),
			lasts("store", 2*time.Second),
			lasts("account", time.Second, "store"),
		})
		if err != nil || time.Since(start) != 4*time.Second {
			t.Errorf("error %v after %s, want the longest way, 4 s", err, time.Since(start))
		}
		if slices.Index(order, "dp") != 5 || slices.Index(order, "toxiproxy") > slices.Index(order, "edges") {
			t.Errorf("done in the order %v", order)
		}
	})
}

func TestGraphEndsAtTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	ran := false
	err := carryOut(t.Context(), []task{
		{"a", nil, func(context.Context) error { return broken }},
		{"b", nil, func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }},
		{"c", []string{"a"}, func(context.Context) error { ran = true; return nil }},
	})
	if !errors.Is(err, broken) || ran {
		t.Errorf("error %v; what came after ran: %v", err, ran)
	}
}

func TestGraphThatCannotBeOrdered(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context) error { t.Error("a task ran"); return nil }
	for name, tasks := range map[string][]task{
		"a circle":         {{"a", []string{"b"}, nothing}, {"b", []string{"a"}, nothing}},
		"waits for none":   {{"a", []string{"nobody"}, nothing}},
		"waits for itself": {{"a", []string{"a"}, nothing}},
	} {
		if err := carryOut(t.Context(), tasks); err == nil || !strings.Contains(err.Error(), "never done") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
