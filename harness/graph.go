// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// task is a part of a bring-up: what has to be done before it, and how it is done.
type task struct {
	name  string
	after []string
	do    func(context.Context) error
}

// carryOut does every task as soon as those before it are done. The first error
// ends the rest. A task that waits for one that is not there, or for itself in a
// circle, is an error before anything begins.
func carryOut(ctx context.Context, tasks []task) error {
	if err := orderable(tasks); err != nil {
		return err
	}
	done := make(map[string]chan struct{}, len(tasks))
	for _, t := range tasks {
		done[t.name] = make(chan struct{})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		group.Go(func() error {
			for _, before := range t.after {
				select {
				case <-done[before]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if err := t.do(ctx); err != nil {
				return err
			}
			close(done[t.name])
			return nil
		})
	}
	return group.Wait()
}

// orderable says why tasks cannot be brought into an order, if they cannot.
func orderable(tasks []task) error {
	left := make(map[string]task, len(tasks))
	for _, t := range tasks {
		left[t.name] = t
	}
	placed := make(map[string]bool, len(tasks))
	for len(left) > 0 {
		before := len(left)
		for name, t := range left {
			if allPlaced(t.after, placed) {
				placed[name] = true
				delete(left, name)
			}
		}
		if len(left) == before {
			for name, t := range left {
				return fmt.Errorf("bring-up: %s waits for %v, which is never done", name, t.after)
			}
		}
	}
	return nil
}

func allPlaced(names []string, placed map[string]bool) bool {
	for _, n := range names {
		if !placed[n] {
			return false
		}
	}
	return true
}
