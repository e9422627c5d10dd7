// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/reports/objective"
)

// Staleness is which configuration generation was where over the run.
type Staleness struct {
	Acknowledged []Level           `json:"acknowledged"` // the newest change that was acknowledged
	Stores       []GenerationLevel `json:"stores"`       // what an independent reader found; empty: nobody looked
	DataPlanes   []GenerationLevel `json:"data_planes"`  // what each served
	Planted      []int             `json:"planted"`      // generations that the harness put into a bucket, to be followed by nobody
	Changes      []ChangeReach     `json:"changes"`
}

// Level is a stretch of time in which the generation was the same.
type Level struct {
	From       history.Time `json:"from_ns"`
	To         history.Time `json:"to_ns"`
	Generation int          `json:"generation"`
}

// GenerationLevel is the generation at one node over time. Where there is a gap, it
// served none, or held none that could be read.
type GenerationLevel struct {
	Node   string  `json:"node"`
	Levels []Level `json:"levels"`
}

// ChangeReach is an acknowledged change and how far it came. Times count from its
// acknowledgement; what had it already took 0.
type ChangeReach struct {
	Generation int            `json:"generation"`
	Acked      history.Time   `json:"acknowledged_ns"`
	Stored     *time.Duration `json:"stored_after_ns"`       // by the end of the upload; null: it was not found in the store
	Served     int            `json:"served_by"`             // data planes, of those that served when it was acknowledged
	DataPlanes int            `json:"data_planes"`           // that served then
	First      *time.Duration `json:"first_served_after_ns"` // it or a newer one
	Last       *time.Duration `json:"last_served_after_ns"`  // by the last of Served
}

// staleness follows generations through the recording.
func (r recorded) staleness(run objective.Run, nodes []NodeHistory) *Staleness {
	s := &Staleness{Acknowledged: []Level{}, Stores: []GenerationLevel{}, DataPlanes: []GenerationLevel{}, Planted: []int{}, Changes: []ChangeReach{}}
	for _, made := range run.Made {
		if made.Planted && !slices.Contains(s.Planted, made.Generation) {
			s.Planted = append(s.Planted, made.Generation)
		}
	}
	slices.Sort(s.Planted)
	s.Acknowledged = r.acknowledged()
	s.Stores = r.stored()
	for _, n := range nodes {
		if n.Role == roleDataPlane && len(n.Serves) > 0 {
			s.DataPlanes = append(s.DataPlanes, GenerationLevel{n.Node, served(n.Serves)})
		}
	}
	planes := make([]follower, len(s.DataPlanes))
	for i, d := range s.DataPlanes {
		planes[i] = follow(d.Levels, s.Planted)
	}
	stored := durable(run)
	for _, e := range r.of(history.ChangeAcked) {
		s.Changes = append(s.Changes, reach(*e, stored, planes))
	}
	return s
}

// acknowledged is the newest acknowledged change over time.
func (r recorded) acknowledged() []Level {
	levels := []Level{}
	for _, e := range r.of(history.ChangeAcked) {
		levels = next(levels, Level{e.At, r.end, e.Generation})
	}
	return levels
}

// stored is what a reader found in each store, from when it was found.
func (r recorded) stored() []GenerationLevel {
	rows := []GenerationLevel{}
	for _, e := range r.of(history.StoreObject) {
		i := slices.IndexFunc(rows, func(l GenerationLevel) bool { return l.Node == e.Node })
		if i < 0 {
			i = len(rows)
			rows = append(rows, GenerationLevel{Node: e.Node, Levels: []Level{}})
		}
		found := Level{From: max(e.At, e.Until), To: r.end, Generation: e.Generation}
		if e.Error != "" {
			found.Generation = 0
		}
		rows[i].Levels = next(rows[i].Levels, found)
	}
	for i := range rows {
		rows[i].Levels = present(rows[i].Levels)
	}
	slices.SortStableFunc(rows, func(a, b GenerationLevel) int { return cmp.Compare(a.Node, b.Node) })
	return rows
}

// served are the spans in which a data plane served a generation.
func served(spans []Span) []Level {
	levels := []Level{}
	for _, s := range spans {
		l := Level{s.From, s.To, s.Generation}
		if s.Code != http.StatusOK {
			l.Generation = 0
		}
		levels = next(levels, l)
	}
	return present(levels)
}

// next adds what follows the last level and ends it, or goes on with it if nothing
// changed.
func next(levels []Level, l Level) []Level {
	last := len(levels) - 1
	if last >= 0 {
		levels[last].To = min(levels[last].To, l.From)
		if levels[last].Generation == l.Generation && levels[last].To == l.From {
			levels[last].To = l.To
			return levels
		}
	}
	return append(levels, l)
}

// present are the levels at which there was a generation.
func present(levels []Level) []Level {
	return slices.DeleteFunc(levels, func(l Level) bool { return l.Generation == 0 })
}

// export is what tells an acknowledged change from others.
type export struct {
	generation int
	acked      history.Time
}

// durable is when the changes that came to the store were there.
func durable(run objective.Run) map[export]history.Time {
	at := make(map[export]history.Time, len(run.Exports))
	for _, x := range run.Exports {
		if x.Durable != nil {
			at[export{x.Generation, x.Acked}] = *x.Durable
		}
	}
	return at
}

// follower answers how far a data plane came, without a look at all of its levels.
type follower struct {
	levels  []Level
	highest []int // that is served at the level or later, and was not planted
	planted []int
}

func follow(levels []Level, planted []int) follower {
	f := follower{levels, make([]int, len(levels)+1), planted}
	for i := len(levels) - 1; i >= 0; i-- {
		f.highest[i] = max(f.highest[i+1], f.worth(levels[i]))
	}
	return f
}

// worth is the generation of a level; 0 of one that was planted, which is none to follow.
func (f follower) worth(l Level) int {
	if _, planted := slices.BinarySearch(f.planted, l.Generation); planted {
		return 0
	}
	return l.Generation
}

// at is the level at a moment; ok is false where there is none.
func (f follower) at(t history.Time) (i int, ok bool) {
	i, _ = slices.BinarySearchFunc(f.levels, t, func(l Level, t history.Time) int {
		if l.To <= t {
			return -1
		}
		return 1
	})
	return i, i < len(f.levels) && f.levels[i].From <= t
}

// reach is how far an acknowledged change came.
func reach(e history.Event, durable map[export]history.Time, planes []follower) ChangeReach {
	c := ChangeReach{Generation: e.Generation, Acked: e.At}
	if at, ok := durable[export{e.Generation, e.At}]; ok {
		c.Stored = since(e.At, at)
	}
	for _, f := range planes {
		i, ok := f.at(e.At)
		if !ok {
			continue
		}
		c.DataPlanes++
		if f.highest[i] < e.Generation {
			continue // it never served it
		}
		for f.worth(f.levels[i]) < e.Generation {
			i++
		}
		c.served(max(f.levels[i].From.Sub(e.At), 0))
	}
	return c
}

// served notes that one more data plane served the change.
func (c *ChangeReach) served(after time.Duration) {
	c.Served++
	if c.First == nil || after < *c.First {
		c.First = &after
	}
	if c.Last == nil || after > *c.Last {
		c.Last = &after
	}
}
