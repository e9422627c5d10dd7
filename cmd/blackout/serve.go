// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/reports/live"
)

// carryOutServed carries out a plan and, if asked for, shows its report meanwhile. What
// becomes of the page is no matter of the run: it is said, and changes nothing.
func (f runFlags) carryOutServed(ctx context.Context, w io.Writer, p plan.Plan, o run.Options) (run.Result, error) {
	if f.serve == "" {
		return run.CarryOut(ctx, p, o)
	}
	listener, err := live.Listen(ctx, f.serve)
	if err != nil {
		return run.Result{}, fmt.Errorf("%w: --serve %s: %w", run.ErrUsage, f.serve, err)
	}
	server := live.Serve(listener, live.Options{SLO: o.SLO})
	o.Opened = server.Watch
	fmt.Fprintf(w, "live: %s\n", server.URL())
	result, err := run.CarryOut(ctx, p, o)
	// Also after an interrupt readers get the last page; End has limits of its own.
	if ended := server.End(context.WithoutCancel(ctx), result.Dir); ended != nil {
		o.Progress(ended.Error())
	}
	return result, err
}

// checkServe refuses an address that cannot be served on.
func (f *runFlags) checkServe() error {
	if f.serve == "" {
		return nil
	}
	if err := live.Check(f.serve); errors.Is(err, live.ErrAddress) {
		return fmt.Errorf("%w: --serve: %w", run.ErrUsage, err)
	}
	return nil
}
