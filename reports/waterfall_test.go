// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/reports/objective"
)

func emptyRun() objective.Run { return objective.Run{} }

// milli is a time after a start, in milliseconds.
func milli(n int) *time.Duration {
	d := time.Duration(n) * time.Millisecond
	return &d
}

// TestPieces: the parts of a start follow each other, and what was not seen between is
// named and never zero.
func TestPieces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start Start
		want  []string
	}{
		"from the store": {
			Start{Dial: milli(10), Gone: milli(15), StoreRead: milli(20), StoreDone: milli(30), Ready: milli(50), FirstGood: milli(55)},
			[]string{"0-10 part boot", "10-15 part detect", "15-20 part ask", "20-30 part read", "30-50 part apply", "50-55 part serve"},
		},
		"from the control plane": {Start{Dial: milli(10), Ready: milli(50), FirstGood: milli(55)}, []string{"0-10 part boot", "10-50 part apply", "50-55 part serve"}},
		"the read's end unseen":  {Start{Dial: milli(10), StoreRead: milli(20), Ready: milli(50)}, []string{"0-10 part boot", "10-20 part ask", "20-50 part unseen"}},
		"only the answer":        {Start{FirstGood: milli(55)}, []string{"0-55 part unseen"}},
		"ready seen late":        {Start{Dial: milli(10), Ready: milli(60), FirstGood: milli(55)}, []string{"0-10 part boot", "10-60 part apply", "60-60 part serve"}},
		"nothing":                {Start{}, nil},
	} {
		var got []string
		for _, p := range c.start.pieces() {
			got = append(got, fmt.Sprintf("%d-%d %s", p.from.Milliseconds(), p.to.Milliseconds(), p.class))
			if (p.class == "part unseen") != strings.Contains(p.label, "not seen between") {
				t.Errorf("%s: %q does not go with %s", name, p.label, p.class)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestWaterfallKeepsTheWorst: a drawing without room for all starts keeps those that never
// served, and says what it leaves out.
func TestWaterfallKeepsTheWorst(t *testing.T) {
	t.Parallel()
	var starts []Start
	for i := range 100 {
		starts = append(starts, Start{Node: fmt.Sprintf("dp-%d", i), At: sec(float64(i)), Dial: milli(5), Ready: milli(20), FirstGood: milli(30)})
	}
	starts[40].FirstGood, starts[41].FirstGood = nil, milli(100_000)
	c := drawWaterfall(starts, 24) // room for three
	if c.Cut != 97 {
		t.Errorf("%d left out, want 97", c.Cut)
	}
	var words []string
	for _, s := range c.Texts {
		words = append(words, s.Text)
	}
	text := strings.Join(words, "; ")
	for _, want := range []string{"dp-40 at", "dp-41 at", "no good answer seen", "goes on to 100.000 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the drawing: %s", want, text)
		}
	}
	for _, r := range c.Rects {
		if r.X < chartLeft-0.1 || r.X+r.W > chartWidth || r.W < minBarWidth {
			t.Errorf("%q lies badly: %+v", r.Title, r)
		}
	}
	if !strings.Contains(c.Desc, "Of 1 start no good answer was seen") {
		t.Errorf("described as %q", c.Desc)
	}
}

func TestWaterfallOfNothing(t *testing.T) {
	t.Parallel()
	if drawWaterfall(nil, maxSpans) != nil || drawWaterfall([]Start{{Node: "dp-1"}}, maxSpans) != nil {
		t.Error("a drawing of nothing")
	}
}

// TestGoneIsLearnt: a start that the store served has the moment from which its control
// plane was known to be gone.
func TestGoneIsLearnt(t *testing.T) {
	t.Parallel()
	learnt := 0
	for _, s := range Build(keptWith("ci")()).Starts {
		if s.Gone == nil {
			continue
		}
		learnt++
		if s.StoreRead == nil || *s.Gone > *s.StoreRead {
			t.Errorf("%s: gone after %v, the store read after %v", s.Node, *s.Gone, s.StoreRead)
		}
	}
	if learnt != 1 {
		t.Errorf("%d starts, want 1", learnt)
	}
}
