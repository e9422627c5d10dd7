// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Block is how long the blocks are that [Ratio] draws: requests that are closer to
// each other than that share what befell them, and are drawn together.
const Block = time.Second

// The measures of the bootstrap.
const (
	resamples = 2000
	cells     = 4    // to a block: blocks begin at each of them
	maxBlocks = 300  // of a span; a longer one has longer blocks
	minBlocks = 5    // fewer of them say nothing about how spans differ
	octave    = 256  // steps of a latency; one is 0.27 %
	wholes    = 20   // resamples that show where the others will lie
	salt      = 1013 // keeps these draws apart from any other of the seed
)

// Timed is a value, such as a latency, and when it was due.
type Timed struct {
	At    time.Duration
	Value time.Duration
}

// Degradation is the ratio of a percentile in one span of time to the one in
// another.
type Degradation struct {
	Point        float64 // of the two percentiles themselves
	Lower, Upper float64 // one-sided bounds, each of its own; 0 where Blocks are too few
	Before       time.Duration
	During       time.Duration
	Blocks       int // of the shorter span
}

// Bounded says whether there were blocks enough for bounds.
func (d Degradation) Bounded() bool { return d.Blocks >= minBlocks }

// Ratio compares the percentile p, in (0, 1), of the values during with that of
// those before. Its bounds are those of 2000 resamples of both, drawn from the seed in
// blocks of a second with every start equally likely. Neither span may be empty.
func Ratio(before, during []Timed, p, confidence float64, seed uint64) Degradation {
	b, d := newSpan(before), newSpan(during)
	r := Degradation{Before: b.percentile(before, p), During: d.percentile(during, p), Blocks: min(b.blocks, d.blocks)}
	r.Point = float64(r.During) / float64(max(r.Before, 1))
	if !r.Bounded() {
		return r
	}
	random := rand.New(rand.NewPCG(seed, salt))
	ratios := make([]float64, resamples)
	for i := range ratios {
		if i == wholes {
			b.narrow()
			d.narrow()
		}
		ratios[i] = math.Exp2(float64(d.draw(random, p)-b.draw(random, p)) / octave)
	}
	slices.Sort(ratios)
	// The grid's own step counts against the claim, either way.
	step := math.Exp2(1.0 / octave)
	last := resamples - 1
	r.Upper = max(ratios[int(math.Ceil(confidence*float64(last)))]*step, r.Point)
	r.Lower = min(ratios[int(math.Floor((1-confidence)*float64(last)))]/step, r.Point)
	return r
}

// span is a time whose values are occurrences by cell and by step of their logarithm.
type span struct {
	cells         [][]stepped
	blocks        int
	lowest, above int      // the steps of the draws so far
	near          []window // of the cells, around those steps; nil until there are some

	starts []int // scratch of draw
	counts []int // scratch of draw, by step
}

// stepped is how many values lie in a step.
type stepped struct{ step, count int32 }

// window is a cell of which only some steps are looked at.
type window struct {
	total, below int // values, and those in steps below them
	steps        []stepped
}

// newSpan sorts values into cells, from the first of them on.
func newSpan(values []Timed) *span {
	s := &span{lowest: math.MaxInt}
	first, end := values[0].At, values[0].At
	for _, v := range values {
		first, end = min(first, v.At), max(end, v.At)
	}
	lasts := end - first + 1
	s.blocks = int(min(max((lasts+Block/10)/Block, 1), maxBlocks))
	s.cells = make([][]stepped, s.blocks*cells)
	width := max(lasts/time.Duration(len(s.cells)), Block/cells)
	cellOf := func(v Timed) int { return min(int((v.At-first)/width), len(s.cells)-1) } // the last takes what is left over
	sizes := make([]int, len(s.cells))
	for _, v := range values {
		sizes[cellOf(v)]++
	}
	steps := make([][]int32, len(s.cells))
	for i, n := range sizes {
		steps[i] = make([]int32, 0, n)
	}
	highest := int32(0)
	for _, v := range values {
		cell, step := cellOf(v), stepOf(v)
		steps[cell], highest = append(steps[cell], step), max(highest, step)
	}
	s.counts = make([]int, highest+1)
	s.starts = make([]int, s.blocks)
	for i, of := range steps {
		s.cells[i] = occurrences(of)
	}
	return s
}

// stepOf is the step that a value lies in; a larger value lies in no lower one.
func stepOf(v Timed) int32 { return int32(math.Log2(float64(max(v.Value, 1))) * octave) }

// percentile is the nearest-rank percentile of the values that the span is of. Only those
// of one step are sorted.
func (s *span) percentile(values []Timed, p float64) time.Duration {
	clear(s.counts)
	s.count(s.cells)
	step, rank := s.ranked(rankOf(p, len(values)))
	sorted := make([]time.Duration, 0, s.counts[step])
	for _, v := range values {
		if stepOf(v) == int32(step) {
			sorted = append(sorted, v.Value)
		}
	}
	slices.Sort(sorted)
	return sorted[rank-1]
}

// occurrences says how many steps there are of each. It sorts them.
func occurrences(steps []int32) []stepped {
	slices.Sort(steps)
	different := 0
	for i, step := range steps {
		if i == 0 || step != steps[i-1] {
			different++
		}
	}
	counts := make([]stepped, 0, different)
	for i, step := range steps {
		if i == 0 || step != steps[i-1] {
			counts = append(counts, stepped{step: step})
		}
		counts[len(counts)-1].count++
	}
	return counts
}

// draw is the percentile, as a step, of as many blocks as the span has, each with a
// start of its own.
func (s *span) draw(random *rand.Rand, p float64) int {
	for i := range s.starts {
		s.starts[i] = random.IntN(len(s.cells) - cells + 1)
	}
	step, ok := s.nearby(p)
	if !ok {
		step = s.anywhere(p)
	}
	s.lowest, s.above = min(s.lowest, step), max(s.above, step+1)
	return step
}

// anywhere is the percentile of the blocks that were drawn; 0 if they are gaps.
func (s *span) anywhere(p float64) int {
	clear(s.counts)
	total := 0
	for _, start := range s.starts {
		total += s.count(s.cells[start : start+cells])
	}
	step, _ := s.ranked(rankOf(p, total))
	return step
}

// count counts the steps of cells, and returns how many values they have.
func (s *span) count(cells [][]stepped) (total int) {
	for _, cell := range cells {
		for _, k := range cell {
			s.counts[k.step] += int(k.count)
			total += int(k.count)
		}
	}
	return total
}

// ranked is the step of the counted value of a rank, and its rank within that step; 0 if
// there are not as many.
func (s *span) ranked(rank int) (step, within int) {
	for step, count := range s.counts {
		if rank <= count {
			return step, rank
		}
		rank -= count
	}
	return 0, 0
}

// narrow has the draws that follow look around the steps of those before, which is
// where most of them will lie: the percentile of many values costs less then.
func (s *span) narrow() {
	margin := 2*(s.above-s.lowest) + 2
	from, to := s.lowest-margin, s.above+margin
	s.near = make([]window, len(s.cells))
	for i, cell := range s.cells {
		w := &s.near[i]
		for _, k := range cell {
			w.total += int(k.count)
			switch {
			case int(k.step) < from:
				w.below += int(k.count)
			case int(k.step) < to:
				w.steps = append(w.steps, k)
			}
		}
	}
}

// nearby is what anywhere is, if it lies where one was told to look.
func (s *span) nearby(p float64) (step int, ok bool) {
	if s.near == nil {
		return 0, false
	}
	clear(s.counts)
	total, below, first, last := 0, 0, len(s.counts), -1
	for _, start := range s.starts {
		for _, w := range s.near[start : start+cells] {
			total, below = total+w.total, below+w.below
			for _, k := range w.steps {
				s.counts[k.step] += int(k.count)
				first, last = min(first, int(k.step)), max(last, int(k.step))
			}
		}
	}
	rank := rankOf(p, total) - below
	if rank <= 0 {
		return 0, false
	}
	for step := first; step <= last; step++ {
		if rank -= s.counts[step]; rank <= 0 {
			return step, true
		}
	}
	return 0, false
}

// rankOf is the nearest rank, from 1, of the percentile p of n values.
func rankOf(p float64, n int) int { return max(int(math.Ceil(p*float64(n)-1e-9)), 1) }
