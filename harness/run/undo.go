// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"

	"blackout/harness/engine"
	"blackout/harness/fault"
)

// handlers do the same thing on each engine, by its name.
type handlers map[string]func(context.Context, engine.Handle) error

// onEngine does a thing on the engine that the arguments, a handle, name.
func onEngine(on handlers) fault.Undoer {
	return func(ctx context.Context, args map[string]string) error {
		do, ok := on[args["engine"]]
		if !ok {
			return fmt.Errorf("engine %q has no means for it", args["engine"])
		}
		return do(ctx, args)
	}
}
