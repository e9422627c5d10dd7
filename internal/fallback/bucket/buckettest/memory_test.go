// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package buckettest_test

import (
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	buckettest.Test(t, func(*testing.T) bucket.Bucket { return &buckettest.Memory{} })
}
