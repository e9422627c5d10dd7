// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
)

// changed is a run with two changes, an object that somebody planted, and a data plane
// that follows the first of them late and the second never.
func changed() Model {
	in := held()
	in.Recording.Events = append(in.Recording.Events,
		history.Event{At: sec(0.9), Kind: history.ChangeSent, Generation: 1},
		history.Event{At: sec(0.95), Kind: history.ChangeAcked, Generation: 1},
		history.Event{At: sec(3), Kind: history.ChangeSent, Generation: 2},
		history.Event{At: sec(3.1), Kind: history.ChangeAcked, Generation: 2},
		history.Event{At: sec(1), Until: sec(1.2), Kind: history.StoreObject, Node: "store", Generation: 1},
		history.Event{At: sec(4), Until: sec(4.2), Kind: history.StoreObject, Node: "store", Generation: 2},
		history.Event{At: sec(6), Kind: history.Planted, Generation: 900},
		history.Event{At: sec(6.1), Kind: history.StoreObject, Node: "store", Generation: 900},
		history.Event{At: sec(8), Kind: history.StoreObject, Node: "store", Generation: 2, Error: "torn"},
		history.Event{At: sec(9), Kind: history.StoreObject, Node: "store", Generation: 2},
	)
	return Build(in)
}

func TestStaleness(t *testing.T) {
	t.Parallel()
	s := changed().Staleness
	if want := []Level{{sec(0.95), sec(3.1), 1}, {sec(3.1), sec(20), 2}}; !sameLevels(s.Acknowledged, want) {
		t.Errorf("acknowledged %v, want %v", s.Acknowledged, want)
	}
	if want := []Level{{sec(1.2), sec(4.2), 1}, {sec(4.2), sec(6.1), 2}, {sec(6.1), sec(8), 900}, {sec(9), sec(20), 2}}; len(s.Stores) != 1 || !sameLevels(s.Stores[0].Levels, want) {
		t.Errorf("stores %v, want %v", s.Stores, want)
	}
	if !reflect.DeepEqual(s.Planted, []int{900}) || len(s.DataPlanes) != 2 {
		t.Errorf("planted %v, data planes %v", s.Planted, s.DataPlanes)
	}
	if len(s.Changes) != 2 || s.Changes[0].DataPlanes != 0 {
		t.Fatalf("changes %+v", s.Changes)
	}
	second := s.Changes[1]
	if second.DataPlanes != 1 || second.Served != 1 || second.First == nil || *second.First != sec(17).Sub(sec(3.1)) || *second.Last != *second.First {
		t.Errorf("generation 2: %+v, want it served by dp-1 at 17 s", second)
	}
	if second.Stored == nil || *second.Stored != sec(4.2).Sub(sec(3.1)) {
		t.Errorf("generation 2: %+v, want it in the store at 4.2 s", second)
	}
}

// sameLevels compares levels; the end of the recording is the last request's.
func sameLevels(got, want []Level) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		end := got[i].To == want[i].To || i == len(got)-1 && got[i].To >= want[i].To
		if got[i].From != want[i].From || got[i].Generation != want[i].Generation || !end {
			return false
		}
	}
	return true
}

// TestPlantedIsNotServed: serving what was planted is no step towards the change.
func TestPlantedIsNotServed(t *testing.T) {
	t.Parallel()
	s := Staleness{Planted: []int{900}, DataPlanes: []GenerationLevel{{"dp-1", []Level{{0, sec(5), 1}, {sec(5), sec(9), 900}}}}}
	got := s.reach(history.Event{At: sec(2), Generation: 2}, emptyRun())
	if got.DataPlanes != 1 || got.Served != 0 || got.First != nil {
		t.Errorf("%+v", got)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	high, low := envelope([]GenerationLevel{
		{"a", []Level{{0, 10, 1}, {10, 20, 2}}},
		{"b", []Level{{5, 15, 3}}},
		{"c", []Level{{25, 30, 1}}},
	})
	if want := []Level{{0, 5, 1}, {5, 15, 3}, {15, 20, 2}, {25, 30, 1}}; !reflect.DeepEqual(high, want) {
		t.Errorf("highest %v, want %v", high, want)
	}
	if want := []Level{{0, 10, 1}, {10, 20, 2}, {25, 30, 1}}; !reflect.DeepEqual(low, want) {
		t.Errorf("lowest %v, want %v", low, want)
	}
}

// TestTreadsLoseNoExtreme: a generation that was there for less than a pixel is drawn.
func TestTreadsLoseNoExtreme(t *testing.T) {
	t.Parallel()
	var levels []Level
	for i := range 20_000 {
		levels = append(levels, Level{history.Time(i), history.Time(i + 1), 5 + i%2})
	}
	levels[7001].Generation = 77
	c := newCanvas(20_000, 50)
	d := c.treads(levels, func(g int) px { return px(g) })
	if !strings.Contains(d, "V77.0") {
		t.Error("the extreme is lost")
	}
	if n := strings.Count(d, "H"); n > 120 {
		t.Errorf("%d strokes for 50 columns", n)
	}
}

// TestStalenessInWords: what was not found is said.
func TestStalenessInWords(t *testing.T) {
	t.Parallel()
	after := time.Second
	s := Staleness{Stores: []GenerationLevel{{Node: "store"}}, Changes: []ChangeReach{
		{Generation: 1, Stored: &after, DataPlanes: 2, Served: 2, Last: &after}, {Generation: 2, DataPlanes: 2, Served: 1, Last: &after}}}
	got := describeStaleness(s)
	for _, want := range []string{"2 changes acknowledged", "In the store at the latest 1.000 s", "Generation 2 was not found in the store", "Generation 2 was not served by all"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

// TestStoreReads: what the data plane and the harness did after it was ready are told
// apart.
func TestStoreReads(t *testing.T) {
	t.Parallel()
	const edge = "dp-2>store"
	for _, c := range []struct {
		name   string
		events []history.Event
		want   string
	}{
		{"nothing", nil, "0 requests, 0 connections, 0 bytes"},
		{"a read", []history.Event{
			{At: sec(12), Kind: history.EdgeConnect, Node: "dp-2", Edge: edge},
			{At: sec(12), Until: sec(12.1), Kind: history.StoreRequest, Node: "dp-2", Text: "GET backup/3.9.0.0/config.json", Code: 200},
			{At: sec(12.2), Kind: history.EdgeBytes, Edge: edge, Offered: 5000},
		}, "1 requests, 1 connections, 2700 bytes"},
		{"a probe of the harness", []history.Event{
			{At: sec(12), Kind: history.EdgeConnect, Node: "witness", Edge: edge},
			{At: sec(12.2), Kind: history.EdgeBytes, Edge: edge, Offered: 5000},
		}, "0 requests, 0 connections, not measured bytes"},
	} {
		in := held()
		in.Recording.Events = append(in.Recording.Events, c.events...)
		got := ""
		for _, s := range Build(in).StoreReads {
			if s.Node == "dp-2" {
				got = fmt.Sprintf("%s requests, %s connections, %s bytes", number(s.Requests), number(s.Connections), number(s.Bytes))
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
