// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

// exportJudgements are those of what backup nodes write, and of who of several does.
var exportJudgements = []judgement{
	{"G6.1", "who is started again owes what its last life left", Violated, func(s *story) {
		s.killedExporter()
		s.holds(31, 1)
		s.ends(60)
	}},
	{"G6.1", "once it has had the time", NotMeasured, func(s *story) {
		s.killedExporter()
		s.ends(20)
	}},
	{"G6.1", "or gets it from elsewhere", Held, func(s *story) {
		s.killedExporter()
		s.writes(9, "backup")
		s.holds(31, 2)
		s.ends(60)
	}},
	{"G6.1", "who stands by has to notice first that nobody writes", NotMeasured, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.changes(5, 2)
		s.ends(20)
	}},
	{"G6.1", "and has then to write", Violated, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.changes(5, 2)
		s.holds(50, 1)
		s.ends(60)
	}},
	{"G6.1", "a control plane exports too", Violated, func(s *story) {
		s.exportingControlPlane()
		s.changes(3, 2)
		s.holds(31, 1)
		s.breaks(32, "dp-1>cp", "exit")
	}},
	{"G6.5", "what was planted in its place may be replaced by what was there before", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.plants(2, 500)
		s.finds(2.1, 500, "five hundred")
		s.writes(3, "backup")
		s.finds(3.1, 1, "one")
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.5", "another process does not know what is there", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.starts(2, "backup")
		s.writes(3, "backup")
		s.finds(3.1, 1, "one")
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.5", "an upload after which nothing is seen to have changed changed nothing", Violated, func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.writes(3, "backup")
		s.breaks(5, "backup>cp", "exit")
		s.ends(9)
	}},
	{"G6.5", "unless nobody may have looked", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.writes(3, "backup")
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.6", "a busy machine makes both slow", Held, exportsSlowly(6, 0.4, 0.4)},
	{"G6.6", "a few that are late may be the machine's", Held, exportsSlowly(4.5, 0.24, 0)},
	{"G6.6", "half of them may not", Violated, exportsSlowly(6, 0.08, 0)},
	{"G6.6", "unless others wait as well", Held, exportsSlowly(6, 0.08, 0.025)},
	{"G6.6", "nor what is hardly noticed", Held, exportsSlowly(6, 0.045, 0)},
	{"G6.6", "but in many requests that is the gateway's", Violated, exportsAtLength(1, 0.035, 0)},
	{"G6.6", "and so are a third that are late", Violated, exportsAtLength(3, 0.09, 0)},
	{"G6.6", "unless others wait, too", Held, exportsAtLength(3, 0.09, 0.02)},
	{"G6.6", "or a fifth alone", Held, exportsAtLength(5, 0.09, 0)},
	{"G6.6", "what is lost is slow", Violated, func(s *story) {
		s.exporterProbed(6)
		s.answers("backup", 4, 6, lose(history.Refused))
	}},
	{"G6.6", "without anybody to compare with nothing can be said", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.writes(4, "backup")
		s.probes("backup", 2, 12, 1)
		s.breaks(10, "backup>cp", "exit")
	}},
	{"G5.3", "a control plane has a place for its lease too", Violated, func(s *story) {
		s.exportingControlPlane()
		s.asks(2, "cp", "PUT blackout/backup/3.9.1/leader.json", http.StatusOK)
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G9.1", "who loses its control plane with it may hand over", Held, func(s *story) {
		s.twoExporters()
		s.breaks(3, "cp", "kill")
		s.writes(20, "backup-2")
	}},
	{"G9.1", "a control plane and a data plane are two", Violated, func(s *story) {
		s.exportingControlPlane()
		s.exporter("backup")
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G9.2", "who takes over in time may be disturbed afterwards", Held, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.changes(5, 2)
		s.writes(12, "backup-2")
		s.breaks(15, "backup-2>store", "exit")
	}},
	{"G9.2", "what was on its way when its writer was frozen is no next upload", Held, func(s *story) { s.lateUpload(http.StatusOK) }},
	{"G9.3", "nor may it replace what another wrote", Violated, func(s *story) { s.lateUpload(http.StatusOK) }},
	{"G9.1", "who was frozen may find out by being refused", Held, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "pause")
		s.writes(30, "backup-2")
		s.heals(40, "backup-1")
		s.asks(40.5, "backup-1", "PUT "+storyObject, http.StatusPreconditionFailed)
	}},
	{"G9.3", "and does not where it is refused", Held, func(s *story) { s.lateUpload(http.StatusPreconditionFailed) }},
	{"G4.5", "what was seen before its acknowledgement counts, whatever comes after", Held, func(s *story) {
		s.residentBehind("dp-1", "latency")
		s.serves(15, "dp-1", http.StatusOK, 2)
		s.event(15.1, history.Event{Kind: history.ChangeAcked, Generation: 2})
		s.serves(40, "dp-1", http.StatusOK, 3)
		s.ends(60)
	}},
	{"G13.6", "a line for debugging is not said", Violated, func(s *story) {
		s.exporterBehind("exit")
		s.says(4.5, "backup", `{"level":"DEBUG","msg":"failed","key":"backup/3.9.1/config.json","error":"connection refused"}`)
	}},
	{"G13.6", "nor is one of something else", Violated, func(s *story) {
		s.exporterBehind("store-status")
		s.says(4.5, "backup", `{"level":"ERROR","msg":"controlplane.disconnected","error":"EOF"}`)
	}},
	{"G13.6", "where nobody answers it takes its time", NotMeasured, func(s *story) { s.exporterBehind("blackhole") }},
	{"G13.6", "who stands by has nothing to say", NotMeasured, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-2>store", "exit")
		s.changes(4, 2)
		s.heals(20, "backup-2>store")
	}},
}

// killedExporter tells of a backup node that is killed with a change to write, and
// started again.
func (s *story) killedExporter() {
	s.exporter("backup")
	s.changes(3, 2)
	s.breaks(4, "backup", "kill")
	s.stops(4.001, "backup")
	s.starts(6, "backup")
	s.heals(6.01, "backup")
}

// lateUpload tells of a writer that was frozen with an upload on its way, which ended
// after another had taken over.
func (s *story) lateUpload(code int) {
	s.twoExporters()
	s.breaks(3, "backup-1", "pause")
	s.event(3.2, history.Event{Kind: history.StoreRequest, Node: "backup-1", Text: "PUT " + storyObject, Code: code, OK: true, Until: moments(25)})
	s.changes(5, 3)
	s.writes(12, "backup-2")
	s.heals(20, "backup-1")
	s.ends(60)
}

// exportingControlPlane tells of a control plane that has written generation 1.
func (s *story) exportingControlPlane() {
	s.rec.Header.Nodes[0].Export, s.rec.Header.Nodes[0].Version = true, "3.9.1"
	s.starts(0.1, "cp")
	s.writes(1.2, "cp")
	s.holds(1.3, 1)
}

// exportsAtLength tells of an upload from 4 to 30 s, during which one in so many requests
// to the backup node takes so many seconds longer, and each to another data plane so many.
func exportsAtLength(every int, its, elsewhere float64) func(*story) {
	return func(s *story) {
		s.exporterProbed(30)
		n := 0
		s.answers("backup", 3, 31, func(r *history.Request) {
			if n++; n%every == 0 {
				r.Done += moments(its)
			}
		})
		s.answers("dp-1", 3, 31, func(r *history.Request) { r.Done += moments(elsewhere) })
	}
}

// exportsSlowly is a backup node that uploads from 4 to 6 s, whose answers from 4 s to a
// moment take so many seconds, and those of a data plane that does not export so many; 0:
// as they do.
func exportsSlowly(to, its, elsewhere float64) func(*story) {
	return func(s *story) {
		s.exporterProbed(6)
		for node, took := range map[string]float64{"backup": its, "dp-1": elsewhere} {
			if took > 0 {
				s.answers(node, 4, to, func(r *history.Request) { r.Done = r.Sent + moments(took) })
			}
		}
	}
}
