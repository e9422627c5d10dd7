// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness/engine"
)

func TestSweepUntilQuiet(t *testing.T) {
	t.Parallel()
	found := []string{"container x"}
	broken := errors.New("broken")
	missing := fmt.Errorf("no daemon: %w", engine.ErrUnavailable)
	type answer struct {
		removed []string
		err     error
	}
	cases := map[string]struct {
		answers []answer // the last one repeats
		passes  int
		took    time.Duration
		fails   bool
		says    error // wrapped by the error
	}{
		"nothing left":            {answers: []answer{{}}, passes: 2, took: 2 * time.Second},
		"something at first":      {answers: []answer{{removed: found}, {}}, passes: 3, took: 4 * time.Second},
		"something made late":     {answers: []answer{{}, {removed: found}, {}}, passes: 4, took: 6 * time.Second},
		"a failed pass":           {answers: []answer{{}, {err: broken}, {}}, passes: 4, took: 6 * time.Second},
		"daemon silent at first":  {answers: []answer{{err: missing}, {removed: found}, {}}, passes: 4, took: 6 * time.Second},
		"daemon silent":           {answers: []answer{{err: missing}}, took: sweepLimit, fails: true, says: engine.ErrUnavailable},
		"never ending":            {answers: []answer{{removed: found}}, took: sweepLimit, fails: true},
		"removed before it broke": {answers: []answer{{removed: found, err: broken}, {}}, passes: 3, took: 4 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				passes := 0
				sweeper := func(_ context.Context, run string) ([]string, error) {
					if run != "r1" {
						t.Errorf("sweeping run %q, want r1", run)
					}
					now := c.answers[min(passes, len(c.answers)-1)]
					passes++
					return now.removed, now.err
				}
				ctx, cancel := context.WithTimeout(t.Context(), sweepLimit)
				defer cancel()
				start := time.Now()
				err := sweepUntilQuiet(ctx, "r1", map[string]Sweeper{"fake": sweeper}, slog.New(slog.DiscardHandler))
				if (err != nil) != c.fails || c.says != nil && !errors.Is(err, c.says) {
					t.Errorf("error %v, want one: %v, that wraps: %v", err, c.fails, c.says)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
				if !c.fails && passes != c.passes {
					t.Errorf("%d passes, want %d", passes, c.passes)
				}
			})
		})
	}
}

func TestSweepDeadTakesAMissingEngineForClean(t *testing.T) {
	t.Parallel()
	missing := func(context.Context, string) ([]string, error) {
		return nil, fmt.Errorf("no daemon: %w", engine.ErrUnavailable)
	}
	if removed, err := SweepDead(t.Context(), map[string]Sweeper{"docker": missing}); err != nil || len(removed) != 0 {
		t.Errorf("SweepDead() = %v, %v, want nothing", removed, err)
	}
}

func TestFailingPassesAreLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		missing := func(context.Context, string) ([]string, error) { return nil, engine.ErrUnavailable }
		var text strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), sweepLimit)
		defer cancel()
		err := sweepUntilQuiet(ctx, "r1", map[string]Sweeper{"docker": missing}, slog.New(slog.NewTextHandler(&text, nil)))
		if err == nil || strings.Count(text.String(), engine.ErrUnavailable.Error()) != 1 {
			t.Errorf("error %v, log %q; want an error, and the failure logged once", err, text.String())
		}
	})
}

func TestHangingSweeperDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		var sweptAfter time.Duration
		start := time.Now()
		prompt := func(context.Context, string) ([]string, error) {
			sweptAfter = time.Since(start)
			return []string{"process 1"}, nil
		}
		removed, err := SweepDead(t.Context(), map[string]Sweeper{"a": hanging, "b": prompt})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a: ") {
			t.Errorf("SweepDead() error %v, want the deadline of a", err)
		}
		if sweptAfter != 0 || !slices.Equal(removed, []string{"process 1"}) {
			t.Errorf("b ran after %s and removed %v, want at once, process 1", sweptAfter, removed)
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{
		"PATH=/bin", "HOME=/h", "DOCKER_HOST=unix:///d.sock", "TESTCONTAINERS_RYUK_DISABLED=true",
		"AWS_SECRET_ACCESS_KEY=s", "BLACKOUT_RUN=r1", "BLACKOUT_OWNER=h/1/2", "PATHS=x", "XDG_CACHE_HOME=/c",
	})
	want := []string{"PATH=/bin", "HOME=/h", "DOCKER_HOST=unix:///d.sock", "TESTCONTAINERS_RYUK_DISABLED=true", "XDG_CACHE_HOME=/c"}
	if !slices.Equal(got, want) {
		t.Fatalf("environment() = %v, want %v", got, want)
	}
}
