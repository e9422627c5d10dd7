// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
)

// The measures of a sparkline, in pixels.
const (
	sparkWidth  = 180.0
	sparkHeight = 36.0
	sparkMargin = 4.0
	sparkRuns   = 100 // the newest that are drawn
)

// spark is a figure over the runs of a series.
type spark struct {
	Name  string
	Says  string // the newest figure, and the span of all
	Path  string // of the line, with gaps where a run has no figure
	Dots  []dot  // a figure without neighbours, and the newest
	Empty bool   // no run has a figure
}

type dot struct{ X, Y string }

// newSpark draws figures in the order of their runs; nil is a run without one. The scale
// is that of the figures themselves.
func newSpark(name string, figures []*float64, say func(float64) string) spark {
	figures = figures[max(0, len(figures)-sparkRuns):]
	var all []float64
	for _, f := range figures {
		if f != nil {
			all = append(all, *f)
		}
	}
	s := spark{Name: name, Says: notMeasured, Empty: len(all) == 0}
	if s.Empty {
		return s
	}
	low, high := slices.Min(all), slices.Max(all)
	s.Says = fmt.Sprintf("newest %s, lowest %s, highest %s, in %d of %s", say(all[len(all)-1]), say(low), say(high), len(all), count(len(figures), "run"))
	at := func(i int) dot {
		x, y := sparkWidth/2, sparkHeight/2
		if len(figures) > 1 {
			x = sparkMargin + float64(i)/float64(len(figures)-1)*(sparkWidth-2*sparkMargin)
		}
		if high > low {
			y = sparkHeight - sparkMargin - (*figures[i]-low)/(high-low)*(sparkHeight-2*sparkMargin)
		}
		return dot{fmt.Sprintf("%.1f", x), fmt.Sprintf("%.1f", y)}
	}
	s.draw(figures, at)
	return s
}

// draw draws the line and its dots.
func (s *spark) draw(figures []*float64, at func(int) dot) {
	var path strings.Builder
	there := func(i int) bool { return i >= 0 && i < len(figures) && figures[i] != nil }
	last := -1
	for i := range figures {
		if !there(i) {
			continue
		}
		last = i
		d, move := at(i), "M"
		if there(i - 1) {
			move = "L"
		}
		path.WriteString(move + d.X + " " + d.Y)
		if !there(i-1) && !there(i+1) {
			s.Dots = append(s.Dots, d)
		}
	}
	s.Path = path.String()
	if newest := at(last); len(s.Dots) == 0 || s.Dots[len(s.Dots)-1] != newest {
		s.Dots = append(s.Dots, newest)
	}
}
