// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

// bootJudgements are those of G1 to G3: how a new data plane comes up.
var bootJudgements = []judgement{
	{"G1.1", "where attempts cannot be counted their order is not known", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "exit")
		s.reads(3, "dp-1")
	}},
	{"G1.2", "a backup node's own requests are no reads on the way", NotMeasured, func(s *story) {
		s.plane("backup", importing, exporting)
		s.starts(1, "backup")
		s.writes(1.5, "backup")
		s.live(2, "backup", 1)
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G3.1", "a slow store's snapshot serves as well", Held, func(s *story) { slowly(s, 8); s.live(9, "dp-1", 1); s.heals(30, "dp-1>cp") }},
	{"G3.1", "what a slow store has sent must serve", Violated, func(s *story) { slowly(s, 8); s.heals(30, "dp-1>cp") }},
	{"G3.1", "what a slow store has just sent need not serve yet", NotMeasured, func(s *story) { slowly(s, 8); s.heals(10, "dp-1>cp") }},
	{"G3.1", "a slow read that is not over asks nothing", NotMeasured, func(s *story) { slowly(s, 40); s.heals(30, "dp-1>cp") }},
	{"G3.1", "a slow read that is given up early", Violated, func(s *story) { slowly(s, 0); s.heals(30, "dp-1>cp") }},
	{"G3.1", "a slow read that is given up in the end", NotMeasured, func(s *story) { slowly(s, -20); s.heals(30, "dp-1>cp") }},
	{"G3.1", "the older state that a store shows serves as well", Held, func(s *story) { behind(s, 1); s.live(4, "dp-1", 1); s.probes("dp-1", 5, 8, 1) }},
	{"G3.1", "the older state that a store shows must serve", Violated, func(s *story) { behind(s, 1); s.ready(6, "dp-1", 503, "no configuration available") }},
	{"G3.1", "what the store's other readers find is not what it was shown", Violated, func(s *story) { behind(s, 1); s.live(4, "dp-1", 2); s.probes("dp-1", 5, 8, 2) }},
	{"G3.1", "an older state of no known generation", NotMeasured, func(s *story) { behind(s, 0); s.live(4, "dp-1", 1); s.probes("dp-1", 5, 8, 1) }},
	{"G2.1", "a snapshot that is behind is read once, too", Violated, func(s *story) { behind(s, 1); s.reads(3.5, "dp-1"); s.live(4, "dp-1", 1) }},
	{"G3.7", "a running data plane that was asked and has no answer", Invalid, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.outageBefore("dp-2", "reset")
		s.probed(6, "dp-1", 200, "host: 200, kept")
		s.probed(6.5, "dp-1", 0, "certificate: refused")
		s.probed(7, "dp-2", 200, "host: 200, kept")
		s.probed(7.5, "dp-2", 200, "certificate: 200, kept")
	}},
	{"G5.2", "a leftover beside the right object", Held, func(s *story) { leftover(s, 1) }},
	{"G5.2", "a leftover that is used beside the right object", Violated, func(s *story) { leftover(s, 500) }},
	{"G5.2", "a leftover that nobody could meet", NotMeasured, func(s *story) {
		s.plane("dp-1", importing)
		s.leaves(0.5, 500, "3.8.0")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 5, 1)
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G13.1", "one that may not import and answers that it failed", Violated, func(s *story) {
		keepers["G13.1"](s)
		s.serves(4, "dp-1", http.StatusBadGateway, 0)
	}},
	{"G13.1", "one that answers that it has no route, or not at all", Held, func(s *story) {
		keepers["G13.1"](s)
		s.serves(3, "dp-1", 0, 0)
		s.serves(4, "dp-1", http.StatusNotFound, 0)
	}},
	{"G13.1", "one whose store denied everything and that fails", Violated, func(s *story) {
		denied(s)
		s.serves(9, "dp-1", http.StatusServiceUnavailable, 0)
		s.heals(20, "dp-1>cp")
	}},
	{"G13.1", "one whose store denied everything", Violated, func(s *story) { denied(s); s.live(9, "dp-1", 1); s.heals(20, "dp-1>cp") }},
	{"G13.1", "one whose store denied everything and that waits", Held, func(s *story) { denied(s); s.heals(20, "dp-1>cp"); s.live(21, "dp-1", 1) }},
	{"G13.1", "one whose store was denied at first", NotMeasured, func(s *story) {
		denied(s)
		s.heals(4, "dp-1")
		s.reads(5, "dp-1")
		s.live(9, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G13.1", "one whose store could not be reached", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "exit")
		s.live(9, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G8.1", "a certificate of another host is no better", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-host")
		s.reads(2.5, "dp-1")
		s.live(4, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G1.3", "who turns to the store after ten attempts", Violated, func(s *story) { s.outageBefore("dp-1", "reset"); s.reads(9.5, "dp-1") }},
	{"G1.3", "who turns to it as late, having been kept from running", Held, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.event(3, history.Event{Kind: history.NodeDenied, Node: "dp-1", Until: moments(6)})
		s.reads(9.5, "dp-1")
	}},
	{"G1.3", "whose process takes its time to be started", Held, func(s *story) {
		s.plane("dp-1", importing)
		s.breaks(1, "dp-1>cp", "reset")
		s.starts(2, "dp-1")
		s.ready(9, "dp-1", 503, "no configuration available")
		s.reads(9.5, "dp-1")
	}},
	{"G1.8", "who gives its control plane no time", Violated, func(s *story) { s.outageBefore("dp-1", "cp-silent-after-upgrade"); s.reads(2.3, "dp-1") }},
	{"G1.8", "who gives it as long as it may take", Held, func(s *story) { s.outageBefore("dp-1", "cp-silent-after-upgrade"); s.reads(3.1, "dp-1") }},
	{"G1.3", "an outage that is over too soon asks nothing", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.heals(4, "dp-1>cp")
	}},
	{"G1.3", "the second outage of an edge counts like the first", Violated, func(s *story) {
		s.plane("dp-1", importing)
		s.breaks(1, "dp-1>cp", "reset")
		s.heals(5, "dp-1>cp")
		s.breaks(10, "dp-1>cp", "reset")
		s.starts(11, "dp-1")
		s.ends(60)
	}},
	{"G1.3", "between two outages there is none", NotMeasured, func(s *story) {
		s.plane("dp-1", importing)
		s.breaks(1, "dp-1>cp", "reset")
		s.heals(5, "dp-1>cp")
		s.starts(7, "dp-1")
		s.breaks(10, "dp-1>cp", "reset")
		s.ends(60)
	}},
	{"G1.3", "another control plane's outage is not this one's", NotMeasured, func(s *story) {
		s.plane("dp-1", importing, dialling("cp-2"))
		s.breaks(1, "cp", "pause")
		s.breaks(1, "dp-1>cp", "reset")
		s.starts(2, "dp-1")
		s.ends(60)
	}},
	{"G1.5", "its own control plane's pause is", Held, func(s *story) {
		s.plane("dp-1", importing, dialling("cp-2"))
		s.breaks(1, "cp-2", "pause")
		s.starts(2, "dp-1")
		s.reads(6, "dp-1")
		s.ends(60)
	}},
	{"G1.6", "a rotated certificate is the control plane's, for all", Held, func(s *story) {
		s.plane("dp-2")
		s.plane("dp-1", importing)
		s.breaks(1, "dp-2", "certificate-rotated")
		s.starts(2, "dp-1")
		s.reads(4, "dp-1")
		s.ends(60)
	}},
	{"G1.7", "who cannot reach the store cannot be seen to turn to it", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "cp-busy")
		s.breaks(1.5, "dp-1>store", "exit")
		s.ends(60)
	}},
	{"G2.1", "a HEAD before the read is part of it", Held, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.asks(2.5, "dp-1", "HEAD "+storyObject, http.StatusOK)
		s.reads(2.6, "dp-1")
	}},
	{"G2.1", "a wiped disk makes a start a new one", Held, func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.breaks(4.5, "dp-1", "disk-wiped")
		s.reads(6, "dp-1")
	}},
	{"G2.2", "a read that hangs has failed", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-hangs")
		s.readsInVain(2.5, "dp-1", 0)
		s.asks(40, "dp-1", "HEAD "+storyObject, http.StatusOK)
	}},
	{"G2.2", "where there is no such object, a look at which there are is none", Held, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.readsInVain(2.5, "dp-1", http.StatusNotFound)
		s.asks(2.53, "dp-1", "GET blackout/", http.StatusOK)
	}},
	{"G2.2", "two looks are one too many", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.readsInVain(2.5, "dp-1", http.StatusNotFound)
		s.asks(2.53, "dp-1", "GET blackout/", http.StatusForbidden)
		s.asks(2.54, "dp-1", "GET blackout/", http.StatusOK)
	}},
	{"G2.2", "a later look is a poll", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.readsInVain(2.5, "dp-1", http.StatusNotFound)
		s.asks(12, "dp-1", "GET blackout/", http.StatusOK)
	}},
	{"G2.2", "a look after a read that failed otherwise is a request more", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-status")
		s.readsInVain(2.5, "dp-1", http.StatusServiceUnavailable)
		s.asks(2.53, "dp-1", "GET blackout/", http.StatusOK)
	}},
	{"G2.2", "where no request gets through, attempts tell", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-unknown-ca")
		s.dials("dp-1", "dp-1>store", 2.5, 4, 6)
	}},
	{"G2.2", "one attempt is one", Held, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-unknown-ca")
		s.dials("dp-1", "dp-1>store", 2.5)
	}},
	{"G2.2", "a store that was unreachable is not read when it is back", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "exit")
		s.heals(20, "dp-1>store")
		s.reads(24, "dp-1")
		s.heals(40, "dp-1>cp")
	}},
	{"G2.2", "a store that was unreachable and stays alone when it is back", Held, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "exit")
		s.heals(20, "dp-1>store")
		s.heals(40, "dp-1>cp")
	}},
	{"G2.2", "a read after a healing that came at once may be the first", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "exit")
		s.heals(3, "dp-1>store")
		s.reads(4, "dp-1")
		s.heals(40, "dp-1>cp")
	}},
	{"G2.2", "attempts that are counted tell also of a read after the healing", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "reset")
		s.dials("dp-1", "dp-1>store", 3)
		s.heals(20, "dp-1>store")
		s.reads(24, "dp-1")
		s.heals(40, "dp-1>cp")
	}},
	{"G2.2", "a slow store has not failed", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-slow")
		s.reads(2.5, "dp-1")
	}},
	{"G2.1", "a slow read is one read", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-slow")
		s.reads(2.5, "dp-1")
		s.reads(5, "dp-1")
	}},
	{"G2.4", "what lies under another version is not a change of the object", NotMeasured, func(s *story) {
		s.plane("dp-1", importing)
		s.leaves(2, 500, "3.8.0")
		s.probes("dp-1", 3, 5, 1)
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.3", "the harness's own connections are not the node's", Held, func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.dials("witness", "dp-1>store", 5)
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.3", "an answer may wait for the import", Held, func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.event(2, history.Event{Kind: history.ServeChange, Node: "dp-1", Code: http.StatusOK, Generation: 1, Until: moments(2.5)})
		s.reads(2.3, "dp-1")
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.3", "a denied request is a request", Violated, func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.asks(5, "dp-1", "HEAD "+storyObject, http.StatusForbidden)
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.5", "a disk that was touched proves nothing", NotMeasured, func(s *story) {
		s.plane("dp-1", importing)
		s.breaks(0.5, "dp-1", "disk-read-only")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.breaks(3, "dp-1>cp", "exit")
		s.starts(5, "dp-1")
		s.reads(6, "dp-1")
	}},
	{"G3.1", "a snapshot that was replaced meanwhile may be the one read", Held, func(s *story) {
		s.exporter("backup")
		s.plane("dp-1", importing)
		s.breaks(2.5, "dp-1>cp", "reset")
		s.writes(4, "backup")
		s.starts(5, "dp-1")
		s.reads(5.5, "dp-1")
		s.live(6, "dp-1", 2)
		s.ready(5.9, "dp-1", http.StatusOK, "")
		s.probes("dp-1", 7, 9, 2)
		s.heals(20, "dp-1>cp")
	}},
	{"G3.1", "but not where nobody wrote", Violated, func(s *story) {
		s.exporter("backup")
		s.plane("dp-1", importing)
		s.breaks(2.5, "dp-1>cp", "reset")
		s.starts(5, "dp-1")
		s.live(6, "dp-1", 2)
		s.probes("dp-1", 7, 9, 2)
		s.heals(20, "dp-1>cp")
	}},
	{"G3.1", "who serves and never was ready did not carry traffic", Violated, func(s *story) {
		s.holds(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.serves(4, "dp-1", http.StatusOK, 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G3.3", "what the control plane gave was not imported", NotMeasured, func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.live(6, "dp-1", 1)
	}},
	{"G3.3", "who reads the store again does not live on its cache", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.starts(6, "dp-1")
		s.reads(6.2, "dp-1")
		s.live(6.5, "dp-1", 1)
	}},
	{"G3.6", "what was planted was made, whoever may not follow it", Held, func(s *story) {
		s.plane("dp-1")
		s.changes(1, 1)
		s.plants(1.5, 500)
		s.probes("dp-1", 2, 4, 500)
		s.breaks(5, "dp-1>cp", "exit")
	}},
}

// slowly tells of a new data plane whose slow store has sent the snapshot by a moment; 0:
// it was given up at 4 s, and negative: when it was given up.
func slowly(s *story, until float64) {
	s.holds(0.5, 1)
	s.outageBefore("dp-1", "reset")
	s.breaks(1.5, "dp-1", "store-slow")
	read := history.Event{Kind: history.StoreRequest, Node: "dp-1", Text: "GET " + storyObject, Code: http.StatusOK, Until: moments(until), OK: until > 0, Rule: s.rules["dp-1"]}
	switch {
	case until == 0:
		read.Until = moments(4)
	case until < 0:
		read.Until = moments(-until)
	}
	s.event(2.5, read)
}

// leftover tells of a new data plane that imports while another version's object lies
// beside its own, and serves a generation.
func leftover(s *story, serves uint32) {
	s.holds(0.5, 1)
	s.leaves(0.6, 500, "3.8.0")
	s.outageBefore("dp-1", "reset")
	s.reads(3, "dp-1")
	s.live(4, "dp-1", int(serves))
	s.probes("dp-1", 5, 8, serves)
	s.heals(20, "dp-1>cp")
}

// denied tells of a new data plane whose store answers its read with 404.
func denied(s *story) {
	s.outageBefore("dp-1", "reset")
	s.breaks(1.5, "dp-1", "store-status")
	s.readsInVain(2.5, "dp-1", http.StatusNotFound)
}

// behind tells of a new data plane whose store shows it an older generation than the
// second, which others find there.
func behind(s *story, generation int) {
	s.holds(0.5, 2)
	s.outageBefore("dp-1", "reset")
	s.breaks(1.5, "dp-1", "store-stale")
	s.injection("dp-1").Generation = generation
	s.reads(3, "dp-1")
	s.heals(20, "dp-1>cp")
}
