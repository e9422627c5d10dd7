// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"os"
	"runtime"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"blackout/reports"
)

// environment is what the report says of where the run took place. What the
// machine does not tell stays empty, and the report says so.
func (r *runner) environment() reports.Environment {
	e := reports.Environment{
		Blackout: Version(), GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPUs: runtime.NumCPU(), Images: r.images,
		Gateway: r.gateway, Control: string(r.options.Control),
	}
	if r.options.Repeat != nil {
		e.Repeat = r.options.Repeat(r.choice.engine)
	}
	if name, err := os.Hostname(); err == nil {
		e.Host = name
	}
	if kernel, err := host.KernelVersion(); err == nil {
		e.Kernel = kernel
	}
	if memory, err := mem.VirtualMemory(); err == nil {
		e.MemoryBytes = int64(memory.Total)
	}
	return e
}

// commit is set by the linker; see the Makefile.
var commit string

// Version is the commit that this program was built from, with "+changes" if the
// tree had any, or "unknown" where the build did not record it.
func Version() string {
	if commit == "" {
		return "unknown"
	}
	return commit
}
