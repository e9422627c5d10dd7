// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"

	"github.com/shirou/gopsutil/v4/mem"
)

// sizeFormat is how /status writes a number of bytes.
type sizeFormat struct {
	unit  string // "", "KiB", "MiB" or "GiB"
	bytes float64
	scale int // digits after the point
}

// newSizeFormat reads the parameters unit (b, k, m, g; m if empty) and scale (2 if
// empty), as Kong 3.9 has them.
func newSizeFormat(unit, scale string) (sizeFormat, error) {
	format := sizeFormat{unit: "MiB", bytes: 1 << 20, scale: 2}
	switch strings.ToLower(unit) {
	case "b":
		format.unit, format.bytes = "", 1
	case "k":
		format.unit, format.bytes = "KiB", 1<<10
	case "", "m":
	case "g":
		format.unit, format.bytes = "GiB", 1<<30
	default:
		return format, errors.New("invalid unit: give b, k, m or g")
	}
	if scale != "" {
		digits, err := strconv.ParseUint(scale, 10, 8)
		if err != nil || digits > 20 {
			return format, errors.New("invalid scale: give a number of digits, at most 20")
		}
		format.scale = int(digits)
	}
	return format, nil
}

// write returns a text, or for bytes the number itself.
func (f sizeFormat) write(bytes uint64) any {
	if f.unit == "" {
		return bytes
	}
	return fmt.Sprintf("%.*f %s", f.scale, float64(bytes)/f.bytes, f.unit)
}

// sharedMemory are the names of the places that Kong keeps its data in (Kong 3.9's
// Lua shared dictionaries). Monitoring looks for them. This node has one heap: it
// is told as the place of the configuration, and the others are empty.
var sharedMemory = []string{
	"kong", "kong_cluster_events", configurationMemory, "kong_core_db_cache_miss", "kong_db_cache", "kong_db_cache_miss",
	"kong_healthchecks", "kong_locks", "kong_rate_limiting_counters", "kong_secrets", "prometheus_metrics",
}

const configurationMemory = "kong_core_db_cache"

// memory is what the process uses, in bytes.
type memory struct {
	live  uint64 // objects on the heap
	limit uint64 // GOMEMLIMIT, or all that the machine has
}

func readMemory() memory {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	// A negative limit only asks for the present one.
	limit := uint64(max(debug.SetMemoryLimit(-1), 0)) // #nosec G115 -- not negative
	return memory{live: samples[0].Value.Uint64(), limit: min(limit, installed())}
}

// installed is the machine's memory in bytes; without an answer, no bound.
var installed = sync.OnceValue(func() uint64 {
	machine, err := mem.VirtualMemory()
	if err != nil {
		return math.MaxUint64
	}
	return machine.Total
})

// dictionary is the size of one of sharedMemory.
func (m memory) dictionary(name string) (allocated, capacity uint64) {
	if name == configurationMemory {
		return m.live, m.limit
	}
	return 0, 0
}

// describeMemory is the "memory" object of /status.
func describeMemory(format sizeFormat) map[string]any {
	used := readMemory()
	dictionaries := make(map[string]any, len(sharedMemory))
	for _, name := range sharedMemory {
		allocated, capacity := used.dictionary(name)
		dictionaries[name] = map[string]any{"allocated_slabs": format.write(allocated), "capacity": format.write(capacity)}
	}
	return map[string]any{
		"lua_shared_dicts": dictionaries,
		"workers_lua_vms":  []any{map[string]any{"http_allocated_gc": format.write(used.live), "pid": os.Getpid()}},
	}
}
