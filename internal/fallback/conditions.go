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

	// refused counts the writes with a condition, by whether that names a version, that
	// failed for no known reason where a plain one worked, since the last that was
	// answered: a store that answered one knows the condition.
	refused map[bool]int
	failed  *bool // which kind failed last, if one did
}

// What is taken for a store's nature, and not for a bad moment of it: that it refuses
// a kind of conditional writes some times, or fails at it many times. To take one for a
// store without conditions would let several backup nodes write at once.
const (
	enoughRefusals = 3
	enoughFailures = 10
)

// noSuchVersion is what no object's version is, in the form of S3's ETags.
const noSuchVersion = "00000000000000000000000000000000"

// ask sends a few requests. An error says that the store could not be asked; ask
// again then, of the same probe.
func (p *probe) ask(ctx context.Context) (honoured bool, err error) {
	p.failed = nil
	honoured, err = p.conditional(ctx)
	if err == nil || errors.Is(err, bucket.ErrDenied) || p.failed == nil {
		return honoured, err
	}
	if _, plain := p.bucket.Put(ctx, p.key, bucket.BodyOf([]byte(`{}`)), bucket.PutOptions{Transient: true}); plain != nil {
		return false, err
	}
	if p.refused == nil {
		p.refused = map[bool]int{}
	}
	p.refused[*p.failed]++
	enough := enoughRefusals
	if errors.Is(err, bucket.ErrUnavailable) {
		enough = enoughFailures
	}
	if p.refused[*p.failed] >= enough {
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
	if honoured, err = p.refuses(ctx, bucket.IfVersion(noSuchVersion)); !honoured || err != nil {
		return false, err
	}
	return true, p.takes(ctx)
}

// errVersionRefused is a store whose lease could be taken once and never again. To
// export without an election is for the operator to choose: the versions may be spoilt
// on the way of some backup nodes only.
var errVersionRefused = errors.New("the store refuses a write on condition of the version that it tells: " +
	"see whether something on the way changes ETags, or use one backup node with blackout_fallback_election off")

// takes is an error if the store does not take a write whose condition holds.
func (p *probe) takes(ctx context.Context) error {
	before, err := p.bucket.Head(ctx, p.key)
	if err != nil {
		return err
	}
	_, err = p.bucket.Put(ctx, p.key, bucket.BodyOf([]byte(`{}`)), bucket.PutOptions{If: bucket.IfVersion(before.Version), Transient: true})
	if !errors.Is(err, bucket.ErrConflict) {
		return err
	}
	after, headErr := p.bucket.Head(ctx, p.key)
	if headErr == nil && after.Version == before.Version {
		return fmt.Errorf("%w: %w", errVersionRefused, err)
	}
	return fmt.Errorf("another backup node asks at the same time: %w", err)
}

// refuses says whether the store refuses a write for its condition.
func (p *probe) refuses(ctx context.Context, condition bucket.Condition) (bool, error) {
	_, err := p.bucket.Put(ctx, p.key, bucket.BodyOf([]byte(`{}`)), bucket.PutOptions{If: condition, Transient: true})
	_, versioned := condition.Version()
	honoured := errors.Is(err, bucket.ErrConflict) || versioned && errors.Is(err, bucket.ErrNotFound)
	if err != nil && !honoured {
		p.failed = &versioned
		return false, err
	}
	delete(p.refused, versioned)
	return honoured, nil
}
