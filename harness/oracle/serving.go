// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"blackout/harness/history"
)

var keepsServing = promise{"G10", "Running data planes keep serving their last good configuration through any control-plane outage; readiness follows the configuration, not the control plane.", []clause{
	{"G10.1", "A running data plane loses no request, from the cut to the end of the recovery.", "requests", losesNoRequest},
	{"G10.2", "During the outage it serves the configuration that it had.", "answers", servesWhatItHad},
	{"G10.3", "Readiness is not 200 before the configuration is live.", "changes to ready", readyMeansLive},
	{"G10.4", "Readiness stays 200 after the control plane is gone.", "data planes", staysReady},
	{"G10.5", "A data plane that was added loses no request when the control plane returns.", "requests", losesNoneAtReturn},
}}

var failsVisibly = promise{"G13", "What needs the control plane fails in that part, visibly, and takes nothing else down.", []clause{
	{"G13.1", "A new data plane that may not import is not ready and serves nothing until the control plane returns.", "data planes", waitsForControlPlane},
	{"G13.2", "A data plane that is not ready says why.", "answers", saysWhy},
	{"G13.3", "No node dies of the outage.", "nodes", nobodyDies},
	{"G13.4", "A node that cannot start at all says why.", "", nil},
}}

func losesNoRequest(v *view) finding {
	f := finding{missing: "no traffic was sent to a data plane that ran before the cut"}
	for _, n := range v.residents() {
		f.rests = append(f.rests, n.cut.edge)
		f.invalid = cmp.Or(f.invalid, v.unsent(n.Name))
		v.requests(n.Name, func(r history.Request) {
			if r.Done < n.cut.inject {
				return
			}
			f.opportunities++
			if failed(r) {
				f.bad = append(f.bad, Evidence{r.Done, n.Name, fmt.Sprintf("%s: %s, %s after the cut", n.Name, describe(r), seconds(r.Done.Sub(n.cut.inject)))})
			}
		})
	}
	if before := v.quietBefore(); f.opportunities > 0 && !before.OK {
		f.invalid = before.Text
	}
	return f
}

func losesNoneAtReturn(v *view) finding {
	f := finding{missing: "no traffic was sent to a data plane that was added"}
	for _, n := range v.newcomers() {
		broken := false // before the return: that is G3.1's, and its sequel too
		v.requests(n.Name, func(r history.Request) {
			broken = broken || r.Intended <= n.cut.heal && failed(r)
		})
		v.requests(n.Name, func(r history.Request) {
			if r.Intended <= n.cut.heal || broken {
				return
			}
			f.opportunities++
			if failed(r) {
				f.bad = append(f.bad, Evidence{r.Done, n.Name, fmt.Sprintf("%s: %s, %s after the control plane returned", n.Name, describe(r), seconds(r.Done.Sub(n.cut.heal)))})
			}
		})
		f.invalid = cmp.Or(f.invalid, v.unsent(n.Name))
	}
	return f
}

func servesWhatItHad(v *view) finding {
	f := finding{missing: "no data plane answered both before the cut and during the outage"}
	planted := v.planted()
	for _, n := range v.residents() {
		f.rests = append(f.rests, n.cut.edge)
		had, ok := v.generationBefore(n.Name, n.cut.inject)
		if !ok {
			continue
		}
		v.requests(n.Name, func(r history.Request) {
			if r.Class != history.Good || r.Sent < n.cut.active || r.Done > n.cut.heal || planted[int(r.Generation)] {
				return // a planted generation is G2.4's to judge
			}
			f.opportunities++
			if r.Generation != had {
				f.bad = append(f.bad, Evidence{r.Done, n.Name, fmt.Sprintf("%s served generation %d during the outage; it had generation %d", n.Name, r.Generation, had)})
			}
		})
	}
	return f
}

// generationBefore is what a node's last good answer before a moment showed.
func (v *view) generationBefore(node string, before history.Time) (generation uint32, ok bool) {
	var last history.Time
	v.requests(node, func(r history.Request) {
		if r.Class == history.Good && r.Done < before && r.Done >= last {
			generation, last, ok = r.Generation, r.Done, true
		}
	})
	return generation, ok
}

func readyMeansLive(v *view) finding {
	f := finding{missing: "no data plane was seen to become ready after there was a configuration"}
	for _, e := range v.events[history.ReadyCheck] {
		since := v.readySince(e)
		if !v.configuredBefore(since) {
			continue
		}
		if w := v.storeCut(e.Node); w != nil && since < w.heal {
			continue // what a node does with damaged data is G3.2's to judge
		}
		f.opportunities++
		if !e.OK {
			f.bad = append(f.bad, Evidence{e.At, e.Node, fmt.Sprintf("%s said it was ready, and its route then answered %s", e.Node, status(e.Code))})
		}
	}
	return f
}

// readySince is when the readiness that a check followed began.
func (v *view) readySince(check history.Event) history.Time {
	var since history.Time
	for _, e := range v.of(history.ReadyChange, check.Node) {
		if e.Code == http.StatusOK && e.At <= check.At {
			since = e.At
		}
	}
	return since
}

// configuredBefore says whether the first configuration was acknowledged before a
// moment. Until then, a data plane may well be ready with the empty configuration
// of a fresh control plane.
func (v *view) configuredBefore(t history.Time) bool {
	acked := v.events[history.ChangeAcked]
	return len(acked) > 0 && acked[0].At < t
}

func status(code int) string {
	if code == 0 {
		return "nothing"
	}
	return fmt.Sprintf("status %d", code)
}

func staysReady(v *view) finding {
	f := finding{missing: "no data plane was ready before the cut"}
	for _, n := range v.residents() {
		ready := false
		var lost []Evidence
		for _, e := range v.of(history.ReadyChange, n.Name) {
			switch {
			case e.At < n.cut.inject:
				ready = e.Code == http.StatusOK
			case e.Code != http.StatusOK:
				lost = append(lost, Evidence{e.At, n.Name, fmt.Sprintf("%s answered %s for readiness %s after the cut", n.Name, status(e.Code), seconds(e.At.Sub(n.cut.inject)))})
			}
		}
		if ready {
			f.rests = append(f.rests, n.cut.edge)
			f.opportunities++
			f.bad = append(f.bad, lost...)
		}
	}
	return f
}

func waitsForControlPlane(v *view) finding {
	f := finding{missing: "no data plane that may not import was started during the outage"}
	for _, n := range v.newcomers() {
		if n.Import {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		if len(v.of(history.ReadyChange, n.Name)) == 0 {
			continue
		}
		f.opportunities++
		f.bad = append(f.bad, v.liveBefore(n, "although it may not import and the control plane was gone")...)
		for _, e := range v.of(history.StoreRequest, n.Name) {
			f.bad = append(f.bad, Evidence{e.At, n.Name, fmt.Sprintf("%s sent %s although it may not import", n.Name, e.Text)})
		}
	}
	return f
}

func saysWhy(v *view) finding {
	f := finding{missing: "no data plane was seen not ready"}
	for _, n := range v.newcomers() {
		looks := v.of(history.ReadyChange, n.Name)
		mute := func(e history.Event) bool { return e.Code == 0 || e.At > n.cut.heal }
		if len(looks) > 0 && len(v.of(history.NodeExit, n.Name)) == 0 && !slices.ContainsFunc(looks, func(e history.Event) bool { return !mute(e) }) {
			f.undone = append(f.undone, Evidence{looks[0].At, n.Name, fmt.Sprintf("%s ran, and its Status API did not answer before the control plane was back", n.Name)})
		}
	}
	for _, n := range v.planes {
		for _, e := range v.of(history.ReadyChange, n.Name) {
			if e.Code == http.StatusOK || e.Code == 0 {
				continue
			}
			f.opportunities++
			if e.Text == "" {
				f.bad = append(f.bad, Evidence{e.At, n.Name, fmt.Sprintf("%s answered %s for readiness and did not say why", n.Name, status(e.Code))})
				continue
			}
			f.good = append(f.good, Evidence{e.At, n.Name, fmt.Sprintf("%s: %q", n.Name, e.Text)})
		}
	}
	return f
}

func nobodyDies(v *view) finding {
	f := finding{missing: "no node was started"}
	for _, n := range v.rec.Header.Nodes {
		if _, started := v.start(n.Name); !started {
			continue
		}
		f.opportunities++
		for _, e := range v.of(history.NodeExit, n.Name) {
			f.bad = append(f.bad, Evidence{e.At, n.Name, fmt.Sprintf("%s was found ended with code %d; its last line: %s", n.Name, e.Code, e.Text)})
		}
	}
	return f
}
