// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// story tells a hand-made history: what canaries and tests judge. Moments are
// seconds since the run's start. It reads as what happened:
//
//	s.plane("dp-1", importing)
//	s.breaks(1, "dp-1>cp", "reset")
//	s.starts(2, "dp-1")
//	s.reads(3, "dp-1")
//	s.live(4, "dp-1", 1)
//	s.heals(20, "dp-1>cp")
//
// There is a control plane, "cp", from the beginning. The run ends well a second
// after what is told last.
type story struct {
	rec    history.Recording
	used   map[history.Time]bool
	faults map[string]int    // by target, the last one's number
	rules  map[string]string // by node, the scripted fault that answers its requests to the store
	last   int               // fault
	over   bool              // its end was told
}

// The object of the nodes' version, and the interval of the probes.
const (
	storyObject   = "blackout/backup/3.9.1/config.json"
	storyInterval = 100 * time.Millisecond
)

// tell begins a story.
func tell() *story {
	s := &story{used: make(map[history.Time]bool), faults: make(map[string]int), rules: make(map[string]string)}
	s.rec.Header = history.Header{
		Schema: history.Schema, Run: "story", Engine: "local", Storage: "blackout/backup", Profile: topology.Profiles["fast"],
		Nodes: []history.Node{{Name: "cp", Role: "control_plane"}},
	}
	return s
}

// recording is the story as oracles take it.
func (s *story) recording() *history.Recording {
	if len(s.rec.Requests) == 0 {
		s.probes("bystander", 0, 1, 1)
	}
	if !s.over {
		s.ends(s.now() + 1)
	}
	byTime(s.rec.Events, func(e history.Event) history.Time { return e.At })
	return &s.rec
}

// now is the last moment that was told.
func (s *story) now() float64 {
	var last history.Time
	for _, e := range s.rec.Events {
		last = max(last, e.At)
	}
	return last.Seconds()
}

func moments(seconds float64) history.Time { return history.Time(seconds * 1e9) }

// event tells an event at a moment of its own, as a run's nanoseconds give it.
func (s *story) event(at float64, e history.Event) {
	e.At = moments(at)
	for s.used[e.At] {
		e.At++
	}
	s.used[e.At] = true
	s.rec.Events = append(s.rec.Events, e)
}

// trait is what a node may do.
type trait func(*history.Node)

func importing(n *history.Node) { n.Import = true }
func exporting(n *history.Node) { n.Export = true }

// encrypts has a node ask the store for encryption.
func encrypts(how string) trait { return func(n *history.Node) { n.Encryption = how } }

// dialling has a node dial a control plane other than the first.
func dialling(cp string) trait { return func(n *history.Node) { n.ControlPlane = cp } }

// plane adds a data plane to the topology.
func (s *story) plane(name string, traits ...trait) {
	n := history.Node{Name: name, Role: "data_plane", Version: "3.9.1"}
	for _, t := range traits {
		t(&n)
	}
	s.rec.Header.Nodes = append(s.rec.Header.Nodes, n)
}

// starts tells that a node's process is started.
func (s *story) starts(at float64, node string) {
	s.event(at, history.Event{Kind: history.NodeStart, Node: node})
}

// stops tells that the harness ends a node's process.
func (s *story) stops(at float64, node string) {
	s.event(at, history.Event{Kind: history.NodeStop, Node: node, Text: "told"})
}

// dies tells that a node's process was found ended.
func (s *story) dies(at float64, node, lastLine string) {
	s.event(at, history.Event{Kind: history.NodeExit, Node: node, Code: 1, Text: lastLine})
}

// breaks tells that a fault is put in force on an edge or a node, and seen.
func (s *story) breaks(at float64, target, kind string) {
	s.last++
	s.faults[target] = s.last
	if slices.Contains(storeKinds, kind) {
		s.rules[target] = kind + "." + target + ".1"
	}
	s.fault(at, target, history.Event{Kind: history.FaultInject, Text: kind})
	s.fault(at+0.01, target, history.Event{Kind: history.FaultActive, Text: kind})
	s.fault(at+0.05, target, history.Event{Kind: history.FaultWitness, Text: "a probe fails", OK: true})
}

// asksToStayAway tells that a busy control plane asks not to be dialled for a while.
func (s *story) asksToStayAway(at float64, edge string, wait time.Duration) {
	s.breaks(at, edge, "cp-busy")
	s.injection(edge).RetryAfter = history.Time(wait)
}

// pushes tells which generation a control plane with the last fault on an edge pushes.
func (s *story) pushes(edge string, generation int) { s.injection(edge).Generation = generation }

// injection is the event that began the last fault on a target.
func (s *story) injection(target string) *history.Event {
	i := slices.IndexFunc(s.rec.Events, func(e history.Event) bool {
		return e.Kind == history.FaultInject && e.Fault == s.faults[target]
	})
	return &s.rec.Events[i]
}

// heals tells that the last fault on a target is taken away, and that it is seen
// to work.
func (s *story) heals(at float64, target string) {
	delete(s.rules, target)
	s.fault(at, target, history.Event{Kind: history.FaultHeal})
	s.fault(at+0.005, target, history.Event{Kind: history.FaultHealed})
	s.fault(at+0.2, target, history.Event{Kind: history.HealWitness, Text: "a probe works", OK: true})
}

func (s *story) fault(at float64, target string, e history.Event) {
	e.Fault = s.faults[target]
	if strings.Contains(target, ">") {
		e.Edge = target
	} else {
		e.Node = target
	}
	s.event(at, e)
}

// cutsAndHeals tells of a data plane whose control plane is taken away and comes back
// so often, and of how many open files it has after each time.
func (s *story) cutsAndHeals(name string, times int, files func(cut int) float64) {
	s.plane(name)
	s.starts(0.5, name)
	for i := range times {
		at := float64(1 + 4*i)
		s.breaks(at, name+">cp", "exit")
		s.heals(at+1, name+">cp")
		s.event(at+3.2, history.Event{Kind: history.Metric, Node: name, Text: history.ProcessFiles, Value: files(i)})
	}
}

// ready tells what a node answered for its readiness.
func (s *story) ready(at float64, node string, code int, text string) {
	s.event(at, history.Event{Kind: history.ReadyChange, Node: node, Code: code, Text: text, Until: moments(at + 0.002)})
}

// serves tells what a node's probed route answered.
func (s *story) serves(at float64, node string, code, generation int) {
	s.event(at, history.Event{Kind: history.ServeChange, Node: node, Code: code, Generation: generation, Until: moments(at + 0.004)})
}

// checks tells what its route answered once it had said that it was ready.
func (s *story) checks(at float64, node string, code int) {
	s.event(at, history.Event{Kind: history.ReadyCheck, Node: node, Code: code, OK: code == http.StatusOK, Until: moments(at + 0.004)})
}

// live tells that a node became ready and serves.
func (s *story) live(at float64, node string, generation int) {
	s.ready(at, node, http.StatusOK, "")
	s.checks(at, node, http.StatusOK)
	s.serves(at, node, http.StatusOK, generation)
}

// hashes tells the hash of its configuration that a node's Status API reports.
func (s *story) hashes(at float64, node, hash string) {
	s.event(at, history.Event{Kind: history.ConfigHash, Node: node, Text: hash})
}

// lists tells the hash that the control plane lists for a data plane's id.
func (s *story) lists(at float64, id, hash string) {
	s.event(at, history.Event{Kind: history.ListedHash, Node: "cp", Text: id + " " + hash})
}

// probed tells what a node answered to a probe that several nodes are asked.
func (s *story) probed(at float64, node string, code int, text string) {
	s.event(at, history.Event{Kind: history.ProbeAnswer, Node: node, Code: code, Text: text, Until: moments(at + 0.002)})
}

// dials tells of connection attempts by a node on an edge.
func (s *story) dials(node, edge string, at ...float64) {
	for _, t := range at {
		s.event(t, history.Event{Kind: history.EdgeConnect, Node: node, Edge: edge})
	}
}

// keepsDialling tells of attempts from one moment to another, at the distances of
// the profile.
func (s *story) keepsDialling(node, edge string, from, to float64) {
	for i, at := 0, from; at < to; i++ {
		s.dials(node, edge, at)
		at += []float64{0.83, 0.55, 0.97, 0.71, 0.62}[(i+len(node))%5]
	}
}

// knocks tells of attempts counted at the packet level.
func (s *story) knocks(edge string, count int, at ...float64) {
	for i, t := range at {
		s.event(t, history.Event{Kind: history.EdgeSYN, Edge: edge, Attempts: count + i})
	}
}

// asks tells of a request to the store: "GET blackout/key".
func (s *story) asks(at float64, node, request string, code int) {
	s.event(at, history.Event{Kind: history.StoreRequest, Node: node, Text: request, Code: code, OK: true, Until: moments(at + 0.01), Rule: s.rules[node]})
}

// reads tells of a read of the snapshot on a connection of its own.
func (s *story) reads(at float64, node string) {
	s.dials(node, node+">store", at)
	s.asks(at+0.01, node, "GET "+storyObject, http.StatusOK)
}

// readsInVain tells of a read that did not bring the snapshot.
func (s *story) readsInVain(at float64, node string, code int) {
	s.dials(node, node+">store", at)
	s.event(at+0.01, history.Event{Kind: history.StoreRequest, Node: node, Text: "GET " + storyObject, Code: code, Until: moments(at + 0.02), Rule: s.rules[node]})
}

// writes tells of an upload of the snapshot.
func (s *story) writes(at float64, node string) {
	s.asks(at, node, "PUT "+storyObject, http.StatusOK)
}

// changes tells of an acknowledged change of the configuration.
func (s *story) changes(at float64, generation int) {
	s.event(at, history.Event{Kind: history.ChangeSent, Generation: generation})
	s.event(at+0.1, history.Event{Kind: history.ChangeAcked, Generation: generation})
}

// holds tells what an independent reader found in the bucket.
func (s *story) holds(at float64, generation int) {
	s.event(at, history.Event{Kind: history.StoreObject, Text: storyObject, Generation: generation})
}

// plants tells that the harness put an object into the bucket.
func (s *story) plants(at float64, generation int) {
	s.event(at, history.Event{Kind: history.Planted, Text: storyObject, Generation: generation})
}

// leaves tells that the harness put an object into the bucket under a version.
func (s *story) leaves(at float64, generation int, version string) {
	s.event(at, history.Event{Kind: history.Planted, Text: "blackout/backup/" + version + "/config.json", Generation: generation})
}

// probes tells of a stream of requests to a node, every one due and well answered
// in a generation.
func (s *story) probes(node string, from, to float64, generation uint32) {
	s.stream(history.Stream{Name: node, Node: node, Interval: storyInterval, Timeout: 2 * time.Second}, from, to, func(r *history.Request) {
		r.Generation, r.Status = generation, http.StatusOK
	})
}

// probesWithoutKey tells of a stream of requests without the key that their route
// needs, every one refused.
func (s *story) probesWithoutKey(node string, from, to float64) {
	s.stream(history.Stream{Name: node + " guarded", Node: node, Interval: storyInterval, Timeout: 2 * time.Second, Guarded: true}, from, to, func(r *history.Request) {
		r.Status = http.StatusUnauthorized
	})
}

func (s *story) stream(stream history.Stream, from, to float64, answer func(*history.Request)) {
	index := len(s.rec.Header.Streams)
	s.rec.Header.Streams = append(s.rec.Header.Streams, stream)
	s.rec.Events = append(s.rec.Events,
		history.Event{At: moments(from), Kind: history.TrafficBegin, Node: stream.Node, Stream: index},
		history.Event{At: moments(to), Kind: history.TrafficEnd, Node: stream.Node, Stream: index})
	for due := moments(from); due <= moments(to); due += history.Time(stream.Interval) {
		r := history.Request{Intended: due, Sent: due + 2e5, Done: due + 3e6, Stream: uint16(index)}
		answer(&r)
		s.rec.Requests = append(s.rec.Requests, r)
	}
}

// answers changes what became of the requests to a node that were due from one
// moment until before another.
func (s *story) answers(node string, from, to float64, change func(*history.Request)) {
	for i := range s.rec.Requests {
		r := &s.rec.Requests[i]
		if s.rec.Header.Streams[r.Stream].Node == node && r.Intended >= moments(from) && r.Intended < moments(to) {
			change(r)
		}
	}
}

// lose makes a request fail.
func lose(class history.Class) func(*history.Request) {
	return func(r *history.Request) { r.Class, r.Generation, r.Status = class, 0, 0 }
}

// show makes a request show a generation.
func show(generation uint32) func(*history.Request) {
	return func(r *history.Request) { r.Generation = generation }
}

// ends tells the end of the run, whose plan was carried out.
func (s *story) ends(at float64) {
	s.event(at, history.Event{Kind: history.RunEnd, OK: true})
	s.over = true
}

// without takes events back out of the story.
func (s *story) without(lost func(history.Event) bool) {
	s.rec.Events = slices.DeleteFunc(s.rec.Events, lost)
}
