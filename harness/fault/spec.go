// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/topology"
)

// Kind says what goes wrong. The catalogue, [Kinds], explains each.
type Kind string

// The kinds, by family.
const (
	// Links: an edge of the topology.
	Exit       Kind = "exit"
	Blackhole  Kind = "blackhole"
	HalfOpen   Kind = "half-open"
	Reset      Kind = "reset"
	Drop       Kind = "drop"
	Latency    Kind = "latency"
	Jitter     Kind = "jitter"
	Bandwidth  Kind = "bandwidth"
	Slicing    Kind = "slicing"
	Truncate   Kind = "truncate"
	Flapping   Kind = "flapping"
	Asymmetric Kind = "asymmetric"
	DNSFailure Kind = "dns-failure"

	// Nodes: a node's process.
	Kill      Kind = "kill"
	Terminate Kind = "terminate"
	Pause     Kind = "pause"
	Restart   Kind = "restart"
	CrashLoop Kind = "crash-loop"

	// Disks: the disk of a data plane's prefix.
	DiskWiped     Kind = "disk-wiped"
	DiskCorrupted Kind = "disk-corrupted"
	DiskFull      Kind = "disk-full"
	DiskReadOnly  Kind = "disk-read-only"

	// Stores: what the object store answers one node.
	StoreRefuses      Kind = "store-refuses"
	StoreStatus       Kind = "store-status"
	StoreHangs        Kind = "store-hangs"
	StoreSlow         Kind = "store-slow"
	StoreTruncated    Kind = "store-truncated"
	StoreFlipped      Kind = "store-flipped"
	StoreStale        Kind = "store-stale"
	StoreEmpty        Kind = "store-empty"
	StoreOtherVersion Kind = "store-other-version"
	StoreAltered      Kind = "store-altered"
	StoreBare         Kind = "store-bare"
	StoreForeign      Kind = "store-foreign"
	StoreBomb         Kind = "store-bomb"
	StoreSkewed       Kind = "store-skewed"
	StoreExpired      Kind = "store-expired"

	// Identities: certificates and credentials.
	CertificateWrong   Kind = "certificate-wrong"
	CertificateExpired Kind = "certificate-expired"
	CertificateRotated Kind = "certificate-rotated"
	CredentialRevoked  Kind = "credential-revoked"
	SecretMissing      Kind = "secret-missing"
	StoreUnknownCA     Kind = "store-unknown-ca"
	StoreOtherHost     Kind = "store-other-host"

	// Control planes: one that is there and does not do its work.
	PlaneNoDatabase    Kind = "cp-no-database"
	PlaneSilentTLS     Kind = "cp-silent-after-tls"
	PlaneSilentUpgrade Kind = "cp-silent-after-upgrade"
	PlaneEmpty         Kind = "cp-empty-configuration"
	PlaneBusy          Kind = "cp-busy"
	PlaneOlder         Kind = "cp-older-database"
	PlaneOversized     Kind = "cp-oversized-payload"
	PlaneInvalid       Kind = "cp-invalid-configuration"
)

// Family is what a kind acts on.
type Family string

// The families.
const (
	Links         Family = "link"
	Nodes         Family = "node"
	Disks         Family = "disk"
	Stores        Family = "store"
	Identities    Family = "identity"
	ControlPlanes Family = "control plane"
)

// Entry is a kind's place in the catalogue.
type Entry struct {
	Kind    Kind
	Family  Family
	Summary string // what the target meets, without its subject
}

// Kinds is the catalogue.
var Kinds = []Entry{
	{Exit, Links, "live connections end with FIN, new ones are refused"},
	{Blackhole, Links, "live connections stand and new ones are accepted, neither bytes nor ends pass; healing ends them"},
	{HalfOpen, Links, "connections that stood fall silent without an end, new ones work; healing ends the silent ones"},
	{Reset, Links, "live connections end with FIN, new ones are accepted and reset at their first byte"},
	{Drop, Links, "connection attempts are not answered at all; live connections fall silent, or end with FIN where packets cannot be filtered"},
	{Latency, Links, "every chunk is late by Delay, each way or in Direction, also on live connections"},
	{Jitter, Links, "every chunk is late by a time drawn from Delay±Jitter, each way or in Direction, also on live connections"},
	{Bandwidth, Links, "all connections together pass no more than Rate bytes a second, each way or in Direction"},
	{Slicing, Links, "what is sent arrives in slices of at most Bytes bytes, Delay before each, also on live connections"},
	{Truncate, Links, "live connections end with FIN, then what the peer sends is cut off after Bytes bytes of each connection"},
	{Flapping, Links, "exit at the first of Times, healing at the second, and so on"},
	{Asymmetric, Links, "nothing passes in Direction, not even an end, all does in the other; healing ends live connections"},
	{DNSFailure, Links, "the peer's name is not resolved"},
	{Kill, Nodes, "its process is killed (SIGKILL)"},
	{Terminate, Nodes, "its process is asked to end (SIGTERM)"},
	{Pause, Nodes, "its process is frozen"},
	{Restart, Nodes, "its process is killed and started again"},
	{CrashLoop, Nodes, "its process is killed at Times and started again after each"},
	{DiskWiped, Disks, "its prefix is empty"},
	{DiskCorrupted, Disks, "every file of its prefix has flipped bytes"},
	{DiskFull, Disks, "nothing more can be written to its prefix"},
	{DiskReadOnly, Disks, "its prefix is mounted read-only"},
	{StoreRefuses, Stores, "its requests are hung up on before an answer"},
	{StoreStatus, Stores, "its requests are answered with Status"},
	{StoreHangs, Stores, "its requests are not answered"},
	{StoreSlow, Stores, "answers come at Rate bytes a second"},
	{StoreTruncated, Stores, "an object ends after Bytes bytes though more were announced"},
	{StoreFlipped, Stores, "one bit of an object is another, at a drawn place"},
	{StoreStale, Stores, "it is given an older state of the object"},
	{StoreEmpty, Stores, "an object has no bytes"},
	{StoreOtherVersion, Stores, "only another version's object is there"},
	{StoreAltered, Stores, "one bit of an object is another, in a route's path, where only a checksum tells"},
	{StoreBare, Stores, "an object is {}"},
	{StoreForeign, Stores, "an object is of a format version that no gateway has"},
	{StoreBomb, Stores, "an object is the right one, compressed, and expands to Bytes bytes of which most are blank"},
	{StoreSkewed, Stores, "the store's clock is Delay ahead: signatures are refused as too old"},
	{StoreExpired, Stores, "its session credential is refused as expired"},
	{CertificateWrong, Identities, "it has another cluster's certificate"},
	{CertificateExpired, Identities, "its cluster certificate has expired"},
	{CertificateRotated, Identities, "the control plane has a new cluster certificate, it has the old one"},
	{CredentialRevoked, Identities, "its store credential was taken away"},
	{SecretMissing, Identities, "its Parameter refers to a secret that is not there"},
	{StoreUnknownCA, Identities, "the store's certificate is signed by an authority that it does not know"},
	{StoreOtherHost, Identities, "the store's certificate is another host's, of the authority that it knows"},
	{PlaneNoDatabase, ControlPlanes, "it keeps the connection alive and has no configuration to give"},
	{PlaneSilentTLS, ControlPlanes, "it completes TLS and says nothing"},
	{PlaneSilentUpgrade, ControlPlanes, "it upgrades the connection and says nothing, not even pongs"},
	{PlaneEmpty, ControlPlanes, "it pushes a configuration without entities"},
	{PlaneBusy, ControlPlanes, "it answers the handshake with Status and Retry-After"},
	{PlaneOlder, ControlPlanes, "it pushes the configuration of an older database"},
	{PlaneOversized, ControlPlanes, "it pushes a payload larger than the node takes"},
	{PlaneInvalid, ControlPlanes, "it pushes Generation, of which one route is not valid"},
}

// Find is a kind's entry in the catalogue.
func (k Kind) entry() (Entry, bool) {
	i := slices.IndexFunc(Kinds, func(e Entry) bool { return e.Kind == k })
	if i < 0 {
		return Entry{}, false
	}
	return Kinds[i], true
}

// Family is what the kind acts on; empty for an unknown kind.
func (k Kind) Family() Family {
	e, _ := k.entry()
	return e.Family
}

// The directions of an edge, seen from the one that dials.
const (
	Upstream   = "upstream"   // what it sends
	Downstream = "downstream" // what it is sent
)

// Spec says what is to go wrong, where and how: all that a plan holds of a
// fault. Which of the parameters a kind uses is said in the catalogue.
type Spec struct {
	Kind Kind          `json:"kind"`
	Edge topology.Edge `json:"edge,omitzero"`  // target of the kinds of links and control planes
	Node string        `json:"node,omitempty"` // target of all others

	Direction  string          `json:"direction,omitempty"`
	Delay      time.Duration   `json:"delay,omitempty"`
	Jitter     time.Duration   `json:"jitter,omitempty"` // at most so far from Delay
	Rate       int64           `json:"rate,omitempty"`   // bytes a second
	Bytes      int64           `json:"bytes,omitempty"`
	Status     int             `json:"status,omitempty"` // HTTP
	RetryAfter time.Duration   `json:"retry_after,omitempty"`
	Count      int             `json:"count,omitempty"`      // of requests that meet it; 0: all
	Generation int             `json:"generation,omitempty"` // of an older configuration, or of an invalid one
	Parameter  string          `json:"parameter,omitempty"`  // of kong.conf
	Seed       uint64          `json:"seed,omitempty"`       // of what is drawn while it is in force
	Times      []time.Duration `json:"times,omitempty"`      // since its injection, rising

	// Control claims the fault and does nothing. A run that believes it would
	// believe anything: its witness must say that it is not in force.
	Control bool `json:"control,omitempty"`
}

// Target is what the fault acts on: "dp-1>cp" or "dp-1".
func (s Spec) Target() string {
	if s.Edge != (topology.Edge{}) {
		return s.Edge.String()
	}
	return s.Node
}

// String is "exit on dp-1>cp", for titles and errors.
func (s Spec) String() string {
	kind := string(s.Kind)
	if s.Status != 0 {
		kind = fmt.Sprintf("%s %d", kind, s.Status)
	}
	if s.Direction != "" {
		kind += " " + s.Direction
	}
	return kind + " on " + s.Target()
}

// Validate reports the first thing that makes the spec unusable.
func (s Spec) Validate() error {
	entry, ok := s.Kind.entry()
	if !ok {
		names := make([]string, len(Kinds))
		for i, e := range Kinds {
			names[i] = string(e.Kind)
		}
		return fmt.Errorf("unknown fault %q: the faults are %s", s.Kind, strings.Join(names, ", "))
	}
	onEdge := entry.Family == Links || entry.Family == ControlPlanes
	switch {
	case onEdge && s.Edge == (topology.Edge{}):
		return fmt.Errorf("fault %s: name the edge that it acts on", s.Kind)
	case !onEdge && s.Node == "":
		return fmt.Errorf("fault %s: name the node that it acts on", s.Kind)
	case s.Direction != "" && s.Direction != Upstream && s.Direction != Downstream:
		return fmt.Errorf("fault %s: unknown direction %q: the directions are %s, %s", s, s.Direction, Upstream, Downstream)
	}
	for _, need := range []struct {
		kinds []Kind
		ok    bool
		what  string
	}{
		{[]Kind{Latency, Jitter, StoreSkewed}, s.Delay > 0, "a delay"},
		{[]Kind{Jitter}, s.Jitter > 0 && s.Jitter <= s.Delay, "a jitter no larger than the delay"},
		{[]Kind{Bandwidth, StoreSlow}, s.Rate > 0, "a rate"},
		{[]Kind{Slicing, Truncate, StoreTruncated, StoreBomb}, s.Bytes > 0, "a number of bytes"},
		{[]Kind{Asymmetric}, s.Direction != "", "a direction"},
		{[]Kind{StoreStatus, PlaneBusy}, s.Status >= 400 && s.Status < 600, "a status from 400 to 599"},
		{[]Kind{SecretMissing}, s.Parameter != "", "a parameter"},
		{[]Kind{PlaneInvalid}, s.Generation > 0, "a generation"},
		{[]Kind{Flapping, CrashLoop}, len(s.Times) > 0 && s.Times[0] > 0 && slices.IsSorted(s.Times), "rising times"},
		{[]Kind{Flapping}, len(s.Times) > 1, "two times at least, to go down and to come back"},
	} {
		if slices.Contains(need.kinds, s.Kind) && !need.ok {
			return fmt.Errorf("fault %s: give it %s", s, need.what)
		}
	}
	return nil
}
