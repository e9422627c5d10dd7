// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import "testing"

// TestPriority has pairs of routes, of which a real gateway took the first. The
// layout of priorities as it is told puts most of them the other way round.
func TestPriority(t *testing.T) {
	t.Parallel()
	one := map[string][]string{"x": {"1"}}
	two := map[string][]string{"x": {"1"}, "y": {"1"}}
	get, plain, wild, prefix, regex := []string{"GET"}, []string{"a.b"}, []string{"*.b"}, []string{"/abc"}, []string{"~/a"}
	for rule, pair := range map[string][2]Route{
		"a plain host before two kinds":               {{Hosts: plain}, {Methods: get, Paths: []string{"/abcdefghijklm"}}},
		"a plain host before headers and a regex":     {{Hosts: plain}, {Headers: two, Paths: regex}},
		"a regex before kinds":                        {{Paths: regex}, {Hosts: wild, SNIs: plain, Paths: prefix}},
		"a regex before headers":                      {{Methods: get, Paths: regex}, {Methods: get, Headers: one, Paths: prefix}},
		"a plain host and a regex before kinds":       {{Hosts: plain, Paths: regex}, {Methods: get, Hosts: wild, Paths: regex}},
		"a plain host before kinds, headers, a regex": {{Hosts: plain, Paths: prefix}, {Hosts: wild, Headers: two, Paths: regex, RegexPriority: 1}},
		"four kinds before a regex":                   {{Methods: get, Headers: two, SNIs: plain, Paths: prefix}, {Hosts: wild, Paths: regex}},
		"five kinds before a regex":                   {{Methods: get, Hosts: wild, Headers: one, SNIs: plain, Paths: prefix}, {Paths: regex}},
		"four kinds and a regex do not carry":         {{Methods: get, Hosts: wild, Headers: two, Paths: regex}, {Methods: get, Paths: regex}},
	} {
		var got [2]uint64
		for i := range pair {
			parts, err := split(nil, &pair[i])
			if err != nil || len(parts) != 1 {
				t.Fatalf("%s: got %d parts, %v", rule, len(parts), err)
			}
			got[i] = parts[0].priority
		}
		if got[0] <= got[1] {
			t.Errorf("%s: got %016x, which is not above %016x", rule, got[0], got[1])
		}
	}
}

// TestPriorityStaysWithinItsBits holds parts to the room they have.
func TestPriorityStaysWithinItsBits(t *testing.T) {
	t.Parallel()
	many := map[string][]string{}
	for i := range 1000 {
		many[string(rune('a'+i))] = []string{"1"}
	}
	for what, c := range map[string]struct {
		entry entry
		want  uint64
	}{
		"nothing":           {entry{route: &Route{}}, 0},
		"1000 headers":      {entry{route: &Route{Headers: many}}, 1<<29 | 255<<20},
		"a long path":       {entry{route: &Route{Paths: []string{"/"}}, paths: []string{string(make([]byte, 1<<20))}}, 1<<29 | 1<<19 - 1},
		"a great regex":     {entry{route: &Route{Paths: []string{"~/"}, RegexPriority: 1<<32 - 1}, regexes: []*regex{{}}}, 1<<51 | (1<<32-1)<<19},
		"below zero":        {entry{route: &Route{Paths: []string{"~/"}, RegexPriority: -1}, regexes: []*regex{{}}}, 1<<51 | (1<<32-1)<<19},
		"of a plain path":   {entry{route: &Route{Paths: []string{"/"}, RegexPriority: 7}, paths: []string{"/"}}, 1<<29 | 1},
		"seven kinds":       {entry{route: &Route{Sources: []Peer{{}}, Destinations: []Peer{{}}, Methods: []string{"GET"}, Hosts: []string{"*.b"}, Headers: map[string][]string{"x": {"1"}}, SNIs: []string{"a"}, Paths: []string{"/"}}, paths: []string{"/"}}, 0xffffffff_e0100001},
		"a host with stars": {entry{route: &Route{Hosts: []string{"a.b", "a.*"}}}, 1 << 29},
		"a plain host":      {entry{route: &Route{Hosts: []string{"a.b:80"}}}, 1<<60 | 1<<29},
	} {
		if got := priority(&c.entry); got != c.want {
			t.Errorf("%s: got %016x, want %016x", what, got, c.want)
		}
	}
}
