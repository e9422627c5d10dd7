// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"os"
	"slices"
	"testing"

	"blackout/harness/watchdog/owner"
)

func TestParseSegments(t *testing.T) {
	t.Parallel()
	const table = "       key      shmid perms                  size  cpid  lpid nattch   uid\n" +
		"   5432001          7   600                    56   811   900      6   101\n" +
		"         0         -1   600                    56   812   900      6   101\n" +
		"short\n"
	if got, want := parseSegments([]byte(table)), []segment{{7, 811}}; !slices.Equal(got, want) {
		t.Errorf("segments %v, want %v", got, want)
	}
}

// TestSegmentsOfAnotherProcessAreLeft: an id is used again.
func TestSegmentsOfAnotherProcessAreLeft(t *testing.T) {
	t.Parallel()
	me := os.Getpid()
	now, err := owner.Started(me)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		made []started
		want bool
	}{
		"its maker":               {[]started{{me, now}}, true},
		"a successor of its name": {[]started{{me, "1"}}, false},
		"another":                 {[]started{{me + 1, now}}, false},
		"nobody":                  {nil, false},
	} {
		if got, err := madeByOneOf(segment{1, me}, c.made); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func FuzzParseSegments(f *testing.F) {
	f.Add([]byte("key shmid perms size cpid\n 0 7 600 56 811\n"))
	f.Add([]byte("0 -1 0 0 -1"))
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, s := range parseSegments(table) {
			if s.id < 0 || s.creator <= 0 {
				t.Fatalf("parseSegments(%q) has %+v", table, s)
			}
		}
	})
}
