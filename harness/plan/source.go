// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Source draws a plan's random values, each from a stream named by its use.
type Source struct{ seed uint64 }

// NewSource is the source of a seed.
func NewSource(seed uint64) Source { return Source{seed: seed} }

// stream is the generator of a name. It starts anew at each call: one name is for
// one draw.
func (s Source) stream(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// Between draws an integer from [low, high] for name.
func (s Source) Between(name string, low, high int) int {
	return low + s.stream(name).IntN(high-low+1)
}

// Duration draws a whole number of milliseconds from [low, high] for name.
func (s Source) Duration(name string, low, high time.Duration) time.Duration {
	ms := int64((high - low) / time.Millisecond)
	return low + time.Duration(s.stream(name).Int64N(ms+1))*time.Millisecond
}

// Shuffle is a copy of names in an order drawn for name.
func (s Source) Shuffle(name string, names []string) []string {
	out := make([]string, len(names))
	for i, j := range s.stream(name).Perm(len(names)) {
		out[i] = names[j]
	}
	return out
}
