// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"slices"
)

// The places of a priority's parts (Kong 3.9).
const (
	kindsShift   = 61 // how many kinds of matchers there are
	headersShift = 52 // how many headers, at most 255
	regexShift   = 19 // regex_priority
	plainHosts   = 1 << 60
	regexPath    = 1 << 51
	lengthMask   = 1<<19 - 1 // of a plain path
)

// priority is the number by which a real Kong 3.9.1 ranks an entry.
//
// The places above are those that Kong means. What it computes differs: it
// shifts in 32 bits, so that the two upper shifts come out 32 places lower, and
// four or more kinds of matchers carry into the sign and so into all the upper
// bits. In effect, and as recorded, the order among entries is, from the top:
// four or more kinds; none but plain hosts; a regex; the number of kinds; the
// number of headers together with regex_priority; the length of a plain path.
func priority(e *entry) uint64 {
	route := e.route
	kinds := 0
	for _, set := range [...]bool{
		len(route.Sources) > 0, len(route.Destinations) > 0, len(route.Methods) > 0, len(route.Hosts) > 0,
		len(route.Headers) > 0, len(route.SNIs) > 0, len(route.Paths) > 0,
	} {
		if set {
			kinds++
		}
	}
	bits := shift(kinds, kindsShift) | shift(min(len(route.Headers), 255), headersShift)
	if len(route.Hosts) > 0 && !slices.ContainsFunc(route.Hosts, isWild) {
		bits |= plainHosts
	}
	if len(e.regexes) > 0 {
		return bits | regexPath | shift(route.RegexPriority, regexShift)
	}
	if len(e.paths) > 0 {
		bits |= uint64(len(e.paths[0])) & lengthMask
	}
	return bits
}

// shift is a shift to the left as 32-bit arithmetic does it: by the places
// modulo 32, with the result's sign carried into the upper half.
func shift(value, places int) uint64 {
	return uint64(int64(int32(uint32(value) << (places % 32)))) // #nosec G115 -- the overflow is the point
}
