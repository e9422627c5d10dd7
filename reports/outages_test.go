// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"testing"
	"time"

	"blackout/harness/history"
)

// stream builds a stream from a picture: one letter a request, every 10 ms,
// each answered after 2 ms; a time-out takes 100 ms.
func stream(picture string) []history.Request {
	classes := map[rune]history.Class{'.': history.Good, 'x': history.Refused, 'e': history.EOF, 't': history.Timeout}
	var requests []history.Request
	for i, letter := range picture {
		at := history.Time(i * 10e6)
		q := history.Request{Intended: at, Sent: at + 1e6, Done: at + 3e6, Class: classes[letter]}
		if q.Class == history.Timeout {
			q.Done = q.Sent + 100e6
		}
		requests = append(requests, q)
	}
	return requests
}

// ms is a moment of a run, in milliseconds.
func ms(n float64) history.Time { return history.Time(n * 1e6) }

// windowWant is what is checked of an outage.
type windowWant struct {
	start, end  Interval
	failed      int
	runs        int
	open, close bool
}

var windowCases = []struct {
	name, picture string
	want          []windowWant
}{
	{"no failure", "......", nil},
	{"no request", "", nil},
	{"one run", "..xx...", []windowWant{{Interval{ms(11), ms(23)}, Interval{ms(31), ms(43)}, 2, 1, false, false}}},
	{"one failure", "..x...", []windowWant{{Interval{ms(11), ms(23)}, Interval{ms(21), ms(33)}, 1, 1, false, false}}},
	{"two good answers between are flapping", ".x..x...", []windowWant{{Interval{ms(1), ms(13)}, Interval{ms(41), ms(53)}, 2, 2, false, false}}},
	{"three good answers part", ".x...x...", []windowWant{
		{Interval{ms(1), ms(13)}, Interval{ms(11), ms(23)}, 1, 1, false, false},
		{Interval{ms(41), ms(53)}, Interval{ms(51), ms(63)}, 1, 1, false, false}}},
	{"chained flapping is one", ".x..x..x...", []windowWant{{Interval{ms(1), ms(13)}, Interval{ms(71), ms(83)}, 3, 3, false, false}}},
	{"from the beginning", "xx...", []windowWant{{Interval{ms(1), ms(3)}, Interval{ms(11), ms(23)}, 2, 1, true, false}}},
	{"to the end", "..xx", []windowWant{{Interval{ms(11), ms(23)}, Interval{ms(31), ms(33)}, 2, 1, false, true}}},
	{"a time-out is decided as late as the slowest good answer", "..tt...", []windowWant{{Interval{ms(11), ms(23)}, Interval{ms(31), ms(43)}, 2, 1, false, false}}},
}

func TestOutageWindows(t *testing.T) {
	t.Parallel()
	for _, c := range windowCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := &history.Recording{Header: history.Header{Streams: []history.Stream{{Name: "s", Node: "n"}}}, Requests: stream(c.picture)}
			got := arrange(rec).outages(nil)
			if len(got) != len(c.want) {
				t.Fatalf("%d outages, want %d: %+v", len(got), len(c.want), got)
			}
			for i, o := range got {
				w := c.want[i]
				if (windowWant{o.Start, o.End, o.Failed, o.Runs, o.OpenStart, o.OpenEnd}) != w {
					t.Errorf("outage %d: %+v, want %+v", i, o, w)
				}
				if o.Min < 0 || o.Max < o.Min || o.Max != w.end.To.Sub(w.start.From) || o.Min != max(0, w.end.From.Sub(w.start.To)) {
					t.Errorf("outage %d lasted %s to %s", i, o.Min, o.Max)
				}
				if o.Explained() {
					t.Errorf("outage %d is explained by %v without a fault", i, o.Causes)
				}
			}
		})
	}
}

// TestOutageOfOvertaken: a request that left late saw what was then. A good answer to one
// that overlaps a failure may have been decided on either side of it.
func TestOutageOfOvertaken(t *testing.T) {
	t.Parallel()
	request := func(intended, sent, done float64, class history.Class) history.Request {
		return history.Request{Intended: ms(intended), Sent: ms(sent), Done: ms(done), Class: class}
	}
	requests := []history.Request{
		request(0, 0, 2, history.Good),
		request(10, 45, 47, history.Good), // which left when all was well again
		request(20, 20, 22, history.Refused),
		request(30, 30, 42, history.Refused),
		request(40, 40, 44, history.Good), // which may have been answered before the last was refused
		request(50, 50, 52, history.Good),
		request(60, 60, 62, history.Good),
	}
	rec := &history.Recording{Header: history.Header{Streams: []history.Stream{{}}}, Requests: requests}
	got := arrange(rec).outages(nil)
	if len(got) != 1 {
		t.Fatalf("%d outages, want 1: %+v", len(got), got)
	}
	start, end := Interval{ms(0), ms(22)}, Interval{ms(30), ms(47)}
	if o := got[0]; o.Start != start || o.End != end || o.Runs != 1 || o.Failed != 2 {
		t.Errorf("%+v, want it from %v to %v, 2 failed in 1 run", o, start, end)
	}
}

// TestOutageBoundsHoldTheTruth takes the picture of a server that was down in
// a known span and checks that the bounds contain it, whatever the phase.
func TestOutageBoundsHoldTheTruth(t *testing.T) {
	t.Parallel()
	for phase := range 10 {
		down, up := history.Time(50e6+phase*1e6), history.Time(120e6+phase*1e6)
		requests := stream("....................")
		for i, q := range requests {
			if answered := q.Sent + 1e6; answered >= down && answered < up {
				requests[i].Class = history.Refused
			}
		}
		rec := &history.Recording{Header: history.Header{Streams: []history.Stream{{}}}, Requests: requests}
		got := arrange(rec).outages(nil)
		if len(got) != 1 {
			t.Fatalf("phase %d: %d outages", phase, len(got))
		}
		o, lasted := got[0], 70*time.Millisecond
		if down <= o.Start.From || down > o.Start.To || up < o.End.From || up > o.End.To || lasted < o.Min || lasted > o.Max {
			t.Errorf("phase %d: down in [%d, %d], reported %+v", phase, down, up, o)
		}
	}
}

func TestOutageAttribution(t *testing.T) {
	t.Parallel()
	end := sec(100)
	fault := func(from, to float64, witnessed bool) Fault {
		return Fault{Edge: "dp-1>cp", Mode: "exit", Start: Interval{sec(from), sec(from + 0.1)}, Active: true, Witnessed: witnessed,
			End: &Interval{sec(to), sec(to + 0.1)}}
	}
	unhealed := fault(10, 0, true)
	unhealed.End = nil
	for _, c := range []struct {
		name             string
		fault            Fault
		from, to         float64
		caused, suspects int
	}{
		{"within", fault(10, 20, true), 12, 13, 1, 0},
		{"before", fault(10, 20, true), 5, 9.9, 0, 0},
		{"after", fault(10, 20, true), 20.2, 30, 0, 0},
		{"touches the call that heals", fault(10, 20, true), 20.05, 30, 1, 0},
		{"around", fault(10, 20, true), 5, 30, 1, 0},
		{"never healed", unhealed, 90, 91, 1, 0},
		{"not witnessed", fault(10, 20, false), 12, 13, 0, 1},
	} {
		caused, suspects := inForce([]Fault{c.fault}, Interval{sec(c.from), sec(c.to)}, end)
		if len(caused) != c.caused || len(suspects) != c.suspects {
			t.Errorf("%s: causes %v, suspects %v", c.name, caused, suspects)
		}
	}
}
