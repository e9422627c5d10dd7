// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// The measures of the latency plot and the time axis.
const (
	latencyHeight = 120.0
	axisHeight    = 24.0
	axisTicks     = 8
)

// drawAxis draws the time axis below everything and its grid behind.
func (c *canvas) drawAxis() {
	step := niceStep(c.end.Seconds() / axisTicks)
	bottom := c.y
	for i := 0; ; i++ {
		at := float64(i) * step
		if at > c.end.Seconds() {
			break
		}
		x := px(c.x(history.Time(at * 1e9)))
		c.Lines = append(c.Lines, lineShape{x, 0, x, px(bottom + 4), "grid"})
		c.Texts = append(c.Texts, textShape{x, px(bottom + 17), "axis", fmt.Sprintf("%g s", math.Round(at*1e6)/1e6)})
	}
	c.y += axisHeight
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is at least
// s, which is positive.
func niceStep(s float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(s)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= s {
			return f * power
		}
	}
	return 10 * power
}

// decades is a logarithmic axis of latency, in whole powers of ten of a
// nanosecond, as high as its plot.
type decades struct {
	low, high int
	height    float64
}

// scaleOf spans the decades that latencies lie in; ok is false if there are
// none.
func scaleOf(latencies []time.Duration, height float64) (scale decades, ok bool) {
	if len(latencies) == 0 {
		return decades{}, false
	}
	low, high := log10(slices.Min(latencies)), log10(slices.Max(latencies))
	scale = decades{low: int(math.Floor(low)), high: int(math.Ceil(high)), height: height}
	scale.high = max(scale.high, scale.low+1)
	return scale, true
}

// log10 is the logarithm of a duration in nanoseconds, at least 0.
func log10(d time.Duration) float64 { return math.Log10(math.Max(float64(d), 1)) }

// y is where a latency lies in a plot whose top is given.
func (s decades) y(top float64, d time.Duration) px {
	share := (log10(d) - float64(s.low)) / float64(s.high-s.low)
	return px(top + s.height*(1-share))
}

// drawDecades draws the axis of latency and its grid behind a plot.
func (c *canvas) drawDecades(scale decades, top float64) {
	c.Texts = append(c.Texts, textShape{chartLeft - 64, px(top + scale.height/2), "label", "latency (log)"})
	for exponent := scale.low; exponent <= scale.high; exponent++ {
		d := time.Duration(math.Pow10(exponent))
		y := scale.y(top, d)
		c.Lines = append(c.Lines, lineShape{chartLeft, y, chartWidth - chartRight, y, "grid"})
		c.Texts = append(c.Texts, textShape{chartLeft - 8, y + 4, "label", decade(d)})
	}
}

// latencies are those that the timeline shows.
func latencies(line []Bucket) []time.Duration {
	var all []time.Duration
	for _, b := range line {
		if b.P50 != nil && b.P99 != nil {
			all = append(all, *b.P50, *b.P99)
		}
	}
	return all
}

// drawLatency plots p50 and p99 per bucket on a logarithmic axis.
func (c *canvas) drawLatency(line []Bucket) {
	scale, ok := scaleOf(latencies(line), latencyHeight)
	if !ok {
		return
	}
	top := c.y + 8
	c.drawDecades(scale, top)
	c.Paths = append(c.Paths,
		pathShape{c.steps(line, scale, top, func(b Bucket) *time.Duration { return b.P50 }), "p50"},
		pathShape{c.steps(line, scale, top, func(b Bucket) *time.Duration { return b.P99 }), "p99"})
	c.y = top + latencyHeight + groupGap
}

// steps draws one figure per bucket as a stepped line with gaps where it was
// not measured.
func (c *canvas) steps(line []Bucket, scale decades, top float64, figure func(Bucket) *time.Duration) string {
	var d strings.Builder
	drawing := false
	for _, b := range line {
		v := figure(b)
		switch {
		case v == nil:
		case drawing:
			fmt.Fprintf(&d, "V%sH%s", scale.y(top, *v), px(c.x(b.To)))
		default:
			fmt.Fprintf(&d, "M%s %sH%s", px(c.x(b.From)), scale.y(top, *v), px(c.x(b.To)))
		}
		drawing = v != nil
	}
	return d.String()
}

// decade labels a power of ten of a duration.
func decade(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
