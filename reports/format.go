// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"blackout/harness/history"
	"blackout/reports/stats"
)

// The words for what is missing.
const (
	notMeasured = "not measured"
	notRecorded = "not recorded"
)

// count says how many of one of this package's own nouns, whose plural ends
// in s: "1 outage", "3 outages".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// tally says how many of an oracle's unit: "starts: 1". Units come in the
// plural and in any form ("changes to ready"), so they are named, not inflected.
func tally(n int, unit string) string {
	if unit == "" {
		return strconv.Itoa(n)
	}
	return unit + ": " + strconv.Itoa(n)
}

// recordedOr is s, or says that it was not recorded.
func recordedOr(s string) string {
	if s == "" {
		return notRecorded
	}
	return s
}

// offset is a moment as seconds from the start of the run.
func offset(t history.Time) string { return fmt.Sprintf("+%.3f s", t.Seconds()) }

// between is an interval as its two offsets.
func between(i Interval) string { return offset(i.From) + " … " + offset(i.To) }

// duration is d with the unit that suits its size.
func duration(d time.Duration) string {
	switch size := d.Abs(); {
	case size == 0:
		return "0 s"
	case size < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case size < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case size < 10*time.Minute:
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// span is an optional duration.
func span(d *time.Duration) string {
	if d == nil {
		return notMeasured
	}
	return duration(*d)
}

// number is an optional count.
func number[T int | int64](n *T) string {
	if n == nil {
		return notMeasured
	}
	return strconv.FormatInt(int64(*n), 10)
}

// percent is an optional share, rounded down: availability is never rounded
// up to what was not reached.
func percent(share *float64) string {
	if share == nil {
		return notMeasured
	}
	if *share == 1 {
		return "100%" // of what was seen: no nine is claimed
	}
	const digits = 1e4
	// The slack keeps 0.999 from becoming 99.8999 in binary.
	return fmt.Sprintf("%.4f%%", math.Floor(*share*100*digits+1e-6)/digits)
}

// proven is an optional lower bound of a share. It shows no nine that the bound does
// not carry.
func proven(bound *float64) string {
	if bound == nil {
		return notMeasured
	}
	return stats.Percent(1 - *bound)
}

// classes lists failures by class, in the order of history's classes.
func classes(failures map[string]int) string {
	var parts []string
	for _, name := range classOrder(failures) {
		parts = append(parts, fmt.Sprintf("%d %s", failures[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// classOrder returns the classes that occur, in the order of history's.
func classOrder(failures map[string]int) []string {
	names := make([]string, 0, len(failures))
	rank := map[string]int{}
	for c := history.WrongStatus; c <= history.OtherError; c++ {
		rank[c.String()] = int(c)
	}
	for name, n := range failures {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { return rank[a] - rank[b] })
	return names
}

// clean makes text from a node safe to show anywhere: one line of valid
// UTF-8, with control and invisible format characters (which could move a
// terminal's cursor or turn the direction of writing) replaced.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			return utf8.RuneError
		case r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef: // not characters; XML forbids some
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// shorten cuts cleaned text to a number of characters.
func shorten(s string, most int) string {
	s = clean(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
