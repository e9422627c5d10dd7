// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

// databaseJudgements are those of control planes that lose their database.
var databaseJudgements = []judgement{
	{"G4.5", "a control plane without its database has its last configuration for a new data plane", Violated, func(s *story) {
		s.databaseLostBefore("dp-2")
		s.ready(8, "dp-2", http.StatusServiceUnavailable, "no configuration available")
		s.serves(8, "dp-2", http.StatusNotFound, 0)
		s.ends(40)
	}},
	{"G4.5", "and gives it", Held, func(s *story) {
		s.databaseLostBefore("dp-2")
		s.live(8, "dp-2", 1)
		s.ends(40)
	}},
	{"G4.5", "one that had not read it back gives it when it can", Held, func(s *story) {
		s.databaseLostBefore("dp-2")
		s.live(8, "dp-2", 1)
		s.changes(4.7, 2) // just before the cut
		s.heals(40, "cp>database")
		s.serves(41, "dp-1", http.StatusOK, 2)
		s.serves(41, "dp-2", http.StatusOK, 2)
		s.ends(80)
	}},
	{"G4.5", "and then must", Violated, func(s *story) {
		s.databaseLostBefore("dp-2")
		s.live(8, "dp-2", 1)
		s.changes(4.7, 2)
		s.heals(40, "cp>database")
		s.serves(41, "dp-2", http.StatusOK, 2)
		s.ends(80)
	}},
	{"G4.5", "one that was started without its database has nothing", NotMeasured, func(s *story) {
		s.plane("dp-2")
		s.changes(0.5, 1)
		s.breaks(5, "cp>database", "exit")
		s.starts(6, "cp")
		s.starts(7, "dp-2")
		s.serves(8, "dp-2", http.StatusNotFound, 0)
		s.ends(40)
	}},
	{"G6.1", "a backup node cannot export what its control plane has not read", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.breaks(3.2, "cp>database", "exit")
		s.changes(3, 2)
		s.holds(60, 1)
	}},
}

// databaseRulings are those of which the reason counts too.
var databaseRulings = []struct {
	clause, name string
	want         Status
	says         string
	story        func(*story)
}{
	{"G10.1", "a control plane that loses its database costs no request", Violated, "after the cut", func(s *story) {
		s.databaseLostBefore("dp-2")
		s.probes("dp-1", 3, 9, 1)
		s.answers("dp-1", 6, 7, lose(history.Timeout))
	}},
	{"G10.1", "the database of another control plane disturbs nobody", NotMeasured, "", func(s *story) {
		s.databaseLostBefore("dp-2")
		s.plane("dp-3", dialling("cp-2"))
		s.starts(0.1, "dp-3")
		s.live(2, "dp-3", 1)
		s.probes("dp-3", 3, 9, 1)
	}},
	{"G10.4", "a control plane that loses its database leaves its data planes ready", Violated, "status 503", func(s *story) {
		s.databaseLostBefore("dp-2")
		s.probes("dp-1", 3, 9, 1)
		s.ready(6, "dp-1", http.StatusServiceUnavailable, "no")
	}},
}

// databaseLostBefore tells of a control plane that loses its database at 5 s, after a
// data plane, "dp-1", was seen to serve what it had, and of another that starts at 7 s.
func (s *story) databaseLostBefore(newcomer string) {
	s.plane("dp-1")
	s.plane(newcomer)
	s.starts(0.1, "cp")
	s.starts(0.2, "dp-1")
	s.changes(0.5, 1)
	s.live(2, "dp-1", 1)
	s.breaks(5, "cp>database", "exit")
	s.starts(7, newcomer)
}
