// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math/rand/v2"
	"slices"
)

// Row is one combination of factors: the level that each has, counted from 0.
// Unset stands for one that is not chosen yet.
type Row []int

// Unset is the level of a factor that is not chosen yet.
const Unset = -1

// Pairwise draws, for name, a few rows in which any two levels of any two factors
// meet at least once, in a drawn order. Most faults that take a combination take one of two things,
// and all pairs fit into about as many rows as the two largest factors have
// pairs, however many factors there are. levels are how many each factor has.
//
// allowed says whether a row can be: it is asked about rows that are not complete,
// too, and must not refuse one for what is unset. Pairs that no allowed row has
// are left out. Nil allows every row.
func (s Source) Pairwise(name string, levels []int, allowed func(Row) bool) []Row {
	if allowed == nil {
		allowed = func(Row) bool { return true }
	}
	c := &cover{levels: levels, allowed: allowed, draw: s.stream(name)}
	c.open = c.pairs()
	var rows []Row
	for len(c.open) > 0 {
		row := c.best()
		c.close(row)
		rows = append(rows, row)
	}
	c.draw.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// pair is two levels of two factors.
type pair struct{ factor, level, other, otherLevel int }

func (p pair) in(r Row) bool { return r[p.factor] == p.level && r[p.other] == p.otherLevel }

// cover is a covering array in the making.
type cover struct {
	levels  []int
	allowed func(Row) bool
	draw    *rand.Rand
	open    []pair // those that can be and are in no row yet
}

// candidates is how many rows are tried for each that is taken.
const candidates = 10

// best is the one of several candidates that closes the most pairs.
func (c *cover) best() Row {
	var best Row
	most := 0
	for range candidates {
		row := c.candidate()
		if n := c.closes(row); n > most {
			best, most = row, n
		}
	}
	return best
}

// candidate is a complete row around a drawn open pair: factor by factor, in a
// drawn order, it takes the level that closes the most pairs.
func (c *cover) candidate() Row {
	p := c.open[c.draw.IntN(len(c.open))]
	row := c.empty()
	row[p.factor], row[p.other] = p.level, p.otherLevel
	for _, factor := range c.draw.Perm(len(c.levels)) {
		if row[factor] != Unset {
			continue
		}
		best, most := Unset, -1
		for _, level := range c.draw.Perm(c.levels[factor]) {
			row[factor] = level
			if n := c.closes(row); n > most && c.possible(row) {
				best, most = level, n
			}
		}
		row[factor] = best
	}
	return row
}

func (c *cover) empty() Row { return slices.Repeat(Row{Unset}, len(c.levels)) }

// closes is how many open pairs a row has.
func (c *cover) closes(r Row) int {
	n := 0
	for _, p := range c.open {
		if p.in(r) {
			n++
		}
	}
	return n
}

func (c *cover) close(r Row) {
	c.open = slices.DeleteFunc(c.open, func(p pair) bool { return p.in(r) })
}

// pairs are all pairs that can be.
func (c *cover) pairs() []pair {
	var all []pair
	for factor := range c.levels {
		for other := factor + 1; other < len(c.levels); other++ {
			for level := range c.levels[factor] {
				for otherLevel := range c.levels[other] {
					row := c.empty()
					row[factor], row[other] = level, otherLevel
					if c.possible(row) {
						all = append(all, pair{factor, level, other, otherLevel})
					}
				}
			}
		}
	}
	return all
}

// possible says whether an allowed row has the levels that r has.
func (c *cover) possible(r Row) bool {
	if !c.allowed(r) {
		return false
	}
	factor := slices.Index(r, Unset)
	if factor < 0 {
		return true
	}
	r = slices.Clone(r)
	for r[factor] = range c.levels[factor] {
		if c.possible(r) {
			return true
		}
	}
	return false
}
