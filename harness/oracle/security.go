// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"strings"
	"time"

	"blackout/harness/history"
)

var staysSecure = promise{"G12", "Security holds in fallback: a route that needed a key still needs it; secrets stay out of logs; nothing listens that did not before.", []clause{
	{"G12.1", "A route that needs a key refuses requests without one, also in fallback.", "requests", keepsItsGuard, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probesWithoutKey("dp-1", 5, 8)
		s.answers("dp-1", 6, 7, func(r *history.Request) { r.Status, r.Class = 200, history.WrongStatus })
	}},
	{"G12.2", "No node writes a secret.", "log lines", keepsSecrets, func(s *story) {
		s.plane("dp-1")
		s.event(1, history.Event{Kind: history.SecretWatch, Looks: 2})
		s.event(2, history.Event{Kind: history.NodeLog, Node: "dp-1", Text: "signed with [redacted]"})
		s.event(2, history.Event{Kind: history.SecretSeen, Node: "dp-1", Text: string(history.NodeLog)})
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G12.3", "Nothing listens that did not before the outage.", "nodes", opensNothing, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.event(2, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: "tcp 0.0.0.0:8000"})
		s.event(7, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: "tcp 0.0.0.0:9000"})
	}},
}}

func keepsItsGuard(v *view, f *finding) {
	f.missing = "no request without a key was sent to a route that needs one, after a fault"
	first := v.firstFault()
	for _, n := range v.planes {
		v.refusals(f, n, func(r history.Request) {
			if r.Done < first || r.Status == 0 {
				return // no answer is other clauses' to judge
			}
			f.opportunities++
			if r.Status/100 == 2 {
				f.bad.add(Evidence{At: r.Done, Node: n.Name, Kind: Answer, Text: n.Name + ": " + status(int(r.Status)) + " to a request without the key that its route needs"})
			}
		})
	}
}

func keepsSecrets(v *view, f *finding) {
	f.missing = "nobody looked for secrets in a node's log"
	for _, n := range v.nodes {
		if v.secrets == 0 {
			continue
		}
		f.opportunities += n.lines
		for _, m := range n.secrets {
			f.bad.add(n.tells(m.at, history.SecretSeen, "wrote a secret, seen in its %s", m.text))
		}
	}
}

// opensNothing compares the addresses that a running data plane listens on with those
// before the fault, those of one that starts from its cache with its earlier ones, and a
// new one's with a running one's by their number: its ports are its own.
func opensNothing(v *view, f *finding) {
	f.missing = "nobody saw what the data planes listened on before the outage"
	most := 0
	for _, r := range v.residents(v.disturbed) {
		before := r.listening(r.life, r.from())
		if len(before) == 0 {
			continue
		}
		most = max(most, len(before))
		f.rests = append(f.rests, r.faults...)
		f.opportunities++
		for _, m := range r.listens {
			if m.at >= r.from() && m.at < r.end && !before[m.text] {
				f.bad.add(r.tells(m.at, history.NodeListens, "listens on %s, %s after the cut, and did not before", m.text, seconds(m.at.Sub(r.from()))))
			}
		}
	}
	for _, b := range v.restarts() {
		before := b.listening(&life{end: b.start}, b.start)
		if len(before) == 0 || min(b.end, v.end).Sub(b.start) < listenLook {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		for text := range b.listening(b.life, b.end) {
			if !before[text] {
				f.bad.add(b.tells(b.start, history.NodeListens, "listens on %s since its restart, and did not before", text))
			}
		}
	}
	for _, b := range v.newcomers() {
		listens := b.listening(b.life, b.end)
		if most == 0 || len(listens) == 0 {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		if len(listens) > most {
			f.bad.add(b.tells(b.start, history.NodeListens, "listens on %d addresses, and the running data planes on %d at most: %s", len(listens), most, strings.Join(sorted(listens), ", ")))
		}
	}
}

// listenLook is how long a node must live to have been looked at for sure: what it
// listens on is asked every other second.
const listenLook = 4 * time.Second

// listening is what a node was seen to listen on in a life, before a moment.
func (n *node) listening(l *life, before history.Time) map[string]bool {
	out := make(map[string]bool)
	for _, m := range n.listens {
		if m.at >= l.start && m.at < l.end && m.at < before {
			out[m.text] = true
		}
	}
	return out
}
