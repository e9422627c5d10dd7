// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"time"

	"blackout/harness/history"
)

// outageJudgements are those of G4 on: what an outage does to who was there, to the
// backup and to traffic.
var outageJudgements = []judgement{
	{"G4.1", "packets tell where no meter can", Violated, func(s *story) {
		s.outageBefore("dp-1", "exit")
		s.knocks("dp-1>cp", 1, 2.3, 3.1, 4)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.1", "and who keeps knocking is heard", Held, func(s *story) {
		s.outageBefore("dp-1", "drop")
		s.knocks("dp-1>cp", 1, 2.3, 3.1, 4, 5.5, 7, 8.2)
		s.heals(9, "dp-1>cp")
	}},
	{"G4.1", "a control plane that keeps the connection is not dialled again", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "cp-no-database")
		s.dials("dp-1", "dp-1>cp", 2.3)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.1", "a dead control plane cannot be dialled", Invalid, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.dials("dp-1", "dp-1>cp", 2.3)
		s.dies(29, "cp", "panic")
		s.heals(30, "dp-1>cp")
	}},
	{"G4.2", "a storm", Violated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		for at := 3.0; at < 5; at += 0.05 {
			s.dials("dp-1", "dp-1>cp", at)
		}
	}},
	{"G4.3", "a node that the harness ended owes nothing", NotMeasured, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.stops(9, "dp-1")
		s.ends(60)
	}},
	{"G4.3", "of two outages the last counts", NotMeasured, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.breaks(9, "dp-1>cp", "exit")
	}},
	{"G4.4", "without packets counted nobody knows", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(30, "dp-1>cp")
	}},
	{"G4.5", "an outage puts a change off until it is healed", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.changes(6, 2)
		s.ends(60)
	}},
	{"G4.5", "and no longer", Violated, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.changes(6, 2)
		s.heals(30, "dp-1>cp")
		s.serves(59, "dp-1", http.StatusOK, 2)
		s.ends(60)
	}},
	{"G4.5", "a control plane that was ended has nothing to tell", NotMeasured, func(s *story) {
		s.plane("dp-1")
		s.starts(0.1, "cp")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.changes(3, 2)
		s.stops(3.5, "cp")
		s.breaks(50, "dp-1>cp", "exit")
	}},
	{"G4.6", "two at different times are not in step", NotMeasured, func(s *story) {
		for i, node := range []string{"dp-1", "dp-22"} {
			at := 30 * float64(i)
			s.plane(node)
			s.breaks(at+1, node+">cp", "reset")
			s.starts(at+2, node)
			s.keepsDialling(node, node+">cp", at+3, at+20)
			s.heals(at+20, node+">cp")
		}
	}},
	{"G4.1", "a silence after the upgrade lasts until it is noticed", Held, func(s *story) {
		s.outageBefore("dp-1", "cp-silent-after-upgrade")
		s.dials("dp-1", "dp-1>cp", 2.2, 7.2, 12.2, 17.2)
		s.heals(20, "dp-1>cp")
	}},
	{"G4.1", "and no longer", Violated, func(s *story) {
		s.outageBefore("dp-1", "cp-silent-after-upgrade")
		s.dials("dp-1", "dp-1>cp", 2.2, 7.2)
		s.heals(20, "dp-1>cp")
	}},
	{"G4.1", "a silence after TLS lasts as long as a dial", Violated, func(s *story) {
		s.outageBefore("dp-1", "cp-silent-after-tls")
		s.dials("dp-1", "dp-1>cp", 2.2, 7.2, 12.2, 17.2)
		s.heals(20, "dp-1>cp")
	}},
	{"G4.1", "a connection that is kept alive need not be given up", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "cp-no-database")
		s.dials("dp-1", "dp-1>cp", 2.2)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.1", "who is asked to come back later may", Held, func(s *story) {
		s.asksToStayAway(1, "dp-1>cp", 3*time.Second)
		s.plane("dp-1")
		s.starts(2, "dp-1")
		s.dials("dp-1", "dp-1>cp", 2.2, 6.2, 10.2)
		s.heals(12, "dp-1>cp")
	}},
	{"G4.1", "who is not may not", Violated, func(s *story) {
		s.outageBefore("dp-1", "cp-busy")
		s.dials("dp-1", "dp-1>cp", 2.2, 6.2, 10.2)
		s.heals(12, "dp-1>cp")
	}},
	{"G4.12", "an outage that is over too soon asks nothing", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "cp-older-database")
		s.heals(10, "dp-1>cp")
	}},
	{"G4.12", "another generation is not the database's", Violated, func(s *story) {
		s.residentBehind("dp-1", "cp-older-database")
		s.pushes("dp-1>cp", 4)
		s.serves(7, "dp-1", http.StatusOK, 3)
		s.heals(40, "dp-1>cp")
	}},
	{"G3.5", "what is valid of an invalid configuration is not taken", Violated, func(s *story) {
		s.residentBehind("dp-1", "cp-invalid-configuration")
		s.answers("dp-1", 6, 9, show(9))
	}},
	{"G13.4", "who has no secret does not start", Violated, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "secret-missing")
		s.starts(2, "dp-1")
		s.ready(2.5, "dp-1", http.StatusServiceUnavailable, "no configuration available")
		s.heals(20, "dp-1")
	}},
	{"G13.4", "nor waits for it in silence", Violated, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "secret-missing")
		s.starts(2, "dp-1")
		s.heals(20, "dp-1")
	}},
	{"G13.4", "and says why", Held, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "secret-missing")
		s.starts(2, "dp-1")
		s.dies(3, "dp-1", "the reference cannot be resolved")
		s.heals(20, "dp-1")
	}},
	{"G13.4", "an answer to a look that outlasted it is the next one's", Held, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "secret-missing")
		s.starts(2, "dp-1")
		s.event(19.8, history.Event{Kind: history.ReadyChange, Node: "dp-1", Code: http.StatusOK, Until: moments(20.8)})
		s.dies(20, "dp-1", "the reference cannot be resolved")
		s.heals(20, "dp-1")
		s.starts(20.1, "dp-1")
	}},
	{"G4.5", "who could not start owes nothing", NotMeasured, func(s *story) {
		s.changes(1, 1)
		s.plane("dp-1")
		s.breaks(3, "dp-1", "secret-missing")
		s.starts(4, "dp-1")
		s.serves(4.5, "dp-1", 0, 0)
		s.dies(30, "dp-1", "the reference cannot be resolved")
		s.heals(31, "dp-1")
	}},
	{"G13.3", "who could not start has not died", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.plane("dp-2")
		s.breaks(6, "dp-2", "secret-missing")
		s.starts(7, "dp-2")
		s.dies(8, "dp-2", "the reference cannot be resolved")
	}},
	{"G4.7", "a control plane that starts with another certificate ends what stood", Violated, func(s *story) {
		s.plane("dp-2")
		s.residentBehind("dp-1", "exit")
		s.heals(7, "dp-1>cp")
		s.breaks(10, "dp-2", "certificate-rotated")
		s.heals(30, "dp-2")
	}},
	{"G4.7", "a silence has to be noticed first", Held, func(s *story) {
		s.residentBehind("dp-1", "blackhole")
		s.keepsDialling("dp-1", "dp-1>cp", 9.5, 14)
		s.heals(14, "dp-1>cp")
	}},
	{"G5.3", "a DELETE beside the election is a write", Violated, func(s *story) {
		s.plane("backup", exporting)
		s.asks(2, "backup", "DELETE blackout/backup/3.9.0/config.json.bak", http.StatusNoContent)
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.1", "an upload that carried the change dates a late look", Held, func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.writes(5, "backup")
		s.holds(100, 2)
		s.breaks(101, "backup>cp", "exit")
	}},
	{"G6.1", "a backup node that is cut off cannot export", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.breaks(2.5, "backup>cp", "exit")
		s.changes(3, 2)
		s.holds(60, 1)
	}},
	{"G6.1", "once it is back it must", Violated, func(s *story) {
		s.exporter("backup")
		s.breaks(2.5, "backup>cp", "exit")
		s.changes(3, 2)
		s.heals(10, "backup>cp")
		s.holds(60, 1)
	}},
	{"G6.1", "what is looked at all the time stays as it was seen last", Violated, func(s *story) {
		s.exporter("backup")
		s.event(2.1, history.Event{Kind: history.StoreObject, Node: "store", Text: storyObject, Generation: 1, Until: moments(2.2)})
		s.changes(3, 2)
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G6.1", "and is what the upload before did not bring", Violated, func(s *story) {
		s.exporter("backup")
		s.event(2.1, history.Event{Kind: history.StoreObject, Node: "store", Text: storyObject, Generation: 1, Until: moments(2.2)})
		s.changes(3, 2)
		s.writes(4, "backup")
		s.writes(30, "backup")
		s.event(30.005, history.Event{Kind: history.StoreObject, Node: "store", Text: storyObject, Generation: 2, Until: moments(30.02)})
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G6.1", "an upload on its way may have brought it late, and the one before in time", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.writes(5, "backup")
		s.writes(100, "backup")
		s.holds(100.005, 2)
		s.breaks(101, "backup>cp", "exit")
	}},
	{"G6.1", "another store's object is not this one's", Violated, func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.event(4, history.Event{Kind: history.StoreObject, Node: "store-2", Text: storyObject, Generation: 2})
		s.holds(31, 1)
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G6.3", "an object that is gone is not torn", Held, func(s *story) {
		s.holds(3, 1)
		s.event(4, history.Event{Kind: history.StoreObject, Text: storyObject, Error: history.ObjectGone})
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.4", "but a backup that is gone is none", Violated, func(s *story) {
		s.holds(3, 1)
		s.event(4, history.Event{Kind: history.StoreObject, Text: storyObject, Error: history.ObjectGone})
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.4", "a backup that nobody made", Violated, func(s *story) {
		s.changes(2, 1)
		s.holds(3, 1)
		s.holds(4, 2)
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.4", "another version's has its own history", NotMeasured, func(s *story) {
		s.holds(3, 1)
		s.event(4, history.Event{Kind: history.StoreObject, Text: "blackout/backup/3.8.0/config.json"})
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.2", "another process begins its own delay", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.starts(1.8, "backup")
		s.writes(2, "backup")
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G7.2", "a reader that can write proves nothing", Invalid, func(s *story) {
		s.asks(0.5, history.ReaderAccount, "PUT "+storyObject, http.StatusOK)
		turned("reset")(s)
		s.live(4, "dp-1", 1)
	}},
	{"G8.1", "who never dials trusts nobody", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-unknown-ca")
	}},
	{"G9.1", "two that take turns write both", Violated, func(s *story) {
		s.twoExporters()
		s.writes(5, "backup-2")
		s.writes(9, "backup-1")
		s.breaks(20, "dp-1>cp", "exit")
	}},
	{"G9.1", "who is refused has tried to write as well", Violated, func(s *story) {
		s.twoExporters()
		s.asks(5, "backup-2", "PUT "+storyObject, http.StatusPreconditionFailed)
		s.breaks(20, "dp-1>cp", "exit")
	}},
	{"G9.1", "and may, after it could not see who leads", Held, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1>store", "exit")
		s.writes(30, "backup-2")
		s.heals(40, "backup-1>store")
		s.asks(40.5, "backup-1", "PUT "+storyObject, http.StatusPreconditionFailed)
	}},
	{"G9.1", "a refusal of something else is none", Held, func(s *story) {
		s.twoExporters()
		s.asks(5, "backup-2", "PUT "+storyObject, http.StatusForbidden)
		s.breaks(20, "dp-1>cp", "exit")
	}},
	{"G9.1", "a writer that cannot reach the store may be followed", Held, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1>store", "exit")
		s.writes(30, "backup-2")
	}},
	{"G9.1", "each store has a writer of its own", NotMeasured, func(s *story) {
		s.exporter("backup-1")
		s.exporter("backup-2", func(n *history.Node) { n.Store = "store-2" })
		s.breaks(3, "dp-1>cp", "exit")
	}},
	{"G9.2", "without a change there is nothing to write", NotMeasured, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.ends(120)
	}},
	{"G9.3", "an older configuration in the bucket betrays it too", Violated, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "pause")
		s.writes(30, "backup-2")
		s.holds(35, 2)
		s.heals(40, "backup-1")
		s.holds(45, 1)
	}},
	{"G10.1", "what fails while its own process is frozen is excused", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.breaks(6, "dp-1", "pause")
		s.answers("dp-1", 6.1, 6.9, lose(history.Timeout))
		s.heals(7, "dp-1")
	}},
	{"G10.1", "what fails once it was ended too", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.stops(7, "dp-1")
		s.answers("dp-1", 7, 10, lose(history.Refused))
	}},
	{"G10.1", "once it serves again it owes answers", Violated, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.stops(6, "dp-1")
		s.starts(6.1, "dp-1")
		s.answers("dp-1", 6, 7, lose(history.Refused))
		s.live(7, "dp-1", 1)
		s.answers("dp-1", 8, 8.5, lose(history.WrongStatus))
	}},
	{"G10.1", "and not before", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.breaks(5.9, "dp-1", "restart")
		s.stops(6, "dp-1")
		s.starts(6.1, "dp-1")
		s.answers("dp-1", 6, 7, lose(history.Refused))
		s.live(7, "dp-1", 1)
	}},
	{"G10.2", "who may still be connected may get something new", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.answers("dp-1", 7, 10, show(2))
	}},
	{"G10.2", "each outage has its own configuration before it", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(6, "dp-1>cp")
		s.answers("dp-1", 6.5, 10, show(2))
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G10.3", "what is only ever sent damaged data is another clause's", NotMeasured, func(s *story) {
		s.changes(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-flipped")
		s.ready(3, "dp-1", http.StatusOK, "")
		s.checks(3.1, "dp-1", http.StatusNotFound)
	}},
	{"G10.6", "a swap takes a moment", Held, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.answers("dp-1", 6, 10, show(2))
		s.answers("dp-1", 6.5, 6.6, show(1))
	}},
	{"G10.6", "an older database is followed", NotMeasured, func(s *story) {
		s.residentBehind("dp-1", "cp-older-database")
		s.answers("dp-1", 3, 6, show(2))
	}},
	{"G10.7", "restarted, and serving from its cache", Held, func(s *story) {
		s.restartBehind("dp-1", "cp-empty-configuration")
		s.live(6, "dp-1", 1)
		s.ends(60)
	}},
	{"G10.7", "restarted, and serving nothing", Violated, func(s *story) {
		s.restartBehind("dp-1", "cp-empty-configuration")
		s.serves(6, "dp-1", http.StatusNotFound, 0)
		s.ends(60)
	}},
	{"G10.7", "restarted, and serving what it had before", Violated, func(s *story) {
		s.restartBehind("dp-1", "cp-empty-configuration")
		s.changes(1, 2)
		s.live(2.5, "dp-1", 2)
		s.live(6, "dp-1", 1)
		s.ends(60)
	}},
	{"G10.7", "restarted, and asking the store, which another clause forbids", NotMeasured, func(s *story) {
		s.restartBehind("dp-1", "cp-empty-configuration")
		s.reads(5.5, "dp-1")
		s.live(6, "dp-1", 1)
		s.ends(60)
	}},
	{"G10.7", "restarted shortly before its control plane is well", NotMeasured, func(s *story) {
		s.restartBehind("dp-1", "cp-empty-configuration")
		s.serves(6, "dp-1", http.StatusNotFound, 0)
		s.heals(6.5, "dp-1>cp")
		s.ends(60)
	}},
	{"G10.7", "going on with what it had", Held, func(s *story) { s.residentBehind("dp-1", "cp-empty-configuration") }},
	{"G11.1", "another's backup is not its own", NotMeasured, func(s *story) {
		s.plane("backup", exporting)
		s.holds(1, 1)
		s.breaks(2, "backup>cp", "reset")
		s.starts(3, "backup")
		s.ends(60)
	}},
	{"G12.1", "no answer is no leak", NotMeasured, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.probesWithoutKey("dp-1", 5, 8)
		s.answers("dp-1", 5, 9, lose(history.Refused))
	}},
	{"G12.2", "without secrets to look for nothing was looked for", NotMeasured, func(s *story) {
		s.event(2, history.Event{Kind: history.NodeLog, Node: "dp-1", Text: "started"})
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G12.3", "a new node with a further listener", Violated, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.event(2, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: "tcp 0.0.0.0:8000"})
		s.outageBefore("dp-2", "reset")
		s.event(7, history.Event{Kind: history.NodeListens, Node: "dp-2", Text: "tcp 0.0.0.0:8000"})
		s.event(7, history.Event{Kind: history.NodeListens, Node: "dp-2", Text: "tcp 0.0.0.0:6060"})
	}},
	{"G12.3", "one that starts from its cache with a further listener", Violated, func(s *story) { listensAgain(s, "tcp 0.0.0.0:6060") }},
	{"G12.3", "one that starts from its cache with those that it had", Held, func(s *story) { listensAgain(s, "tcp 0.0.0.0:8000") }},
	{"G13.5", "a control plane that keeps something of each, while one data plane never has it", Violated, func(s *story) {
		s.starts(0.1, "cp")
		s.plane("dp-2")
		s.breaks(0.2, "dp-2>cp", "reset")
		s.starts(0.3, "dp-2")
		s.cutsAndHeals("dp-1", minCuts+1, func(int) float64 { return 40 })
		for i := range minCuts + 1 {
			s.event(4*float64(i)+4.2, history.Event{Kind: history.Metric, Node: "cp", Text: history.ProcessFiles, Value: float64(40 + i)})
		}
		s.heals(4*minCuts+8, "dp-2>cp")
	}},
	{"G13.2", "a Status API that never answers says nothing", Violated, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1>cp", "reset")
		s.starts(2, "dp-1")
		s.ready(2.5, "dp-1", 0, "")
		s.heals(20, "dp-1>cp")
	}},
	{"G13.4", "a node that wrote nothing said nothing", Violated, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "disk-full")
		s.starts(2, "dp-1")
		s.dies(3, "dp-1", history.WroteNothing)
	}},
	{"G13.3", "what could not start did not die of the outage", Held, keepers["G13.4"]},
	{"G13.3", "what answered and then died of its disk did die", Violated, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "disk-full")
		s.starts(2, "dp-1")
		s.live(3, "dp-1", 1)
		s.dies(4, "dp-1", "no space left on device")
	}},
}

// listensAgain tells of a data plane that is restarted during an outage, and is then seen
// to listen on an address.
func listensAgain(s *story, address string) {
	s.restartBehind("dp-1", "exit")
	s.event(2, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: "tcp 0.0.0.0:8000"})
	s.live(6, "dp-1", 1)
	s.event(7, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: address})
	s.ends(20)
}
