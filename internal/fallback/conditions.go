// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"fmt"

	"blackout/internal/fallback/bucket"
)

// probe finds out whether a store keeps to the conditions of writes, by writing a
// tiny object. A store that has never heard of conditions takes every write, and
// one that knows that it has none refuses the conditional ones.
type probe struct {
	bucket bucket.Bucket
	key    string

	refused int // conditional writes that failed for no known reason, where a plain one worked
}

// enoughRefusals are taken for a store's nature, and not for a bad moment of it.
const enoughRefusals = 3

// noSuchVersion is what no object's version is, in the form of S3's ETags.
const noSuchVersion = "00000000000000000000000000000000"

// ask sends a few requests. An error says that the store could not be asked; ask
// again then, of the same probe.
func (p *probe) ask(ctx context.Context) (honoured bool, err error) {
	honoured, err = p.conditional(ctx)
	if err == nil || errors.Is(err, bucket.ErrDenied) {
		return honoured, err
	}
	if _, plain := p.bucket.Put(ctx, p.key, []byte(`{}`), bucket.PutOptions{Transient: true}); plain != nil {
		return false, err
	}
	p.refused++
	if p.refused == enoughRefusals {
		return false, nil
	}
	return false, fmt.Errorf("a write with a condition failed where one without did not: %w", err)
}

func (p *probe) conditional(ctx context.Context) (honoured bool, err error) {
	// The first of two writes on condition that there is no object may find none.
	// A lifecycle rule may remove it before the second: hence a third.
	const writes = 3
	for range writes {
		if honoured, err = p.refuses(ctx, bucket.IfAbsent()); honoured || err != nil {
			break
		}
	}
	if !honoured || err != nil {
		return false, err
	}
	return p.refuses(ctx, bucket.IfVersion(noSuchVersion))
}

// refuses says whether the store refuses a write for its condition.
func (p *probe) refuses(ctx context.Context, condition bucket.Condition) (bool, error) {
	_, err := p.bucket.Put(ctx, p.key, []byte(`{}`), bucket.PutOptions{If: condition, Transient: true})
	_, versioned := condition.Version()
	if errors.Is(err, bucket.ErrConflict) || versioned && errors.Is(err, bucket.ErrNotFound) {
		return true, nil
	}
	return false, err
}
