// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// exporterBehind tells of a backup node whose store was taken from it at 3 s, and of a
// change that it could not write until 20 s.
func (s *story) exporterBehind(kind string) {
	s.exporter("backup")
	s.breaks(3, "backup>store", kind)
	s.changes(4, 2)
	s.heals(20, "backup>store")
}

// says tells of a line of a node's log.
func (s *story) says(at float64, node, line string) {
	s.event(at, history.Event{Kind: history.NodeLog, Node: node, Text: line})
}

// trouble is what a line of a log has in it that says that something went wrong.
var trouble = regexp.MustCompile(`(?i)\b(warn|warning|err|error|crit|critical|alert|fail|fails|failed|failure)\b`)

// quiet is what a line has in it that nobody sees unless he looks for it.
var quiet = regexp.MustCompile(`(?i)("level":"(debug|trace)"|level=(debug|trace)|\[(debug|trace)\])`)

// laments says whether a line of a log tells of trouble with what a backup node writes.
func laments(line string) bool {
	names := strings.Contains(line, "/config.json") || strings.Contains(line, "/election/")
	return names && trouble.MatchString(line) && !quiet.MatchString(line)
}

// How long a backup node may take until it says that a change cannot be written, beside
// the export delay: a busy machine, and where nobody answers, its patience.
const (
	lamentAtOnce  = history.Time(5 * time.Second)
	lamentPatient = history.Time(40 * time.Second)
)

// hushed are the kinds of store faults under which a request is not answered at all.
var hushed = []string{"blackhole", "drop", "asymmetric", "dns-failure", "store-hangs"}

// saysThatItCannotWrite judges the one that wrote before: who stands by has nothing to
// write.
func saysThatItCannotWrite(v *view, f *finding) {
	f.missing = "no backup node that had something to write was kept from its store for long enough"
	for _, n := range v.exporters() {
		for _, cut := range v.storeFaults(n) {
			if writer, _ := v.writerBefore(n, cut.inject); writer != n || !cut.is(failingStore...) {
				continue
			}
			due, owes := v.owedBy(n, cut)
			if !owes {
				continue
			}
			f.rests = append(f.rests, cut)
			f.opportunities++
			said := func(m moment) bool { return m.at >= cut.inject && m.at <= due }
			if i := slices.IndexFunc(n.laments, said); i >= 0 {
				f.good.add(n.tells(n.laments[i].at, history.NodeLog, "said, %s after %s: %s", seconds(n.laments[i].at.Sub(cut.inject)), cut, n.laments[i].text))
				continue
			}
			f.undone.add(n.tells(due, history.NodeLog, "could not write a change under %s for %s, and said nothing of it", cut, seconds(due.Sub(cut.inject))))
		}
	}
}

// owedBy is by when a backup node must have said that it cannot write what was changed
// under a fault, and whether it had to.
func (v *view) owedBy(n *node, cut *fault) (due history.Time, owes bool) {
	allowed := history.Time(v.header.Profile.ExportDelay) + lamentAtOnce
	if cut.is(hushed...) {
		allowed += lamentPatient
	}
	for _, c := range v.changes.acked {
		due = c.at + allowed
		l := n.lifeAt(cut.inject)
		if c.at >= cut.active && v.fits(n, c.generation) && due <= min(cut.heal, v.end) && l != nil && l.end > due &&
			!v.down(n, cut.inject, due) && !anyDuring(v.pathFaults(n), c.at, due) {
			return due, true
		}
	}
	return 0, false
}
