// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"time"

	"blackout/harness/history"
)

// finds tells what an independent reader that looks all the time found in the bucket.
func (s *story) finds(at float64, generation int, digest string) {
	s.event(at, history.Event{Kind: history.StoreObject, Text: storyObject, Generation: generation, Digest: digest, Until: moments(at + 0.01)})
}

// exporterProbed tells of a backup node that uploads from 4 s to a moment, and of requests
// to it and to a data plane that does not export, for 6 s longer.
func (s *story) exporterProbed(to float64) {
	s.exporter("backup")
	s.plane("dp-1")
	s.starts(0.5, "dp-1")
	s.live(1, "dp-1", 1)
	s.event(4, history.Event{Kind: history.StoreRequest, Node: "backup", Text: "PUT " + storyObject, Code: 200, OK: true, Until: moments(to)})
	s.breaks(to+4, "dp-1>cp", "exit")
	s.probes("backup", 2, to+6, 1)
	s.probes("dp-1", 2, to+6, 1)
}

// writesNothingTwice compares what an independent reader found before and after an
// upload. What a process finds at its start, and what was put in a snapshot's place
// or taken away, it may replace by the same.
func writesNothingTwice(v *view, f *finding) {
	f.missing = "nobody saw what a backup node had in the store when it uploaded again"
	for _, n := range v.exporters() {
		uploads, seen := uploadsOf([]*node{n}), v.snapshotsOf(n)
		for i, u := range uploads {
			if i == 0 || n.lifeAt(u.at) == nil || n.lifeAt(u.at) != n.lifeAt(uploads[i-1].at) {
				continue
			}
			next := v.end
			if i+1 < len(uploads) {
				next = uploads[i+1].at
			}
			before, known := lastSeen(seen, uploads[i-1].at, u.at)
			after, found := lastSeen(seen, u.at, next)
			if !found && next.Sub(max(u.at, u.until)) > readerLooked {
				after, found = before, true // it stayed as it was
			}
			if !known || !found || v.isPlanted(before.generation) {
				continue
			}
			f.opportunities++
			if before.digest == after.digest {
				f.bad.add(n.tells(u.at, history.StoreRequest, "uploaded what the store held already, generation %d, %s after its last upload", after.generation, seconds(u.at.Sub(uploads[i-1].at))).on(storeEdge(n)))
			}
		}
	}
}

// readerLooked is how long after an upload an independent reader has surely looked, also
// on a machine that is so busy that a look takes a second.
const readerLooked = 5 * time.Second

// lastSeen is the last whole object that was seen between two moments and that came to
// be after the first.
func lastSeen(seen []object, from, to history.Time) (object, bool) {
	for _, o := range slices.Backward(seen) {
		if o.until > to || !o.followed {
			continue
		}
		return o, o.until > from && o.err == "" && o.digest != ""
	}
	return object{}, false
}

// besideLimit is what requests beside an export may take: as long as anywhere, or else so
// little that a busy machine may be the cause.
type besideLimit struct {
	slower string        // how many requests took longer
	beyond int           // one in so many
	floor  time.Duration // slower than that is noticed by users
	times  time.Duration // and than so many times what requests elsewhere took
}

// A busy machine keeps half of the requests waiting less easily than a few, and those
// beside all exports of a run less easily than those beside one.
var (
	besideOne = []besideLimit{
		{"one request in twenty", 20, 250 * time.Millisecond, 10},
		{"every second request", 2, 50 * time.Millisecond, 4},
	}
	besideAll = []besideLimit{
		{"one request in four", 4, 50 * time.Millisecond, 5},
		{"every second request", 2, 20 * time.Millisecond, 3},
	}
)

// How many requests to either there must be.
const (
	besideLeast    = 10  // beside one export
	besideLeastAll = 200 // beside all of a run
)

// besideLead is the longest part of the delay before an upload that is looked at.
const besideLead = history.Time(2 * time.Second)

// beside is an upload, with what was asked of its backup node meanwhile and of data
// planes that do not export.
type beside struct {
	upload
	from, to       history.Time
	its, elsewhere paces
}

// exportsBeside judges percentiles of the requests that were due from the beginning of
// the delay before an upload, or 2 s before it, until its end: of one upload, and of all
// of a node's.
func exportsBeside(v *view, f *finding) {
	f.missing = "no backup node was asked for anything while it exported, beside a data plane that does not export"
	lead := min(history.Time(v.header.Profile.ExportDelay), besideLead)
	var windows []*beside
	for _, u := range v.uploads() {
		b := &beside{upload: u, from: u.at - lead, to: max(u.at, u.until)}
		starved := v.control.kept(u.by.Name, b.from, b.to) >= b.to.Sub(b.from)/2
		if !v.down(u.by, b.from, b.to) && !starved && len(v.traffic.of(u.by)) > 0 {
			windows = append(windows, b)
		}
	}
	if len(windows) == 0 {
		return
	}
	for _, n := range v.planes {
		v.answers(f, n, func(r history.Request) {
			for _, b := range windows {
				switch {
				case r.Intended < b.from || r.Intended > b.to:
				case n == b.by:
					b.its.add(r)
				case !n.Export && len(v.held(n)) == 0:
					b.elsewhere.add(r)
				}
			}
		})
	}
	f.later(func() { f.besides(windows) })
}

func (f *finding) besides(windows []*beside) {
	var sums []*beside // one for each backup node, from its first upload on
	for _, b := range windows {
		f.beside(b, besideLeast, besideOne)
		i := slices.IndexFunc(sums, func(sum *beside) bool { return sum.by == b.by })
		if i < 0 {
			i, sums = len(sums), append(sums, &beside{upload: b.upload})
		}
		sums[i].its.addAll(b.its)
		sums[i].elsewhere.addAll(b.elsewhere)
	}
	for _, sum := range sums {
		f.beside(sum, besideLeastAll, besideAll)
	}
}

func (f *finding) beside(b *beside, least int, limits []besideLimit) {
	if b.its.count < least || b.elsewhere.count < least {
		return
	}
	f.opportunities++
	for _, limit := range limits {
		its, elsewhere := b.its.exceeded(limit.beyond), b.elsewhere.exceeded(limit.beyond)
		if its > limit.floor && its > limit.times*elsewhere {
			f.bad.add(b.by.tells(b.at, Answer, "needed more than %s for %s while it exported, and data planes that do not export %s at most", its-paceStep, limit.slower, elsewhere).on(storeEdge(b.by)))
			return
		}
	}
}

// paces counts how long requests took, in steps of ten milliseconds.
type paces struct {
	count int
	steps [paceSteps + 1]int // the last: longer still, or lost
}

const (
	paceStep  = 10 * time.Millisecond
	paceSteps = 200
)

func (p *paces) add(r history.Request) {
	p.count++
	step := min(int(r.Done.Sub(r.Intended)/paceStep), paceSteps)
	if failed(r) {
		step = paceSteps
	}
	p.steps[max(step, 0)]++
}

func (p *paces) addAll(more paces) {
	p.count += more.count
	for i, n := range more.steps {
		p.steps[i] += n
	}
}

// exceeded is what no more than one request in so many exceeded, rounded up.
func (p *paces) exceeded(beyond int) time.Duration {
	more := 0
	for i, n := range slices.Backward(p.steps[:]) {
		if more += n; more*beyond > p.count {
			return time.Duration(i+1) * paceStep
		}
	}
	return 0
}
