// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"strings"
	"testing"

	"blackout/harness/history"
)

// rulings are judgements of which the reason counts too: it has to say a text.
var rulings = []struct {
	clause, name string
	want         Status
	says         string
	story        func(*story)
}{
	{"G10.3", "a configuration that is loaded in parts may be on its way", NotMeasured, "", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(0.1, "dp-1")
		s.ready(0.601, "dp-1", http.StatusOK, "")
		s.checks(0.65, "dp-1", http.StatusNotFound)
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G10.3", "but not for long", Violated, "status 404", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(0.1, "dp-1")
		s.ready(3.7, "dp-1", http.StatusOK, "")
		s.checks(3.8, "dp-1", http.StatusNotFound)
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G10.3", "nor to a process that had served it", Violated, "status 404", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(0.1, "dp-1")
		s.live(0.8, "dp-1", 1)
		s.ready(1, "dp-1", http.StatusServiceUnavailable, "swapping")
		s.ready(1.1, "dp-1", http.StatusOK, "")
		s.checks(1.2, "dp-1", http.StatusNotFound)
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G10.3", "an earlier process is another one", NotMeasured, "", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(0.1, "dp-1")
		s.serves(0.8, "dp-1", http.StatusOK, 1)
		s.starts(1, "dp-1")
		s.ready(1.5, "dp-1", http.StatusOK, "")
		s.checks(1.6, "dp-1", http.StatusNotFound)
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G4.10", "the next configuration's hash may be seen before the configuration", Held, "", func(s *story) {
		for i, node := range []string{"dp-1", "dp-2"} {
			s.plane(node)
			s.starts(0.1, node)
			s.live(1, node, 1)
			s.hashes(1.5, node, "4fb2")
			s.hashes(9.99-float64(i)*0.5, node, "77aa")
			s.serves(10, node, http.StatusOK, 2)
		}
		s.hashes(10.2, "dp-1", "77aa")
		s.breaks(20, "dp-1>cp", "exit")
	}},
	{"G2.1", "a second read beside the first is a second read", Violated, "0.01 s after its read of the snapshot began", func(s *story) {
		s.outageBefore("dp-1", "reset")
		for _, at := range []float64{2.5, 2.51, 2.52} {
			s.event(at, history.Event{Kind: history.StoreRequest, Node: "dp-1", Text: "GET " + storyObject, Code: http.StatusOK, OK: true, Until: moments(at + 0.1)})
		}
	}},
	{"G2.1", "a HEAD beside it is not", Held, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(2.5, "dp-1")
		s.asks(2.515, "dp-1", "HEAD "+storyObject, http.StatusOK)
	}},
	{"G2.2", "nor is a failed read repeated beside itself", Violated, "GET", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-hangs")
		for _, at := range []float64{2.5, 2.6} {
			s.event(at, history.Event{Kind: history.StoreRequest, Node: "dp-1", Text: "GET " + storyObject, Until: moments(at + 30)})
		}
	}},
	{"G3.2", "what is healed before the read damages nothing", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "truncate")
		s.heals(2.5, "dp-1>store")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
	}},
	{"G3.2", "nor does what is healed while it lasts", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "truncate")
		s.reads(3, "dp-1") // until 3.02
		s.heals(3.015, "dp-1>store")
		s.live(4, "dp-1", 1)
	}},
	{"G3.2", "what comes between the start and the read does", Violated, "the only snapshot it was ever sent was truncated", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(2.5, "dp-1>store", "truncate")
		s.readsInVain(3, "dp-1", http.StatusOK)
		s.live(4, "dp-1", 1)
	}},
	{"G3.2", "if it was seen in force", Invalid, "truncate on dp-1>store was not witnessed", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(2.5, "dp-1>store", "truncate")
		s.readsInVain(3, "dp-1", http.StatusOK)
		s.live(4, "dp-1", 1)
		s.without(func(e history.Event) bool { return e.Kind == history.FaultWitness && e.Edge == "dp-1>store" })
	}},
	{"G3.4", "a good read after the healing may be used", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-flipped")
		s.heals(2.5, "dp-1")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
	}},
	{"G3.4", "and so may one after a bad one", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-empty")
		s.reads(2.5, "dp-1")
		s.heals(2.8, "dp-1")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
	}},
	{"G3.4", "a bad read alone may not, whatever is healed afterwards", Violated, "corrupt, empty or foreign", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-empty")
		s.reads(2.5, "dp-1")
		s.heals(2.8, "dp-1")
		s.live(4, "dp-1", 1)
	}},
	{"G3.4", "a read that no rule answered is the store's own", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-empty")
		s.event(3, history.Event{Kind: history.StoreRequest, Node: "dp-1", Text: "GET " + storyObject, Code: http.StatusOK, OK: true, Until: moments(3.1)})
		s.live(4, "dp-1", 1)
	}},
	{"G5.2", "a store that has its own object again may be read", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.heals(2.5, "dp-1")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
	}},
	{"G5.2", "a look that met the other version's object is an opportunity", Violated, "another version's object", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(2.2, "dp-1", "store-other-version")
		s.asks(2.5, "dp-1", "HEAD "+storyObject, http.StatusNotFound)
		s.live(4, "dp-1", 1)
	}},
	{"G4.7", "who is frozen does not dial", Held, "", func(s *story) {
		s.frozenBehind("reset")
		s.keepsDialling("dp-1", "dp-1>cp", 20.3, 30)
	}},
	{"G4.7", "once it goes on it must", Violated, "after the harness let it go on", func(s *story) { s.frozenBehind("reset") }},
	{"G4.7", "and until it is frozen", Violated, "after attempt 2", func(s *story) {
		s.frozenBehind("reset")
		s.without(func(e history.Event) bool { return e.Kind == history.EdgeConnect && e.At > moments(6.5) })
		s.keepsDialling("dp-1", "dp-1>cp", 20.3, 30)
	}},
	{"G4.7", "a silence has to be noticed anew", Held, "", func(s *story) {
		s.frozenBehind("blackhole")
		s.keepsDialling("dp-1", "dp-1>cp", 23.5, 30)
	}},
	{"G4.4", "nor does it knock", Held, "", func(s *story) {
		s.frozenBehind("exit")
		s.without(func(e history.Event) bool { return e.Kind == history.EdgeConnect })
		s.knocks("dp-1>cp", 3, 1.2, 5.8, 6.5, 7.4, 8.1, 8.9, 9.6, 20.9, 22, 23.5, 25, 27, 29)
	}},
	{"G4.1", "nor a new one", Held, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.keepsDialling("dp-1", "dp-1>cp", 2.2, 10)
		s.breaks(10, "dp-1", "pause")
		s.heals(20, "dp-1")
		s.keepsDialling("dp-1", "dp-1>cp", 20.3, 30)
		s.heals(30, "dp-1>cp")
	}},
	{"G10.1", "a life that nobody looked at owes nobody knows what", Invalid, "nobody looked at dp-1 in its life from 6.10 s on", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.stops(6, "dp-1")
		s.starts(6.1, "dp-1")
		s.answers("dp-1", 6, 10, lose(history.WrongStatus))
	}},
	{"G10.1", "also the second of two", Invalid, "nobody looked at dp-1 in its life from 7.50 s on", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.starts(6.1, "dp-1")
		s.live(6.2, "dp-1", 1)
		s.starts(7.5, "dp-1")
		s.answers("dp-1", 7.5, 10, lose(history.WrongStatus))
	}},
	{"G10.1", "which excuses no other", Violated, "", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.answers("dp-1", 5.5, 5.6, lose(history.WrongStatus))
		s.starts(6.1, "dp-1")
	}},
	{"G10.1", "a life that was seen owing nothing does not matter", Held, "", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.starts(6.1, "dp-1")
		s.ready(6.2, "dp-1", 0, "")
		s.answers("dp-1", 6.1, 10, lose(history.WrongStatus))
	}},
	{"G10.1", "nor does one that is over before anybody can look", Held, "", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.starts(6.1, "dp-1")
		s.starts(6.5, "dp-1")
		s.live(6.6, "dp-1", 1)
		s.answers("dp-1", 6.1, 6.7, lose(history.WrongStatus))
	}},
	{"G10.1", "an end of the outage that nobody saw is none", Invalid, "the healing of exit on dp-1>cp", func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(7, "dp-1>cp")
		s.without(func(e history.Event) bool { return e.Kind == history.HealWitness })
	}},
	{"G10.9", "nor is a cache judged in a life that nobody looked at", Invalid, "nobody looked at dp-1 after its restart at 5.00 s", func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.ends(60)
	}},
	{"G3.3", "be it imported", Invalid, "nobody looked at dp-1 after its restart at 6.00 s", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.starts(6, "dp-1")
		s.ends(60)
	}},
	{"G10.1", "who is still starting when the cut comes owes nothing yet", Held, "", func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.breaks(4.5, "dp-1", "restart")
		s.stops(4.5, "dp-1")
		s.starts(4.6, "dp-1")
		s.ready(4.7, "dp-1", 0, "")
		s.serves(4.7, "dp-1", 0, 0)
		s.breaks(4.8, "dp-1>cp", "exit")
		s.live(5.4, "dp-1", 1)
		s.answers("dp-1", 4.7, 5.35, lose(history.Refused))
	}},
	{"G10.1", "but does once it serves", Violated, "refused", func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.stops(4, "dp-1")
		s.starts(4.1, "dp-1")
		s.live(4.2, "dp-1", 1)
		s.breaks(4.8, "dp-1>cp", "exit")
		s.serves(5, "dp-1", 0, 0)
		s.live(6, "dp-1", 1)
		s.answers("dp-1", 5, 6, lose(history.Refused))
	}},
	{"G10.9", "who is frozen does not answer from its cache", Held, "", func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.live(6, "dp-1", 1)
		s.probes("dp-1", 6.5, 12, 1)
		s.breaks(8, "dp-1", "pause")
		s.heals(9, "dp-1")
		s.answers("dp-1", 7.5, 9, lose(history.Timeout))
		s.answers("dp-1", 7.5, 8, func(r *history.Request) { r.Done = moments(8.5) })
	}},
	{"G3.1", "nor from the snapshot", Held, "", func(s *story) {
		s.importedBehind()
		s.breaks(6, "dp-1", "pause")
		s.heals(7, "dp-1")
		s.answers("dp-1", 6, 7, lose(history.Timeout))
	}},
	{"G10.5", "nor when the control plane returns", Held, "", func(s *story) {
		s.importedBehind()
		s.heals(5.5, "dp-1>cp")
		s.breaks(6, "dp-1", "pause")
		s.heals(7, "dp-1")
		s.answers("dp-1", 6, 7, lose(history.Timeout))
	}},
	{"G10.5", "who is replaced beside traffic is asked for once it has served", Violated, "reset", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 2.5, 12, 1)
		s.answers("dp-1", 2.5, 4, lose(history.Refused))
		s.heals(8, "dp-1>cp")
		s.answers("dp-1", 9, 10, lose(history.Reset))
	}},
	{"G10.5", "but not who lost requests after it had served", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 2.5, 12, 1)
		s.answers("dp-1", 5, 6, lose(history.Refused))
		s.heals(8, "dp-1>cp")
		s.answers("dp-1", 9, 10, lose(history.Reset))
	}},
	{"G10.5", "nor who has not served before the return", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(9, "dp-1", 1)
		s.probes("dp-1", 2.5, 12, 1)
		s.answers("dp-1", 2.5, 9, lose(history.WrongStatus))
		s.heals(8, "dp-1>cp")
	}},
	{"G10.9", "a cache is answered from, not only looked at", Violated, "generation 1", func(s *story) {
		s.changes(0.2, 1)
		s.changes(0.5, 2)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 2)
		s.breaks(3, "dp-1>cp", "exit")
		s.stops(4, "dp-1")
		s.starts(5, "dp-1")
		s.live(6, "dp-1", 2)
		s.probes("dp-1", 6.5, 12, 1)
	}},
	{"G10.9", "a change that came just before the end may have been cached unseen", Held, "", func(s *story) {
		s.changes(2.8, 2)
		s.restartBehind("dp-1", "exit")
		s.live(6, "dp-1", 2)
	}},
	{"G10.9", "which excuses no older generation", Violated, "its cache held generation 1", func(s *story) {
		s.changes(0.5, 2)
		s.restartBehind("dp-1", "exit")
		s.live(6, "dp-1", 3)
	}},
	{"G1.3", "who was given a configuration after its disk was wiped has a cache again", NotMeasured, "", func(s *story) {
		s.wipedAndFilled()
		s.live(13, "dp-1", 1)
		s.ends(60)
	}},
	{"G3.1", "and need not serve the snapshot", NotMeasured, "", func(s *story) {
		s.holds(9, 2)
		s.wipedAndFilled()
		s.live(13, "dp-1", 1)
		s.ends(60)
	}},
	{"G10.3", "a node that is frozen before it can be checked does not answer", NotMeasured, "", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.ready(4.999, "dp-1", http.StatusOK, "")
		s.event(5, history.Event{Kind: history.ReadyCheck, Node: "dp-1", Until: moments(7)})
		s.breaks(5.002, "dp-1", "pause")
		s.heals(8, "dp-1")
	}},
	{"G10.3", "nor one that is ended", NotMeasured, "", func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.ready(4.999, "dp-1", http.StatusOK, "")
		s.checks(5, "dp-1", 0)
		s.stops(5.001, "dp-1")
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G1.3", "who is frozen does not turn to the store", NotMeasured, "", func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(2.3, "dp-1", "pause")
		s.heals(20, "dp-1")
		s.heals(21, "dp-1>cp")
		s.ends(60)
	}},
	{"G3.1", "nor serves the snapshot", NotMeasured, "", func(s *story) {
		s.holds(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.breaks(2.3, "dp-1", "pause")
		s.heals(20, "dp-1")
		s.heals(21, "dp-1>cp")
		s.ends(60)
	}},
	{"G3.1", "it should have before", Violated, "did not serve before", func(s *story) {
		s.holds(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.breaks(15, "dp-1", "pause")
		s.heals(20, "dp-1")
		s.heals(21, "dp-1>cp")
		s.ends(60)
	}},
	{"G10.9", "nor its cache", NotMeasured, "", func(s *story) {
		s.restartBehind("dp-1", "reset")
		s.ready(5.1, "dp-1", http.StatusServiceUnavailable, "no configuration available")
		s.breaks(5.3, "dp-1", "pause")
		s.heals(20, "dp-1")
		s.heals(21, "dp-1>cp")
		s.ends(60)
	}},
}

// importedBehind tells of a new data plane that serves the snapshot in an outage from
// 1 s on, with traffic from 4.5 s to 9 s.
func (s *story) importedBehind() {
	s.holds(0.5, 1)
	s.outageBefore("dp-1", "reset")
	s.reads(3, "dp-1")
	s.live(4, "dp-1", 1)
	s.probes("dp-1", 4.5, 9, 1)
}

// wipedAndFilled tells of a data plane whose disk was wiped at 3 s, that was given its
// configuration again at 6 s, and was started once more at 12 s in an outage.
func (s *story) wipedAndFilled() {
	s.plane("dp-1", importing)
	s.starts(1, "dp-1")
	s.live(2, "dp-1", 1)
	s.stops(2.5, "dp-1")
	s.breaks(3, "dp-1", "disk-wiped")
	s.heals(4, "dp-1")
	s.starts(5, "dp-1")
	s.live(6, "dp-1", 1)
	s.breaks(10, "dp-1>cp", "reset")
	s.stops(11, "dp-1")
	s.starts(12, "dp-1")
}

// frozenBehind tells of a running data plane that dials in an outage from 5 s to
// 30 s, and that the harness freezes from 10 s to 20 s.
func (s *story) frozenBehind(kind string) {
	s.residentBehind("dp-1", kind)
	s.keepsDialling("dp-1", "dp-1>cp", 5.6, 10)
	s.breaks(10, "dp-1", "pause")
	s.heals(20, "dp-1")
	s.heals(30, "dp-1>cp")
}

func TestRulings(t *testing.T) {
	t.Parallel()
	for _, c := range append(rulings[:len(rulings):len(rulings)], databaseRulings...) {
		t.Run(c.clause+" "+c.name, func(t *testing.T) {
			t.Parallel()
			s := tell()
			c.story(s)
			got := find(t, c.clause).on(s)
			if got.Status != c.want || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%s (%s), want %s for %q", got.Status, got.Reason, c.want, c.says)
			}
		})
	}
}
