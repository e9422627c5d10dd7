// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ReadWhole reads a body of the announced size in bytes; a negative size is
// unknown. A body of more than limit bytes is [ErrTooLarge], whatever was announced;
// one that ends early, or is longer than announced, is [ErrIncomplete].
func ReadWhole(body io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	var buffer bytes.Buffer
	if size > 0 {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	n, err := io.Copy(&buffer, io.LimitReader(body, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, n, size)
	case err != nil:
		return nil, fmt.Errorf("%w: after %d bytes: %w", ErrIncomplete, n, err)
	case n > limit:
		return nil, fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, limit)
	case size >= 0 && n != size:
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, n, size)
	}
	return buffer.Bytes(), nil
}
