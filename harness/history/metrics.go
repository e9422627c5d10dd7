// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

// Harness is the node of the metrics that are the harness's own.
const Harness = "harness"

// The metrics of how well the traffic's schedule was kept, from the beginning of
// traffic to the moment of the sample. Those of node "harness" are of all
// streams, once a second; those of another node are of one Stream, at its end.
const (
	SlotsDue       = "slots_due"        // requests that the schedule asked for
	SlotsSent      = "slots_sent"       // of those, answered or failed by now
	SlotsSaturated = "slots_saturated"  // of those, fallen due while every worker of the stream was busy; a stream with any was not open loop
	LagP50         = "lag_p50_seconds"  // how late requests were sent; within a sixteenth
	LagP99         = "lag_p99_seconds"  // exact figures are computed from the requests
	LagMax         = "lag_max_seconds"  // exact
	LoadAverage    = "load_average_1m"  // of the machine: tasks that run or wait to
	GCPauses       = "gc_pause_seconds" // for which the harness's garbage collector stopped it, in all

	// How often, and how long in all, the kernel denied the harness the processor
	// because its control group had used up its quota (cpu.stat).
	ThrottledPeriods = "cpu_throttled_periods"
	ThrottledSeconds = "cpu_throttled_seconds"
)

// ControlRequests is how many requests the harness has sent to an upstream itself, past
// every gateway, from its start to the moment of the sample; once a second.
const ControlRequests = "control_requests"

// The metrics of a process, a node's or the harness's.
const (
	ProcessCPU      = "cpu_seconds" // used, in user and kernel mode
	ProcessResident = "resident_bytes"
	ProcessFiles    = "open_fds"
	ProcessSockets  = "open_sockets" // of the files: connections and listeners
	ProcessThreads  = "threads"
)

// The metrics that a node tells of itself at /metrics of its Status API.
const (
	RunningTimers = "running_timers" // kong_nginx_timers, running: timers of a Kong, goroutines of the reference gateway
	LiveBytes     = "live_bytes"     // kong_memory_workers_lua_vms_bytes: in use by the program itself, of all workers
)
