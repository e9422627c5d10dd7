// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"blackout/harness/fault"
	"blackout/harness/history"
)

// onRecording is a matcher of what a run recorded.
func onRecording(want string, look func(record) (sighting, error)) types.GomegaMatcher {
	return onRun(want, func(s subject) (sighting, error) {
		rec, err := s.recording()
		if err != nil {
			return sighting{}, err
		}
		return look(record{rec})
	})
}

// HaveWitnessed matches a run in which a fault of a kind on a target ("dp-1>cp",
// "dp-1") was seen in force, and seen healed.
func HaveWitnessed(kind fault.Kind, target string) types.GomegaMatcher {
	return onRecording(fmt.Sprintf("to have witnessed %s on %s, and its healing", kind, target), func(r record) (sighting, error) {
		found := r.faults(func(e *episode) bool { return e.target == target && e.kind == string(kind) })
		for _, e := range found {
			if e.witnessed && e.healWitnessed {
				return sighting{ok: true, saw: func() string { return "it saw " + e.witness + ", and then " + e.healWitness }}, nil
			}
		}
		return sighting{saw: func() string {
			if len(found) == 0 {
				return "there was no such fault; injected were " + listed(r.injected(), "none")
			}
			last := found[len(found)-1]
			if !last.witnessed {
				return "it was not in force: " + orNobody(last.witness)
			}
			return "it was not seen healed: " + orNobody(last.healWitness)
		}}, nil
	})
}

// HaveServedThroughout matches a run in which a data plane lost no request of the
// prober for as long as a target ("dp-1>cp", "dp-1") had a fault. A failure that
// the client hid by asking again is a request lost.
func HaveServedThroughout(node, target string) types.GomegaMatcher {
	return onRecording(fmt.Sprintf("to have served on %s throughout the fault of %s", node, target), func(r record) (sighting, error) {
		if err := r.mustHave(node); err != nil {
			return sighting{}, err
		}
		faults := r.faults(func(e *episode) bool { return e.target == target })
		if len(faults) == 0 {
			return sighting{}, fmt.Errorf("%s had no fault; injected were %s", target, listed(r.injected(), "none"))
		}
		var sent int
		var lost []string
		for _, f := range faults {
			if !f.witnessed {
				return sighting{}, fmt.Errorf("%s on %s was not witnessed: %s", f.kind, target, orNobody(f.witness))
			}
			r.requests(node, func(q history.Request) {
				if q.Intended < f.from || q.Intended > f.to {
					return
				}
				sent++
				if q.Class != history.Good || q.Flags&history.Masked != 0 {
					lost = append(lost, fmt.Sprintf("at %.3f s: %s", q.Intended.Seconds(), describe(q)))
				}
			})
		}
		if sent == 0 {
			return sighting{}, fmt.Errorf("no request was sent to %s while %s had a fault", node, target)
		}
		return sighting{ok: len(lost) == 0, saw: func() string {
			return fmt.Sprintf("%d of %d requests were lost%s", len(lost), sent, evidence(lost))
		}}, nil
	})
}

// HaveServed matches a run in which a data plane was seen to serve a generation.
func HaveServed(node string, generation int) types.GomegaMatcher {
	return served(fmt.Sprintf("to have served generation %d on %s", generation, node), node, func(seen []int) bool {
		return slices.Contains(seen, generation)
	})
}

// EndServing matches a run at whose end a data plane served a generation.
func EndServing(node string, generation int) types.GomegaMatcher {
	return served(fmt.Sprintf("to end with %s serving generation %d", node, generation), node, func(seen []int) bool {
		return len(seen) > 0 && seen[len(seen)-1] == generation
	})
}

// served judges the generations that a node was seen to serve, one after the
// other; 0 stands for no good answer.
func served(want, node string, judge func(seen []int) bool) types.GomegaMatcher {
	return onRecording(want, func(r record) (sighting, error) {
		if err := r.mustHave(node); err != nil {
			return sighting{}, err
		}
		var seen []int
		var lines []string
		for _, e := range r.Events {
			if e.Kind != history.ServeChange || e.Node != node {
				continue
			}
			generation, line := 0, fmt.Sprintf("at %.3f s: status %d", e.At.Seconds(), e.Code)
			if e.Code == http.StatusOK && e.Generation > 0 {
				generation, line = e.Generation, fmt.Sprintf("at %.3f s: generation %d", e.At.Seconds(), e.Generation)
			}
			seen, lines = append(seen, generation), append(lines, line)
		}
		if len(seen) == 0 {
			return sighting{}, fmt.Errorf("nobody looked at what %s serves", node)
		}
		return sighting{ok: judge(seen), saw: func() string { return "it was seen to answer" + evidence(lines) }}, nil
	})
}

// HaveReadStoreAtMost matches a run in which a node asked the store for objects no
// more than n times, refused requests included.
func HaveReadStoreAtMost(node string, n int) types.GomegaMatcher {
	return onRecording(fmt.Sprintf("to have read the store at most %s as %s", times(n), node), func(r record) (sighting, error) {
		if err := r.mustHave(node); err != nil {
			return sighting{}, err
		}
		recorded := false
		var reads []string
		for _, e := range r.Events {
			if e.Kind != history.StoreRequest {
				continue
			}
			recorded = true
			if e.Node == node && strings.HasPrefix(e.Text, "GET ") {
				reads = append(reads, fmt.Sprintf("at %.3f s: %s, status %d", e.At.Seconds(), e.Text, e.Code))
			}
		}
		if !recorded {
			return sighting{}, errors.New("no request to the store was recorded, of nobody: whoever records them did not")
		}
		return sighting{ok: len(reads) <= n, saw: func() string {
			return "it read " + times(len(reads)) + evidence(reads)
		}}, nil
	})
}

// HaveTried matches a run in which a node tried an edge ("dp-1>cp") at least n
// times, seen where the edge is met. A fault that refuses connections before that
// hides them.
func HaveTried(edge string, n int) types.GomegaMatcher {
	return onRecording(fmt.Sprintf("to have tried %s at least %s", edge, times(n)), func(r record) (sighting, error) {
		node, _, _ := strings.Cut(edge, ">")
		if err := r.mustHave(node); err != nil {
			return sighting{}, err
		}
		var tries []string
		for _, e := range r.Events {
			if e.Kind == history.EdgeConnect && e.Edge == edge && e.Node == node {
				tries = append(tries, fmt.Sprintf("at %.3f s", e.At.Seconds()))
			}
		}
		return sighting{ok: len(tries) >= n, saw: func() string {
			return "it tried " + times(len(tries)) + evidence(tries)
		}}, nil
	})
}
