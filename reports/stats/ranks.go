// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// The measures of the rank test.
const (
	permutations = 9999
	exactWork    = 4000 // values of now, times all values, up to which every choice is counted
	rankSalt     = 2027 // keeps these draws apart from any other of the seed
)

// Higher is the p-value of the Mann-Whitney test, one-sided, given the ties there are:
// how likely it is that values of now rank as high among all, or higher, where nothing
// but chance puts them there. Of few values every choice is counted; of many, 9999 are
// drawn from the seed, and exact is false: the p-value then is one of those draws', and
// no smaller than 1/10000. A value may be infinite. Without a value on either side p is
// 1.
func Higher(now, before []float64, seed uint64) (p float64, exact bool) {
	n := len(now)
	if n == 0 || len(before) == 0 {
		return 1, true
	}
	ranks := doubledRanks(slices.Concat(now, before))
	seen := sum(ranks[:n])
	if n*len(ranks) <= exactWork {
		return atLeast(ranks, n, seen), true
	}
	random := rand.New(rand.NewPCG(seed, rankSalt))
	as := 1 // the choice that was seen is one of them
	for range permutations {
		for i := range n {
			j := i + random.IntN(len(ranks)-i)
			ranks[i], ranks[j] = ranks[j], ranks[i]
		}
		if sum(ranks[:n]) >= seen {
			as++
		}
	}
	return float64(as) / (permutations + 1), false
}

// doubledRanks are twice the ranks of values; those that tie share their middle.
func doubledRanks(values []float64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]int, len(values))
	for from := 0; from < len(order); {
		to := from
		for to+1 < len(order) && values[order[to+1]] == values[order[from]] {
			to++
		}
		for _, i := range order[from : to+1] {
			ranks[i] = from + to + 2
		}
		from = to + 1
	}
	return ranks
}

func sum(of []int) int {
	s := 0
	for _, v := range of {
		s += v
	}
	return s
}

// atLeast is the share of the choices of n ranks whose sum is at least seen.
func atLeast(ranks []int, n, seen int) float64 {
	highest := slices.Sorted(slices.Values(ranks))
	most := sum(highest[len(ranks)-n:])
	ways := make([][]float64, n+1) // by how many are chosen and their sum
	for k := range ways {
		ways[k] = make([]float64, most+1)
	}
	ways[0][0] = 1
	for i, r := range ranks {
		for k := min(i+1, n); k > 0; k-- {
			for s := most; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	all, as := 0.0, 0.0
	for s, w := range ways[n] {
		all += w
		if s >= seen {
			as += w
		}
	}
	return as / all
}

// Holm corrects the p-values of several tests so that the chance of one false alarm
// among all of them is what it would be of one (Holm's step-down method, whatever they
// have to do with each other). The order is that of the argument.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, len(p))
	highest := 0.0
	for i, at := range order {
		highest = max(highest, min(1, float64(len(p)-i)*p[at]))
		out[at] = highest
	}
	return out
}
