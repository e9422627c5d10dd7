// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

const loadFile = "/proc/loadavg"

// queued is how many tasks of the machine run or wait for a processor at this moment,
// for each processor that this process may use.
func queued() (float64, error) {
	text, err := os.ReadFile(loadFile)
	if err != nil {
		return 0, err
	}
	tasks, err := runnable(string(text))
	return float64(tasks) / float64(runtime.GOMAXPROCS(0)), err
}

// runnable reads "0.20 0.18 0.12 1/80 11206", see proc(5): how many tasks are runnable
// stands before the slash. The one that reads it is left out.
func runnable(text string) (int, error) {
	fields := strings.Fields(text)
	if len(fields) < 4 {
		return 0, fmt.Errorf("%s: %q: not as many fields as it should have", loadFile, text)
	}
	running, _, _ := strings.Cut(fields[3], "/")
	n, err := strconv.Atoi(running)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", loadFile, err)
	}
	return max(0, n-1), nil
}
