// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package bucket

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// BusyError is in the chain of an [ErrUnavailable] of a store that said for how long
// to leave it alone; ask with errors.As.
type BusyError struct{ After time.Duration }

// Error implements error.
func (e BusyError) Error() string { return fmt.Sprintf("it asks to be left alone for %s", e.After) }

// RetryAfter is for how long the answer with these headers asks to leave its store alone:
// Retry-After of RFC 9110, section 10.2.3, in seconds or until a time. A time is meant by
// the store's clock, which the answer's Date tells of; without one, now is taken.
func RetryAfter(header http.Header, now time.Time) (after time.Duration, asked bool) {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now).Round(time.Second), 0), true
	}
	return 0, false
}
