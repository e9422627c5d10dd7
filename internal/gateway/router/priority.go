// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import "slices"

// Where the parts of a priority begin. Kong 3.9 documents one layout of 64 bits,
// from the top: kinds of matchers, plain hosts, headers, regex, regex_priority,
// length. What was observed on Kong 3.9.1 is that layout with two parts fallen
// out of place: kinds and headers are shifted as numbers of 32 bits, where a
// shift counts modulo 32 (LuaJIT's bit operations on numbers), so each stands 32
// bits too low. Of the recorded requests that several routes match, 114 were
// routed otherwise than the documented layout says, and none otherwise than this.
const (
	kindsAt       = 61 % 32
	plainHostsAt  = 60
	headersAt     = 52 % 32
	regexAt       = 51
	regexRankAt   = 19
	mostHeaders   = 1<<8 - 1
	longestLength = 1<<regexRankAt - 1
)

// priority ranks an entry: the highest is asked first. In effect:
//
//   - Four kinds of matchers or more stand above all: the number's 32 bits are
//     signed, and when they are widened the sign fills the upper half, plain
//     hosts' bit and the regex's included.
//   - Below that, hosts without a wildcard come first, then regexes; only among
//     these do kinds count, then headers, then the length of a plain path.
//   - The parts are or-ed, so a high regex_priority covers headers (from 2 on) and
//     kinds (from 1024 on) instead of carrying into them. Adding contradicts what
//     was observed.
//
// Not observed, hence as documented: a regex_priority keeps 32 bits, and counts
// for regexes only.
func priority(e *entry) uint64 {
	route := e.route
	bits := uint64(int32(matcherKinds(route)) << kindsAt) // its sign spreads
	bits |= uint64(min(len(route.Headers), mostHeaders)) << headersAt
	if len(route.Hosts) > 0 && !slices.ContainsFunc(route.Hosts, isWild) {
		bits |= 1 << plainHostsAt
	}
	switch {
	case len(e.regexes) > 0:
		bits |= 1<<regexAt | uint64(uint32(route.RegexPriority))<<regexRankAt
	case len(e.paths) > 0:
		bits |= uint64(min(len(e.paths[0]), longestLength))
	}
	return bits
}

// matcherKinds counts the kinds of matchers that a route sets, at most 7.
func matcherKinds(route *Route) int {
	count := 0
	for _, values := range [...]int{
		len(route.Sources), len(route.Destinations), len(route.Methods), len(route.Hosts),
		len(route.Headers), len(route.SNIs), len(route.Paths),
	} {
		if values > 0 {
			count++
		}
	}
	return count
}
