// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"testing"

	"blackout/harness/history"
)

// unfitJudgements are those of configurations that not every data plane can be given.
var unfitJudgements = []judgement{
	{"G13.7", "who is sent it all the same must not serve it", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.serves(6, "dp-1", http.StatusOK, 2)
	}},
	{"G13.7", "nor show it in one answer", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.answers("dp-1", 6, 6.1, show(2))
	}},
	{"G13.7", "nor answer worse than before", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.answers("dp-1", 6, 7, lose(history.WrongStatus))
	}},
	{"G13.7", "nor say that it is not ready", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.ready(6, "dp-1", http.StatusServiceUnavailable, "a plugin is missing")
	}},
	{"G13.7", "nor does who imports it", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.plane("dp-2", importing, running("ip-restriction"))
		s.breaks(20, "dp-2>cp", "reset")
		s.starts(21, "dp-2")
		s.live(22, "dp-2", 2)
	}},
	{"G13.7", "what lists nobody shows nothing", Violated, func(s *story) { s.misfit("plugin cors"); s.ends(60) }},
	{"G13.7", "nor does what lists everybody", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.syncs(4.6, "a-2", "plugin_set_incompatible")
	}},
	{"G13.7", "another incompatibility is another matter", Violated, func(s *story) { s.lacking("kong_version_incompatible") }},
	{"G13.7", "one that has the plugin lacks nothing", NotMeasured, func(s *story) {
		s.misfit("plugin key-auth")
		s.syncs(4.5, "a-1", "normal")
		s.ends(60)
	}},
	{"G13.7", "and who has all of them has it", NotMeasured, func(s *story) {
		s.misfit("plugin cors")
		s.rec.Header.Nodes[1].Plugins = "bundled, own"
		s.ends(60)
	}},
	{"G13.7", "it takes time to show", NotMeasured, func(s *story) {
		s.misfit("plugin cors")
		s.changes(8, 3)
		s.ends(60)
	}},
	{"G13.8", "a line for debugging is not said", Violated, func(s *story) {
		s.misfit(history.NeedsPayload)
		s.says(4.5, "cp", `{"level":"DEBUG","msg":"failed","error":"payload too big"}`)
		s.ends(60)
	}},
	{"G13.8", "nor is one of an earlier trouble", Violated, func(s *story) {
		s.misfit(history.NeedsPayload)
		s.says(3.5, "cp", `{"level":"WARN","error":"payload too big"}`)
		s.ends(60)
	}},
	{"G13.8", "a data plane may say it", Held, func(s *story) {
		s.misfit(history.NeedsPayload)
		s.says(4.5, "dp-1", `2026/11/29 [error] exceeding max payload len`)
		s.ends(60)
	}},
	{"G13.8", "it is served by nobody", Violated, func(s *story) {
		s.oversized()
		s.serves(6, "dp-1", http.StatusOK, 2)
	}},
	{"G13.8", "and stops nobody", Violated, func(s *story) {
		s.oversized()
		s.answers("dp-1", 6, 7, lose(history.Reset))
	}},
	{"G13.8", "who starts meanwhile serves from the snapshot", Held, func(s *story) {
		s.oversized()
		s.startsBeside()
		s.live(10, "dp-2", 1)
	}},
	{"G13.8", "and must", Violated, func(s *story) { s.oversized(); s.startsBeside() }},
	{"G1.2", "which it may read", NotMeasured, func(s *story) {
		s.oversized()
		s.startsBeside()
		s.reads(9, "dp-2")
		s.live(10, "dp-2", 1)
	}},
	{"G3.1", "what cannot be served cannot be imported", NotMeasured, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.holds(5, 2)
		s.plane("dp-2", importing, running("ip-restriction"))
		s.breaks(20, "dp-2>cp", "reset")
		s.starts(21, "dp-2")
		s.ready(22, "dp-2", http.StatusServiceUnavailable, "no configuration available")
		s.heals(45, "dp-2>cp")
	}},
	{"G3.1", "but by one that lacks nothing", Violated, func(s *story) {
		s.lacking("plugin_set_incompatible")
		s.holds(5, 2)
		s.outageBefore("dp-2", "reset")
		s.without(func(e history.Event) bool { return e.Kind == history.StoreObject })
		s.holds(0.2, 2)
		s.heals(45, "dp-2>cp")
	}},
	{"G4.3", "nor taken over", NotMeasured, func(s *story) {
		s.misfit("plugin cors")
		s.heals(52, "dp-1>cp")
		s.ends(90)
	}},
	{"G4.5", "nor owed", Held, func(s *story) { s.misfit(history.NeedsPayload); s.ends(60) }},
	{"G4.5", "unlike one that fits", Violated, func(s *story) { s.misfit("plugin key-auth"); s.ends(60) }},
	{"G4.5", "what it overtook is not owed", Held, func(s *story) {
		s.misfit(history.NeedsPayload)
		s.changes(3.2, 9)
		s.ends(60)
	}},
	{"G6.1", "nor exported", NotMeasured, func(s *story) {
		s.exporter("backup")
		s.needs(2.9, 2, history.NeedsPayload)
		s.changes(3, 2)
		s.holds(31, 1)
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G13.6", "nor lamented", NotMeasured, func(s *story) {
		s.exporterBehind("exit")
		s.needs(3.9, 2, history.NeedsPayload)
	}},
}

// lacking tells of a data plane that lacks a plugin, and of how it is listed.
func (s *story) lacking(status string) {
	s.misfit("plugin cors")
	s.syncs(4.5, "a-1", status)
	s.ends(60)
}

// oversized tells of a change that is too large, and of who says so.
func (s *story) oversized() {
	s.misfit(history.NeedsPayload)
	s.says(4.5, "cp", `{"level":"WARN","msg":"dataplane.disconnected","error":"payload too big"}`)
	s.ends(60)
}

// startsBeside tells of a data plane that starts while the newest configuration is too
// large, and the one before is in the bucket.
func (s *story) startsBeside() {
	s.holds(2.5, 1)
	s.plane("dp-2", importing)
	s.starts(8, "dp-2")
	s.ready(8.2, "dp-2", http.StatusServiceUnavailable, "no configuration available")
}

// TestMeets: a plugin is there by its name, or with all that are bundled.
func TestMeets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugins, need string
		want          bool
	}{
		{"", "plugin cors", true}, {"bundled", "plugin cors", true}, {"jwt, cors", "plugin cors", true}, {"jwt,cors", "plugin cors", true},
		{"off", "plugin cors", false}, {"cors-2", "plugin cors", false}, {"", "payload", false}, {"bundled", "something new", false},
	} {
		n := &node{Node: history.Node{Plugins: c.plugins}}
		if got := n.meets(c.need); got != c.want {
			t.Errorf("%q meets %q: %v, want %v", c.plugins, c.need, got, c.want)
		}
	}
}
