// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// reported is the hash that a data plane reported last while it served a generation.
type reported struct {
	node *node
	at   history.Time
	hash string
}

// empty says whether it is the hash of a node without a configuration: zeros, or none.
func (r reported) empty() bool { return strings.Trim(r.hash, "0") == "" }

// hashLooks is for how long a data plane has to serve a generation until its hash was
// looked at for certain; that of many is looked at less often.
func (v *view) hashLooks() history.Time {
	return history.Time(3*time.Second + time.Duration(len(v.planes))*100*time.Millisecond)
}

// hashAhead is by how much a node's hash may be seen before what it serves with it: two
// observers on a busy machine.
const hashAhead = history.Time(time.Second)

// reportsItsHash compares what data planes report for one generation. A configuration
// may change and keep its generation, so of several hashes one in common is enough.
func reportsItsHash(v *view, f *finding) {
	f.missing = "no two data planes were seen to serve the same configuration for long enough"
	all := v.reports()
	for _, n := range v.planes {
		for generation, own := range all[n] {
			for _, r := range own {
				if r.empty() {
					f.opportunities++
					f.bad.add(n.tells(r.at, history.ConfigHash, "serves generation %d and reports no configuration, %q", generation, r.hash))
				}
			}
			v.compareHashes(f, generation, own, all)
		}
	}
}

// compareHashes compares a data plane's reports for a generation with those of the
// data planes before it.
func (v *view) compareHashes(f *finding, generation int, own []reported, all map[*node]map[int][]reported) {
	for _, other := range v.planes {
		if other == own[0].node {
			return
		}
		theirs := all[other][generation]
		if len(theirs) == 0 {
			continue
		}
		f.opportunities++
		same := slices.ContainsFunc(own, func(r reported) bool {
			return slices.ContainsFunc(theirs, func(o reported) bool { return o.hash == r.hash })
		})
		if !same {
			f.bad.add(own[0].node.tells(own[0].at, history.ConfigHash, "reports hash %q for generation %d, %s reports %q", own[0].hash, generation, other.Name, theirs[0].hash))
		}
	}
}

// reports are the hashes that data planes reported last in each time in which they
// served a generation that was acknowledged. That of an older database is another's.
func (v *view) reports() map[*node]map[int][]reported {
	out := make(map[*node]map[int][]reported)
	for _, n := range v.planes {
		out[n] = make(map[int][]reported)
		for i, k := range n.serves {
			to := v.end
			if i+1 < len(n.serves) {
				to = n.serves[i+1].at
			}
			l := n.lifeAt(k.at)
			if !k.good() || l == nil || v.isPlanted(k.generation) || min(to, l.end)-k.until < v.hashLooks() || v.down(n, k.at, min(to, l.end)) || anyDuring(v.faultsOf(n, "cp-older-database"), k.at, to) {
				continue
			}
			if m, ok := lastIn(n.hashes, l.start, min(to, l.end)-hashAhead); ok {
				out[n][k.generation] = append(out[n][k.generation], reported{n, m.at, m.text})
			}
		}
	}
	return out
}

// lastIn is the last of some moments from one time until before another.
func lastIn(all []moment, from, to history.Time) (last moment, ok bool) {
	for _, m := range all {
		if m.at >= from && m.at < to {
			last, ok = m, true
		}
	}
	return last, ok
}

// listsWhatTheyHave compares what control planes list with what data planes report, at
// the end of a calm. The ids in a listing are not the harness's, so what counts is
// that somebody reports what is listed.
func listsWhatTheyHave(v *view, f *finding) {
	f.missing = "the data planes were never left alone for long enough with one configuration before the first fault"
	calm := v.calmEnd()
	have := make(map[string]bool)
	for _, n := range v.planes {
		if !n.started() || n.lives[0].start > calm {
			continue
		}
		m, ok := lastIn(n.hashes, 0, calm)
		if !ok || calm-m.at < history.Time(2*v.header.Profile.PingInterval)+v.hashLooks() {
			return
		}
		have[m.text] = true
	}
	for _, cp := range v.header.Nodes {
		listed := make(map[string]moment)
		for _, m := range v.node(cp.Name).lists {
			if id, _, _ := strings.Cut(m.text, " "); m.at < calm {
				listed[id] = m
			}
		}
		for id, m := range listed {
			f.opportunities++
			if _, hash, _ := strings.Cut(m.text, " "); !have[hash] {
				f.bad.add(v.node(cp.Name).tells(m.at, history.ListedHash, "lists hash %q for data plane %s, which none reports", hash, id))
			}
		}
	}
}

// calmEnd is when the first fault came or the harness first ended a node.
func (v *view) calmEnd() history.Time {
	calm := min(v.firstFault(), v.end)
	for _, n := range v.nodes {
		for _, stop := range n.stops {
			calm = min(calm, stop.at)
		}
	}
	return calm
}
