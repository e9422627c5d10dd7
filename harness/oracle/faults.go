// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// fault is one fault on its way. Its edges are intervals: it was not in force
// before inject, was from active to heal, and was not after healed. A moment that
// was not recorded is never.
type fault struct {
	number                       int
	kind                         string
	retryAfter                   time.Duration // what a busy control plane asks for
	generation                   int           // what one with an older or invalid configuration pushes
	edge, node                   string        // its target: one of them
	inject, active, heal, healed history.Time
	witnessed, healWitnessed     bool
	belied                       string // what its edge's meters show against its witness
}

// target is what the fault acts on.
func (f *fault) target() string {
	if f.edge != "" {
		return f.edge
	}
	return f.node
}

func (f *fault) String() string { return f.kind + " on " + f.target() }

// at says whether the fault was or may have been in force at a moment.
func (f *fault) at(t history.Time) bool { return f.inject < t && t < f.heal }

// during says whether it may have been in force at any time of an interval.
func (f *fault) during(from, to history.Time) bool { return f.inject <= to && from <= f.healed }

// is says whether the fault is of one of some kinds.
func (f *fault) is(kinds ...string) bool { return slices.Contains(kinds, f.kind) }

// takeFault adds an event of a fault. Faults are told apart by their number; in a
// recording without numbers, by their target and order.
func (v *view) takeFault(e history.Event) {
	f := v.faultOf(e)
	if e.Kind == history.FaultInject {
		f.kind, f.inject = e.Text, e.At
		f.retryAfter, f.generation = time.Duration(e.RetryAfter), e.Generation
		return
	}
	switch e.Kind {
	case history.FaultActive:
		f.active = e.At
	case history.FaultWitness:
		f.witnessed = e.OK
	case history.FaultHeal:
		f.heal = min(f.heal, e.At)
	case history.FaultHealed:
		f.healed = min(f.healed, e.At)
	case history.HealWitness:
		f.healWitnessed = e.OK
	}
}

// faultOf is the fault that an event belongs to.
func (v *view) faultOf(e history.Event) *fault {
	for i := len(v.faults) - 1; i >= 0; i-- {
		f := v.faults[i]
		switch {
		case e.Fault != 0 && f.number == e.Fault:
			return f
		case e.Fault == 0 && f.edge == e.Edge && f.node == e.Node && (e.Kind != history.FaultInject || f.kind == ""):
			return f
		}
	}
	f := &fault{number: e.Fault, edge: e.Edge, node: e.Node, inject: never, active: never, heal: never, healed: never}
	v.faults = append(v.faults, f)
	return f
}

// settleFaults drops what is known of faults that were never injected, and orders
// the rest by their injection.
func (v *view) settleFaults() {
	v.faults = slices.DeleteFunc(v.faults, func(f *fault) bool { return f.inject == never })
	byTime(v.faults, func(f *fault) history.Time { return f.inject })
	for _, f := range v.faults {
		if e := v.edges[f.edge]; e != nil {
			f.belied = e.belies(f)
		}
	}
}

// manner is how a control plane fails to give a configuration.
type manner string

// The manners.
const (
	refusing   manner = "refuses the connection"
	silent     manner = "does not answer"
	resetting  manner = "resets the connection"
	untrusting manner = "fails in TLS"
	declining  manner = "refuses the upgrade"
	mute       manner = "is connected and says nothing"
	useless    manner = "sends nothing but what cannot be used"
	nameless   manner = "has no address"
	dead       manner = "is not running"
)

// outage is what a kind of fault means to a data plane whose control plane it
// takes away.
type outage struct {
	manner  manner
	severs  bool // standing connections as well, so that nothing new can come
	metered bool // the edge's meter counts every attempt
	attempt span // how long each attempt may last
}

// span is a time that depends on the timers of the run.
type span int

// The spans of an attempt.
const (
	endless  span = iota // for as long as the control plane likes
	dialTime             // it fails within the dial time-out
	silence              // it succeeds, and is given up for its silence
	sentOff              // it is refused at once, and may be asked not to come back soon
)

// outages are the kinds that keep a control plane from giving a configuration.
// Under exit and drop no attempt reaches the meter. Of a control plane that is not
// running, Toxiproxy takes the connections and cannot count what is refused behind
// it. One without a database keeps the connection alive. One whose certificate is
// rotated is started again. One server resolves all of a node's names, so that its
// failure takes the store away too.
var outages = map[string]outage{
	"exit":                     {refusing, true, false, dialTime},
	"blackhole":                {silent, true, true, dialTime},
	"reset":                    {resetting, true, true, dialTime},
	"drop":                     {silent, true, false, dialTime},
	"asymmetric":               {silent, false, true, dialTime},
	"dns-failure":              {nameless, false, false, endless},
	"kill":                     {dead, true, false, dialTime},
	"terminate":                {dead, true, false, dialTime},
	"pause":                    {silent, true, true, dialTime},
	"certificate-wrong":        {untrusting, false, true, dialTime},
	"certificate-expired":      {untrusting, false, true, dialTime},
	"certificate-rotated":      {untrusting, true, true, dialTime},
	"cp-busy":                  {declining, true, true, sentOff},
	"cp-silent-after-tls":      {mute, true, true, dialTime},
	"cp-silent-after-upgrade":  {mute, true, true, silence},
	"cp-no-database":           {mute, true, true, endless},
	"cp-oversized-payload":     {useless, true, true, dialTime},
	"cp-invalid-configuration": {useless, true, true, endless},
}

// harmless are the kinds on a control plane's edge, or on the control plane, that
// a data plane must get over, though a configuration may come through.
var harmless = []string{"half-open", "latency", "jitter", "bandwidth", "slicing", "truncate", "flapping", "restart", "crash-loop"}

// What store faults do to a reader.
var (
	failingStore   = []string{"exit", "blackhole", "reset", "drop", "asymmetric", "dns-failure", "store-refuses", "store-status", "store-hangs", "store-other-version", "store-skewed", "store-expired", "credential-revoked", "store-unknown-ca", "store-other-host"}
	deniesStore    = slices.DeleteFunc(slices.Clone(failingStore), func(kind string) bool { return slices.Contains(foreignStore, kind) })
	foreignStore   = append([]string{"store-other-version"}, untrustedStore...) // G5 and G8 judge what becomes of these
	untrustedStore = []string{"store-unknown-ca", "store-other-host"}
	slowsStore     = []string{"store-slow", "latency", "jitter", "bandwidth", "slicing"}
	damagingStore  = []string{"truncate", "store-truncated", "store-flipped", "store-empty", "store-altered", "store-bare", "store-foreign", "store-bomb"}
	behindStore    = "store-stale" // it shows an older state of the snapshot
	diskKinds      = []string{"disk-wiped", "disk-corrupted", "disk-full", "disk-read-only"}
	losesCache     = []string{"disk-wiped", "disk-corrupted"}
	endsNode       = []string{"kill", "terminate", "pause", "restart", "crash-loop"}
)

// pathFaults are the faults between a data plane and its control plane: on their
// edge, on the control plane itself, and of the data plane's identity.
func (v *view) pathFaults(n *node) []*fault {
	var out []*fault
	for _, f := range v.faults {
		_, outage := outages[f.kind]
		if v.onPath(f, n) && (outage || f.is(harmless...) || f.is("cp-empty-configuration", "cp-older-database")) {
			out = append(out, f)
		}
	}
	return out
}

// onPath says whether a fault lies between a data plane and its control plane.
func (v *view) onPath(f *fault, n *node) bool {
	cp := v.controlPlane(n)
	switch f.kind {
	case "certificate-wrong", "certificate-expired":
		return f.node == n.Name
	case "dns-failure":
		return strings.HasPrefix(f.edge, n.Name+">")
	case "certificate-rotated": // the control plane's: whoever dials it has the old one
		other := v.nodes[f.node]
		return other != nil && v.controlPlane(other) == cp
	}
	return f.edge == v.cpEdge(n) || f.node == cp
}

// databaseFaults are the faults between a data plane's control plane and its database.
// What the control plane had read before, it still has to give.
func (v *view) databaseFaults(n *node) []*fault {
	edge := topology.DatabaseEdge(v.controlPlane(n)).String()
	return slices.DeleteFunc(slices.Clone(v.faults), func(f *fault) bool { return f.edge != edge })
}

// faultsOf are the faults of a kind between a data plane and its control plane.
func (v *view) faultsOf(n *node, kind string) []*fault {
	return slices.DeleteFunc(v.pathFaults(n), func(f *fault) bool { return f.kind != kind })
}

// outageAt is the fault that keeps a data plane's control plane from giving it a
// configuration at a moment: of several, the one that lasts longest.
func (v *view) outageAt(n *node, t history.Time) *fault {
	var found *fault
	for _, f := range v.pathFaults(n) {
		if _, ok := outages[f.kind]; ok && f.at(t) && (found == nil || f.heal > found.heal) {
			found = f
		}
	}
	return found
}

// storeFaults are the faults of what a node's store is to it.
func (v *view) storeFaults(n *node) []*fault {
	var out []*fault
	for _, f := range v.faults {
		nameless := f.is("dns-failure") && strings.HasPrefix(f.edge, n.Name+">")
		if f.edge == storeEdge(n) || nameless || f.node == n.Name && f.is(storeKinds...) {
			out = append(out, f)
		}
	}
	return out
}

// storeKinds are the store's faults that name a node.
var storeKinds = []string{
	"store-refuses", "store-status", "store-hangs", "store-slow", "store-truncated", "store-flipped", "store-stale", "store-empty",
	"store-other-version", "store-altered", "store-bare", "store-foreign", "store-bomb", "store-skewed", "store-expired", "credential-revoked", "store-unknown-ca", "store-other-host",
}

// storeFaultAt is the fault of a node's store at a moment, or nil. Of several, it
// is the first that was injected.
func (v *view) storeFaultAt(n *node, t history.Time) *fault {
	for _, f := range v.storeFaults(n) {
		if f.at(t) {
			return f
		}
	}
	return nil
}

// storeIllAt says whether a node's store did at a moment more than to be slow or behind.
func (v *view) storeIllAt(n *node, t history.Time) bool {
	return slices.ContainsFunc(v.storeFaults(n), func(f *fault) bool { return f.at(t) && !f.is(slowsStore...) && !f.is(behindStore) })
}

// slowedAt is what made a node's store slow, and no worse, at a moment; nil if nothing did.
func (v *view) slowedAt(n *node, t history.Time) *fault { return v.mildAt(n, t, slowsStore...) }

// behindAt is what shows a node an older state of the snapshot at a moment, and nothing
// worse; nil if nothing does.
func (v *view) behindAt(n *node, t history.Time) *fault { return v.mildAt(n, t, behindStore) }

// mildAt is the first fault of some kinds of a node's store at a moment, if that does
// nothing worse than to be slow or behind then.
func (v *view) mildAt(n *node, t history.Time, kinds ...string) *fault {
	for _, f := range v.storeFaults(n) {
		if f.at(t) && f.is(kinds...) && !v.storeIllAt(n, t) {
			return f
		}
	}
	return nil
}

// onlyMet are the faults of some kinds that a new data plane's requests to its
// store met. There is none if it read anything that met none of them.
func (v *view) onlyMet(b boot, kinds ...string) []*fault {
	faults := slices.DeleteFunc(v.storeFaults(b.node), func(f *fault) bool { return !f.is(kinds...) })
	var met []*fault
	for _, r := range b.requestsIn(b.life) {
		i := slices.IndexFunc(faults, func(f *fault) bool { return f.met(r) })
		switch {
		case i >= 0:
			met = append(met, faults[i])
		case r.reads():
			return nil
		}
	}
	return met
}

// met says whether a request to the store met the fault: a scripted one answered
// it, one on the edge was in force from its begin to its end.
func (f *fault) met(r storeRequest) bool {
	if f.edge != "" {
		return r.at >= f.active && max(r.at, r.until) < f.heal
	}
	return strings.HasPrefix(r.rule, f.kind+".") && f.during(r.at, max(r.at, r.until))
}

// ownFaults are the faults of some kinds on a node itself.
func (v *view) ownFaults(n *node, kinds ...string) []*fault {
	var out []*fault
	for _, f := range v.faults {
		if f.node == n.Name && f.is(kinds...) {
			out = append(out, f)
		}
	}
	return out
}

// Knows says whether the oracles know what a kind of fault means. One that they do
// not know excuses nothing and proves nothing.
func Knows(kind string) bool {
	_, outage := outages[kind]
	return outage || slices.Contains(slices.Concat(harmless, storeKinds, diskKinds, endsNode, []string{"cp-empty-configuration", "cp-older-database", "secret-missing"}), kind)
}
