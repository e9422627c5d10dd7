// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// lagBuckets is how many buckets hold all durations: sixteen for each power of
// two, so that none is wider than a sixteenth of what it holds.
const lagBuckets = 60 * 16

// lags is a histogram of how late requests were sent. It serves the live view:
// evidence is computed from the requests themselves.
type lags struct {
	counts [lagBuckets]atomic.Int64
	max    atomic.Int64
}

func (l *lags) add(d time.Duration) {
	d = max(d, 0)
	l.counts[lagBucket(d)].Add(1)
	for {
		seen := l.max.Load()
		if int64(d) <= seen || l.max.CompareAndSwap(seen, int64(d)) {
			return
		}
	}
}

func lagBucket(d time.Duration) int {
	shift := max(bits.Len64(uint64(d))-5, 0)
	return shift*16 + int(d>>shift)
}

// lagOf is the longest duration in a bucket.
func lagOf(bucket int) time.Duration {
	shift := max(bucket/16-1, 0)
	return time.Duration(bucket-shift*16+1)<<shift - 1
}
