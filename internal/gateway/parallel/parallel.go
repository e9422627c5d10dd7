// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package parallel does on all processors what is done to each of many rows by itself.
package parallel

import (
	"runtime"
	"sync"
)

// fewest is how many rows are worth a goroutine.
const fewest = 512

// Rows calls do with parts of n rows, at once, and returns what it returned in the
// order of the rows. The parts are from..to-1; together they are all rows, and there
// is at least one part. A panic of do ends the program.
func Rows[Result any](n int, do func(from, to int) Result) []Result {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/fewest))
	results := make([]Result, parts)
	var others sync.WaitGroup
	for part := range parts {
		run := func() { results[part] = do(n*part/parts, n*(part+1)/parts) }
		if part == parts-1 {
			run()
			break
		}
		others.Go(run)
	}
	others.Wait()
	return results
}
