// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package history is the recording of a run: what was done, seen and measured,
// and when. It owns the file format. Its central type is [Recording]; a
// [Writer] streams one to disk while a run lasts, [Load] reads it back.
//
// A recording is a directory of two files. events.jsonl holds a header and then
// one [Event] a line, in the order of writing. requests.bin holds one
// fixed-size [Request] per request sent. All times are nanoseconds on one
// monotonic clock, zero at the start of the run; the header's wall time anchors
// them. Oracles and reports read recordings and nothing else.
package history

import "time"

// Schema is the version of the recording's format.
const Schema = 1

// Time is a moment of a run: nanoseconds since its start on the run's
// monotonic clock.
type Time int64

// Sub is the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Seconds is t in seconds.
func (t Time) Seconds() float64 { return float64(t) / 1e9 }

// Header opens a recording.
type Header struct {
	Schema   int       `json:"schema"`
	Run      string    `json:"run"`
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Engine   string    `json:"engine"`
	Started  time.Time `json:"started"` // wall clock at Time 0
	Profile  Profile   `json:"profile"`
	Nodes    []Node    `json:"nodes"`   // those of the plan, also the ones that start later
	Streams  []Stream  `json:"streams"` // index is Request.Stream
}

// Profile is the timer profile that the nodes ran with. Reports name it.
type Profile struct {
	Name            string        `json:"name"` // "kong" or "fast"
	ReconnectMin    time.Duration `json:"reconnect_min"`
	ReconnectMax    time.Duration `json:"reconnect_max"`
	PingInterval    time.Duration `json:"ping_interval"`
	Silence         time.Duration `json:"silence"`
	DialTimeout     time.Duration `json:"dial_timeout"`
	NoConfiguration time.Duration `json:"no_configuration_wait"`
	ExportDelay     time.Duration `json:"export_delay"`
}

// Node describes a node of the topology.
type Node struct {
	Name   string `json:"name"`
	Role   string `json:"role"`             // "control_plane", "data_plane", "store", "upstream", "toxiproxy", "storefront"
	Import bool   `json:"import,omitempty"` // may read the snapshot
	Export bool   `json:"export,omitempty"` // is the backup node
}

// Stream describes a stream of probes to one data plane.
type Stream struct {
	Name     string        `json:"name"`
	Node     string        `json:"node"`
	Fresh    bool          `json:"fresh"` // a new connection for every request
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`
}

// Kind says what an event is about.
type Kind string

// The kinds of events. The comment names the fields that are set besides At.
const (
	StepBegin  Kind = "step.begin" // Step, Text
	StepEnd    Kind = "step.end"   // Step, Text; Error if it failed
	PhaseBegin Kind = "phase"      // Text: the name of the phase that begins ("bring-up", "steady", "outage", "recovery")

	NodeStart   Kind = "node.start"  // Node: its process is started (At: before the call)
	NodeExit    Kind = "node.exit"   // Node, Code, Text (its last line): its process was found ended though nobody ended it
	WatchEnd    Kind = "watch.end"   // Node, Looks: how often it was looked at
	ReadyChange Kind = "node.ready"  // Node, Code (HTTP status of /status/ready, 0: no answer), Text: its message
	ServeChange Kind = "node.serves" // Node, Code (status of the probed route), Generation; first answer and each change
	ReadyCheck  Kind = "ready.check" // Node, Code, OK: what the probed route answered to a request sent after readiness became 200, until it first answers well
	ConfigHash  Kind = "node.hash"   // Node, Text: configuration hash in /status, first and each change

	EdgeConnect Kind = "edge.connect" // Edge: a connection attempt by Node reached the edge (At is mapped from the meter's clock)
	EdgeBytes   Kind = "edge.bytes"   // Edge, Offered, Passed: cumulative bytes before and after the fault, at each change

	FaultInject   Kind = "fault.inject"         // Edge, Text: mode; At: before the call
	FaultActive   Kind = "fault.active"         // Edge, Text: mode; At: after the call
	FaultWitness  Kind = "fault.witness"        // Edge, Text: what was seen; OK: whether the fault is in force
	FaultHeal     Kind = "fault.heal"           // Edge; At: before the call
	FaultHealed   Kind = "fault.healed"         // Edge; At: after the call
	HealWitness   Kind = "fault.healed.witness" // Edge, Text, OK
	StoreRequest  Kind = "store.request"        // Node (author), Text: "GET bucket/key", Code, Bytes sent to the client, Until: when it ended
	StoreObject   Kind = "store.object"         // Text: bucket/key, Generation: what an independent reader found in it
	ChangeSent    Kind = "change.sent"          // Generation: an Admin API change left
	ChangeAcked   Kind = "change.acked"         // Generation, Code
	ChangeUnknown Kind = "change.unknown"       // Generation, Error: no answer; it may or may not be in force
	Planted       Kind = "store.planted"        // Generation: put into the bucket by the harness, to be followed by nobody
	WaitTimeout   Kind = "wait.timeout"         // Text: the condition that did not come about; Node if it is one node's
	TrafficBegin  Kind = "traffic.begin"        // Node
	TrafficEnd    Kind = "traffic.end"          // Node
	Unsteady      Kind = "unsteady"             // Text: why the state before the fault was never reached; Node if it is one node's
	HarnessError  Kind = "harness.error"        // Error
	// EnvironmentError: something that is neither gateway nor harness failed. Error.
	EnvironmentError Kind = "environment.error"
	Interrupted      Kind = "interrupted" // Text: by what
	RunEnd           Kind = "run.end"     // OK: every step of the plan was carried out; Events, Requests: recorded before it
)

// Event is one thing that happened. Fields that a kind does not use are absent.
type Event struct {
	At         Time   `json:"t"`
	Until      Time   `json:"until,omitempty"`
	Kind       Kind   `json:"kind"`
	Step       int    `json:"step,omitempty"`
	Node       string `json:"node,omitempty"`
	Edge       string `json:"edge,omitempty"` // "dp-1>cp"
	Text       string `json:"text,omitempty"`
	Code       int    `json:"code,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Looks      int    `json:"looks,omitempty"`
	Events     int    `json:"events,omitempty"`
	Requests   int    `json:"requests,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	Offered    int64  `json:"offered,omitempty"`
	Passed     int64  `json:"passed,omitempty"`
	OK         bool   `json:"ok,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Class says how a request ended.
type Class uint8

// The classes of answers. Everything but Good is a failure of the request.
const (
	Good        Class = iota // 200 with the body of a known generation
	WrongStatus              // another status
	WrongBody                // 200, but not the upstream's echo of the probed route
	Refused                  // connection refused
	Reset                    // connection reset
	EOF                      // connection closed without an answer
	Timeout                  // no answer within the stream's timeout
	OtherError               // any other error
)

var classNames = [...]string{"good", "wrong status", "wrong body", "refused", "reset", "eof", "timeout", "other error"}

// String is the class's name as reports print it.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown class"
}

// The flags of a request.
const (
	Masked        uint8 = 1 << iota // the HTTP client hid a failure by sending it again
	NewConnection                   // it was sent on a new connection
)

// Request is one probe. On disk it takes RequestSize bytes, little endian, in
// the order of the fields.
type Request struct {
	Intended   Time   // when the schedule wanted it sent
	Sent       Time   // when it was sent
	Done       Time   // when the answer was complete, or the failure known
	Generation uint32 // the generation that answered; 0 if none could be read
	Stream     uint16 // index into Header.Streams
	Status     uint16 // HTTP status, 0 without an answer
	Class      Class
	Flags      uint8
}

// RequestSize is the size of a Request on disk, in bytes.
const RequestSize = 34

// Recording is a run read back.
type Recording struct {
	Header   Header
	Events   []Event
	Requests []Request
}
