// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"blackout/harness/history"
)

func judge(t interface{ Fatal(...any) }, rec *history.Recording) Result {
	result, err := Judge(rec, judged)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestJudgeIsDeterministic: maps must not show in what is said, nor the order in
// which concurrent observers happened to write.
func TestJudgeIsDeterministic(t *testing.T) {
	t.Parallel()
	things := wrongThings()
	things["nothing"] = wrong{do: func(*history.Recording) {}}
	for name, c := range things {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := goodRun()
			c.do(rec)
			want := judge(t, rec)
			draw := rand.New(rand.NewPCG(1, uint64(len(name))))
			for range 5 {
				shuffle(draw, rec.Events)
				draw.Shuffle(len(rec.Requests), func(i, j int) { rec.Requests[i], rec.Requests[j] = rec.Requests[j], rec.Requests[i] })
				if got := judge(t, rec); !reflect.DeepEqual(got, want) {
					t.Fatalf("the order of writing changes what is said: %s", firstDifference(got, want))
				}
			}
		})
	}
}

// shuffle changes the order of writing as it may differ: events that are stamped
// as they are written stay in order among each other.
func shuffle(draw *rand.Rand, events []history.Event) {
	draw.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	var places []int
	var inOrder []history.Event
	for i, e := range events {
		if slices.Contains(stamped, e.Kind) {
			places, inOrder = append(places, i), append(inOrder, e)
		}
	}
	byTime(inOrder, func(e history.Event) history.Time { return e.At })
	for i, place := range places {
		events[place] = inOrder[i]
	}
}

// TestJudgeLeavesTheRecordingAlone: reports read it after the oracles.
func TestJudgeLeavesTheRecordingAlone(t *testing.T) {
	t.Parallel()
	rec := goodRun()
	slices.Reverse(rec.Events)
	slices.Reverse(rec.Requests)
	events, requests := slices.Clone(rec.Events), slices.Clone(rec.Requests)
	judge(t, rec)
	if !slices.Equal(events, rec.Events) || !slices.Equal(requests, rec.Requests) {
		t.Error("judging reordered the recording")
	}
}

// TestAnySubsetIsJudged: whatever is missing of a recording, it is judged without
// a panic, the same twice, and no clause is held or violated without a reason
// that can be shown.
func TestAnySubsetIsJudged(t *testing.T) {
	t.Parallel()
	whole := goodRun()
	kinds := make(map[history.Kind]bool)
	for _, e := range whole.Events {
		kinds[e.Kind] = true
	}
	names := make([]history.Kind, 0, len(kinds))
	for k := range kinds {
		names = append(names, k)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		rec := &history.Recording{Header: whole.Header}
		without := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(t, "without kinds")
		nth := rapid.IntRange(2, 60).Draw(t, "without each nth event")
		if rapid.Bool().Draw(t, "without nodes") {
			rec.Header.Nodes = rec.Header.Nodes[:rapid.IntRange(0, len(rec.Header.Nodes)).Draw(t, "nodes")]
		}
		for i, e := range whole.Events {
			if i%nth != 1 && !slices.Contains(without, e.Kind) {
				rec.Events = append(rec.Events, e)
			}
		}
		from := rapid.IntRange(0, len(whole.Requests)).Draw(t, "requests from")
		rec.Requests = whole.Requests[from:]
		first := judge(t, rec)
		if second := judge(t, rec); !reflect.DeepEqual(first, second) {
			t.Fatal("two judgements of one recording differ")
		}
		for _, v := range first.Verdicts {
			for _, c := range v.Clauses {
				accountable(t, c)
			}
		}
	})
}

// accountable checks what every clause owes its reader.
func accountable(t *rapid.T, c Clause) {
	switch {
	case c.Status == Held && c.Opportunities == 0:
		t.Fatalf("%s is held without an opportunity", c.ID)
	case c.Status == Violated && len(c.Evidence) == 0:
		t.Fatalf("%s is violated without evidence", c.ID)
	case c.Status != Held && c.Reason == "":
		t.Fatalf("%s is %s without a reason", c.ID, c.Status)
	case len(c.Evidence) > MaxEvidence:
		t.Fatalf("%s shows %d observations", c.ID, len(c.Evidence))
	}
}

// TestEachEventMatters drops every event once. Losing one must not panic, and
// losing what witnessed a fault must never leave everything held.
func TestEachEventMatters(t *testing.T) {
	t.Parallel()
	whole := goodRun()
	for i, e := range whole.Events {
		rec := goodRun()
		rec.Events = slices.Delete(rec.Events, i, i+1)
		result := judge(t, rec)
		switch e.Kind {
		case history.FaultWitness, history.HealWitness, history.RunEnd:
			if edgeToStoreHealed(e) {
				continue // nothing rests on the store's edge being whole again
			}
			if held := heldClauses(result); held == len(exercised) {
				t.Errorf("everything is still held without %s of %q", e.Kind, e.Edge)
			}
		default:
		}
	}
}

func edgeToStoreHealed(e history.Event) bool {
	return e.Kind == history.HealWitness && e.Edge == "dp-5>store"
}

func heldClauses(r Result) int {
	n := 0
	for _, v := range r.Verdicts {
		for _, c := range v.Clauses {
			if c.Status == Held && slices.Contains(exercised, c.ID) {
				n++
			}
		}
	}
	return n
}

// firstDifference names the first clause of which two results say different
// things.
func firstDifference(a, b Result) string {
	for i, v := range a.Verdicts {
		for k, c := range v.Clauses {
			if other := b.Verdicts[i].Clauses[k]; !reflect.DeepEqual(c, other) {
				return fmt.Sprintf("\n%+v\n%+v", c, other)
			}
		}
	}
	return fmt.Sprintf("\n%+v\n%+v", a.Validity, b.Validity)
}
