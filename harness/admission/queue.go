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

// queue is how many tasks of the machine run or wait for a processor, for each processor
// that this process may use: at this moment, and on the average of about the last minute,
// to which the latest count most.
type queue struct{ now, lately float64 }

func queued() (queue, error) {
	text, err := os.ReadFile(loadFile)
	if err != nil {
		return queue{}, err
	}
	q, err := parse(string(text))
	processors := float64(runtime.GOMAXPROCS(0))
	return queue{q.now / processors, q.lately / processors}, err
}

// parse reads "0.20 0.18 0.12 1/80 11206", see proc(5): the average of a minute, and how
// many tasks are runnable before the slash. The one that reads it is left out.
func parse(text string) (queue, error) {
	fields := strings.Fields(text)
	if len(fields) < 4 {
		return queue{}, fmt.Errorf("%s: %q: not as many fields as it should have", loadFile, text)
	}
	lately, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return queue{}, fmt.Errorf("%s: %w", loadFile, err)
	}
	running, _, _ := strings.Cut(fields[3], "/")
	n, err := strconv.Atoi(running)
	if err != nil {
		return queue{}, fmt.Errorf("%s: %w", loadFile, err)
	}
	return queue{float64(max(0, n-1)), lately}, nil
}
