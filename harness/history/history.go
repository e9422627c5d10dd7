// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package history is the recording of a run: what was done, seen and measured,
// and when. It owns the file format. Its central type is [Recording]; a
// [Writer] streams one to disk while a run lasts, [Load] reads it back.
//
// A recording is a directory of two files. events.jsonl holds a header, then one
// [Event] a line in the order of writing, then a line that says how much was
// written. requests.bin holds one fixed-size [Request] per request sent. All
// times are nanoseconds on one monotonic clock, zero at the start of the run; the
// header's wall time anchors them. Oracles and reports read recordings and
// nothing else: by [Open], which streams, or by [Load], which holds everything.
// docs/recording.md says what every kind of event means.
package history

import "time"

// Schema is the version of the recording's format.
const Schema = 2

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

	// What the scenario asks the oracles, so that the recording alone suffices to
	// judge the run again.
	Promises  []string `json:"promises,omitempty"`  // "G1" …, in order
	Exercises []string `json:"exercises,omitempty"` // the clauses that it is there to exercise

	Storage string `json:"storage,omitempty"` // where snapshots live, "bucket/prefix"
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
	Export bool   `json:"export,omitempty"` // is a backup node

	ControlPlane string `json:"control_plane,omitempty"` // the one that a data plane dials; empty: the only one
	Store        string `json:"store,omitempty"`         // the one that its account is for; empty: "store"
	Version      string `json:"version,omitempty"`       // of the snapshots it reads and writes
	Encryption   string `json:"encryption,omitempty"`    // asked of the store for what it writes: "AES256", "aws:kms"
	Plugins      string `json:"plugins,omitempty"`       // that it was told to run, as kong.conf lists them; empty: all that it has
}

// ObjectGone is the error of an object that was there and is no longer.
const ObjectGone = "gone"

// What a change may need: a plugin, whose name follows, or that a larger payload is
// sent than the nodes' `cluster_max_payload` lets pass, which nobody can take.
const (
	NeedsPlugin  = "plugin "
	NeedsPayload = "payload"
)

// WroteNothing stands for the last line of a node that wrote none.
const WroteNothing = "(it wrote nothing)"

// The authors of store requests that are not nodes.
const (
	ReaderAccount = "reader"  // the harness, with a reader's rights: what it may not do, no reader may
	NoAuthor      = "unknown" // a credential that the run gave to nobody
)

// Stream describes a stream of probes to one data plane.
type Stream struct {
	Name     string        `json:"name"`
	Node     string        `json:"node"`
	Fresh    bool          `json:"fresh"` // a new connection for every request
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`

	Workers  int    `json:"workers,omitempty"`  // requests that can be outstanding at once
	Protocol string `json:"protocol,omitempty"` // "http/1.1" (also if empty), "h2", "h2c"
	TLS      bool   `json:"tls,omitempty"`

	// Guarded is a stream to a route that needs a key, sent without the right one: only a
	// refusal (401) is a good answer.
	Guarded bool `json:"guarded,omitempty"`

	// Key says which key the requests show, and makes them requests to routes that
	// need one: "" none, [RightKey], or [WrongKey], which is refused as none is.
	Key string `json:"key,omitempty"`
}

// The keys that a stream may show.
const (
	RightKey = "right"
	WrongKey = "wrong"
)

// Kind says what an event is about.
type Kind string

// The kinds of events. The comment names the fields that are set besides At.
const (
	StepBegin  Kind = "step.begin" // Step, Text; Planned: when the plan wanted it begun, if it says
	StepEnd    Kind = "step.end"   // Step, Text; Error if it failed
	PhaseBegin Kind = "phase"      // Text: the name of the phase that begins ("bring-up", "steady", "outage", "recovery")

	NodeStart   Kind = "node.start"   // Node: its process is started (At: before the call)
	NodeExit    Kind = "node.exit"    // Node, Code, Text (its last line): its process was found ended though nobody ended it
	NodeStop    Kind = "node.stop"    // Node, Text: why the harness ended it (At: before the call)
	NodeState   Kind = "node.state"   // Node, Text: "running", "paused" or "ended", first sight and each change; Code of an end
	NodeLog     Kind = "node.log"     // Node, Text: a line that it wrote, secrets redacted (At: when it was read)
	NodeListens Kind = "node.listens" // Node, Text: an address that it listens on, "tcp 0.0.0.0:8000"; at first sight
	SecretSeen  Kind = "secret.seen"  // Node, Text: the kind of event in which a secret of the run was found and redacted, never the secret
	SecretWatch Kind = "secret.watch" // Looks: how many secrets are looked for from here on
	WatchEnd    Kind = "watch.end"    // Node, Looks: how often it was looked at
	ReadyChange Kind = "node.ready"   // Node, Code (HTTP status of /status/ready, 0: no answer), Text: its message
	ServeChange Kind = "node.serves"  // Node, Code (status of the probed route), Generation; first answer and each change
	ReadyCheck  Kind = "ready.check"  // Node, Code, OK: what the probed route answered to a request sent after readiness became 200, until it first answers well
	ProbeAnswer Kind = "probe.answer" // Node, Code (HTTP status, 0: no answer), Text: a request's name, ": " and all of its answer that the configuration determines
	ConfigHash  Kind = "node.hash"    // Node, Text: configuration hash in /status, first and each change
	ListedHash  Kind = "cp.lists"     // Node: a control plane, Text: a data plane's id and the configuration hash that it lists for it, first and each change
	ListedSync  Kind = "cp.sync"      // Node: a control plane, Text: a data plane's id and the sync_status that it lists for it, first and each change

	ConnOpen  Kind = "conn.open"  // Node: the harness's idle connection to its proxy stands (At: before the dial, Until: after)
	ConnClose Kind = "conn.close" // Node, Text: how it ended or could not be made ("fin", "reset", "refused", "timeout", "other")

	EdgeSYN     Kind = "edge.syn"     // Edge, Attempts: connection attempts counted at the packet level since the edge was opened
	EdgeConnect Kind = "edge.connect" // Edge: a connection attempt by Node reached the edge (At is mapped from the meter's clock)
	EdgeBytes   Kind = "edge.bytes"   // Edge, Offered, Passed: cumulative bytes before and after the fault, at each change

	// The events of a fault name its target: Edge for a link's or a control
	// plane's, Node for all others. Fault is the fault's number in the run, from
	// 1; Text of the first two is its kind. RetryAfter of the first is for how long
	// a busy control plane asks not to be dialled, Generation the one that a control
	// plane with an older or an invalid configuration pushes.
	FaultInject   Kind = "fault.inject"         // At: before the call
	FaultActive   Kind = "fault.active"         // At: after the call
	FaultWitness  Kind = "fault.witness"        // Text: what was seen; OK: whether the fault is in force
	FaultHeal     Kind = "fault.heal"           // At: before the call
	FaultHealed   Kind = "fault.healed"         // At: after the call
	HealWitness   Kind = "fault.healed.witness" // Text, OK
	FaultUnstaged Kind = "fault.unstaged"       // Text: kind, Error: why this engine cannot stage it; what needs it is NOT MEASURED

	StoreRequest  Kind = "store.request"  // Node (author), Text: "GET bucket/key", Code, Bytes sent to the client, Until: when it ended, OK: it was answered whole, Rule: the scripted fault that answered it, if one did
	StoreObject   Kind = "store.object"   // Node: the store, Text: bucket/key, Generation: what an independent reader found in it, Until; Bytes, Encryption ("", "AES256", "aws:kms"); Digest: of what it configures, whatever its comment; Error: it was torn or unreadable, or ObjectGone
	ChangeSent    Kind = "change.sent"    // Generation: an Admin API change left
	ChangeAcked   Kind = "change.acked"   // Generation, Code
	ChangeUnknown Kind = "change.unknown" // Generation, Error: no answer; it may or may not be in force
	ChangeNeeds   Kind = "change.needs"   // Generation, Text: what not every data plane has and this change needs: [NeedsPlugin] and a plugin's name, or [NeedsPayload]; before its change.sent
	Planted       Kind = "store.planted"  // Generation: put into the bucket by the harness, to be followed by nobody
	WaitTimeout   Kind = "wait.timeout"   // Text: the condition that did not come about; Node if it is one node's
	TrafficBegin  Kind = "traffic.begin"  // Node; since schema 2 one per stream: Stream, and At is when its first request is due
	TrafficEnd    Kind = "traffic.end"    // Node; since schema 2 one per stream: Stream
	NodeDenied    Kind = "node.denied"    // Node, At, Until: the machine kept its process from running for that long; the time is right to half a second; Error: that cannot be known
	UpstreamSlow  Kind = "upstream.slow"  // Node: an upstream, At (when it was due), Until, Code, Error: an answer of its to the harness itself, past every gateway, that was bad or came late; see metrics.go
	Metric        Kind = "metric"         // Node (or "harness"), Text: name with unit, see metrics.go, Value, Stream if it is one's; Error: it cannot be had here
	ClockSample   Kind = "clock"          // Wall: what the wall clock showed, nanoseconds since 1970
	Unsteady      Kind = "unsteady"       // Text: why the state before the fault was never reached; Node if it is one node's
	HarnessError  Kind = "harness.error"  // Error
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

	Fault      int     `json:"fault,omitempty"`
	Stream     int     `json:"stream,omitempty"` // index into Header.Streams
	Planned    Time    `json:"planned,omitempty"`
	Attempts   int     `json:"attempts,omitempty"`
	RetryAfter Time    `json:"retry_after,omitempty"`
	Rule       string  `json:"rule,omitempty"`
	Encryption string  `json:"encryption,omitempty"`
	Digest     string  `json:"digest,omitempty"`
	Wall       int64   `json:"wall,omitempty"`
	Value      float64 `json:"value,omitempty"`
}

// Class says how a request ended.
type Class uint8

// The classes of answers. Everything but Good is a failure of the request.
const (
	Good        Class = iota // 200 with the body of a known generation; of a guarded stream 401
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

// Recording is a run read back.
type Recording struct {
	Header   Header
	Events   []Event
	Requests []Request
	Damage   string // what of it is missing or altered; empty if nothing is
}
