// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

// takeoverJudgements are those of who dials when, of what data planes report, and of
// requests while they take over a configuration.
var takeoverJudgements = []judgement{
	{"G4.6", "two of three are enough", Violated, func(s *story) {
		for i, node := range []string{"dp-1", "dp-2", "dp-33"} {
			s.outageBefore(node, "reset")
			s.keepsDialling(node, node+">cp", 2.2+0.3*float64(i/2), 20)
			s.heals(20, node+">cp")
		}
	}},
	{"G4.8", "nobody has to notice it at once", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.heals(7, "dp-1>cp")
	}},
	{"G4.8", "nor who is frozen", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.breaks(6, "dp-1", "pause")
		s.heals(30, "dp-1>cp")
	}},
	{"G4.8", "but in time", Violated, func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.dials("dp-1", "dp-1>cp", 25)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.9", "who loses a connection waits too", Violated, func(s *story) {
		s.residentBehind("dp-1", "reset")
		s.dials("dp-1", "dp-1>cp", 1.1, 5.1, 5.8)
	}},
	{"G4.9", "who may have had none has waited", Held, func(s *story) {
		s.residentBehind("dp-1", "reset")
		s.dials("dp-1", "dp-1>cp", 4.4, 5.1, 5.8)
	}},
	{"G4.9", "another process begins anew", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3)
		s.starts(8.35, "dp-1")
		s.dials("dp-1", "dp-1>cp", 8.4)
	}},
	{"G4.9", "what waited for the control plane's machine arrives together", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3, 9.1)
		s.returns(10, 14)
		s.dials("dp-1", "dp-1>cp", 14.1, 14.2)
	}},
	{"G4.9", "what comes long after does not", Violated, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.returns(10, 14)
		s.dials("dp-1", "dp-1>cp", 24.1, 24.2)
	}},
	{"G4.9", "nor what comes before it went", Violated, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3, 8.4)
		s.returns(10, 14)
	}},
	{"G4.10", "zeros are no configuration's", Violated, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.hashes(2.1, "dp-1", "00000000000000000000000000000000")
		s.ends(20)
	}},
	{"G4.10", "what is served for a moment was hardly looked at", NotMeasured, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.hashes(2.1, "dp-1", "4fb2")
		s.outageBefore("dp-2", "reset")
		s.live(4, "dp-2", 1)
		s.hashes(4.1, "dp-2", "91c3")
		s.serves(5, "dp-2", http.StatusOK, 2)
		s.ends(20)
	}},
	{"G4.10", "the next hash may be seen before what is served with it", Held, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.hashes(2.1, "dp-1", "4fb2")
		s.outageBefore("dp-2", "reset")
		s.live(4, "dp-2", 1)
		s.hashes(4.1, "dp-2", "4fb2")
		s.hashes(15.9, "dp-2", "91c3")
		s.serves(16, "dp-2", http.StatusOK, 2)
		s.ends(20)
	}},
	{"G4.11", "a ping may yet be on its way", NotMeasured, func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.hashes(2.5, "dp-1", "4fb2")
		s.lists(3, "a-1", "0000")
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G4.2", "a storm that a stall may have made of attempts is none that kept its distance", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		at := 3.0
		for i := range 20 {
			s.dials("dp-1", "dp-1>cp", at)
			at += 0.05 + 0.1*float64(i%3)
		}
		s.event(2.9, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: moments(at + 1), Error: "timeout"})
	}},
	{"G4.2", "attempts at half the pace", Violated, func(s *story) { dialsAtAPace(s, 1.8, 0.6, 1.8) }},
	{"G4.2", "attempts of which some are late", Held, func(s *story) { dialsAtAPace(s, 0.6, 0.9, 0.7, 1.8) }},
	{"G4.2", "one attempt too soon", Violated, dialsTooSoon("", 0, 0)},
	{"G4.2", "Toxiproxy may have seen the one before too late", Invalid, dialsTooSoon("toxiproxy", -0.3, 0)},
	{"G4.2", "and the machine may be seen later to have kept it", Invalid, dialsTooSoon("toxiproxy", 0.1, 0.4)},
	{"G4.2", "but not for less than it came too soon", Violated, dialsTooSoon("toxiproxy", -0.1, 0)},
	{"G4.2", "nor long before", Violated, dialsTooSoon("toxiproxy", -2, -0.9)},
	{"G4.2", "nor long after", Violated, dialsTooSoon("toxiproxy", 0.5, 1)},
	{"G4.2", "a data plane that waits dials later", Violated, dialsTooSoon("dp-1", -0.3, 0)},
	{"G4.9", "Toxiproxy may have seen the one before too late", Invalid, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3, 8.6)
		s.denies("toxiproxy", 7.9, 8.2)
	}},
	{"G4.8", "as much later as the machine kept it from running, up to when it dials", Held, silentUntil(17.5, 6, 10, 12.5, 15)},
	{"G4.8", "and no later", Violated, silentUntil(19, 6, 10, 12.5, 15)},
	{"G4.1", "as much later as the machine kept it from running", Held, pausesWhileDenied("dp-1")},
	{"G4.1", "and not as another was", Violated, pausesWhileDenied("dp-2")},
	{"G10.10", "an answer that waits for the apply is late", Violated, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.5) })
	}},
	{"G10.10", "a stall of the machine may have made it late", Invalid, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.5) })
		s.event(4.3, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: moments(4.8), Code: 200})
	}},
	{"G10.10", "but not by more than it lasted", Violated, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.9) })
		s.event(4.3, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: moments(4.8), Code: 200})
	}},
	{"G10.10", "a machine that denied it a processor may have made it late", Invalid, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.5) })
		s.event(4.3, history.Event{Kind: history.NodeDenied, Node: "dp-1", Until: moments(4.8)})
	}},
	{"G10.10", "but not one that denied it to another, or does not tell", Violated, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.5) })
		s.event(4.3, history.Event{Kind: history.NodeDenied, Node: "dp-2", Until: moments(4.8)})
		s.event(4.3, history.Event{Kind: history.NodeDenied, Node: "dp-1", Until: moments(4.8), Error: "unknown"})
	}},
	{"G10.10", "a look in vain is no takeover", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.serves(6, "dp-1", 0, 0)
		s.serves(6.1, "dp-1", http.StatusOK, 1)
		s.answers("dp-1", 5.9, 6.1, lose(history.Timeout))
	}},
	{"G10.10", "a prober that is late itself cannot tell", NotMeasured, func(s *story) {
		keepers["G10.10"](s)
		s.answers("dp-1", 4.2, 4.3, func(r *history.Request) { r.Done = moments(5.5) })
		s.answers("dp-1", 3, 4, func(r *history.Request) { r.Sent += history.Time(30e6); r.Done += history.Time(30e6) })
	}},
	{"G10.10", "what is lost long before is none of its", Held, func(s *story) {
		s.changes(14.5, 2)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 19, 1)
		s.answers("dp-1", 4, 5, lose(history.Timeout))
		s.serves(15, "dp-1", http.StatusOK, 2)
		s.breaks(20, "dp-1>cp", "exit")
	}},
}

// returns tells of a control plane that is killed and started again.
func (s *story) returns(killed, started float64) {
	s.starts(0.1, "cp")
	s.breaks(killed, "cp", "kill")
	s.stops(killed, "cp")
	s.heals(started, "cp")
	s.starts(started, "cp")
}

func (s *story) denies(node string, from, to float64) {
	s.event(from, history.Event{Kind: history.NodeDenied, Node: node, Until: moments(to)})
}

// dialsTooSoon dials again after 0.3 s once. The machine kept a node from running between
// two moments, in seconds from the first of the two attempts.
func dialsTooSoon(node string, from, to float64) func(*story) {
	return func(s *story) {
		s.outageBefore("dp-1", "reset")
		at := 3.0
		for i := range 20 {
			s.dials("dp-1", "dp-1>cp", at)
			if i == 10 {
				if node != "" {
					s.denies(node, at+from, at+to)
				}
				at += 0.3
				continue
			}
			at += 0.6 + 0.1*float64(i%4)
		}
	}
}

// pausesWhileDenied is the data plane dp-1, which does not dial for 9 s. The machine kept a
// node from running for 8 of them.
func pausesWhileDenied(node string) func(*story) {
	return func(s *story) {
		s.outageBefore("dp-1", "blackhole")
		s.keepsDialling("dp-1", "dp-1>cp", 2.2, 10)
		s.denies(node, 11, 19)
		s.keepsDialling("dp-1", "dp-1>cp", 19, 30)
		s.heals(30, "dp-1>cp")
	}
}

// silentUntil is a data plane that dials anew at a moment, and was kept from running in
// the times between pairs of others.
func silentUntil(dials float64, denied ...float64) func(*story) {
	return func(s *story) {
		s.residentBehind("dp-1", "half-open")
		for i := 0; i < len(denied); i += 2 {
			s.denies("dp-1", denied[i], denied[i+1])
		}
		s.dials("dp-1", "dp-1>cp", dials)
		s.heals(30, "dp-1>cp")
	}
}

// dialsAtAPace tells of a new data plane that dials two dozen times, with some distances
// in turn, in seconds.
func dialsAtAPace(s *story, distances ...float64) {
	s.outageBefore("dp-1", "reset")
	at := 2.5
	for i := range 24 {
		s.dials("dp-1", "dp-1>cp", at)
		at += distances[i%len(distances)]
	}
	s.heals(at, "dp-1>cp")
}
