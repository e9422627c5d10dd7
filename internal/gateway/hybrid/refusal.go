// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter bounds for how long a control plane may send a data plane away.
const maxRetryAfter = 5 * time.Minute

// refusal is a control plane's answer to the upgrade that is not the upgrade.
type refusal struct {
	status     int
	retryAfter time.Duration // 0 unless it asks to come back later
	err        error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("upgrade refused with status %d: %v", r.status, r.err)
}

func (r *refusal) Unwrap() error { return r.err }

// refusedBy adds what an answer says to the error of an attempt. There may be no
// answer.
func refusedBy(response *http.Response, err error) error {
	if response == nil {
		return err
	}
	// The body is the start of the answer at most, and of no further use.
	_, _ = io.Copy(io.Discard, response.Body)
	refused := &refusal{status: response.StatusCode, err: err}
	if refused.status == http.StatusTooManyRequests || refused.status == http.StatusServiceUnavailable {
		refused.retryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	return refused
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds, or
// the date of the next attempt. It returns 0 for what is neither.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
