// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import "testing"

func FuzzParseEnviron(f *testing.F) {
	f.Add([]byte("PATH=/bin\x00BLACKOUT_RUN=r1\x00BLACKOUT_OWNER=h/1/2\x00"))
	f.Add([]byte("BLACKOUT_RUN"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, environ []byte) {
		first := parseEnviron(environ)
		again := parseEnviron([]byte("BLACKOUT_RUN=" + first.run + "\x00BLACKOUT_OWNER=" + first.owner))
		if again != first {
			t.Fatalf("parseEnviron(%q) = %+v, read back as %+v", environ, first, again)
		}
	})
}

func TestParseEnviron(t *testing.T) {
	t.Parallel()
	got := parseEnviron([]byte("X=BLACKOUT_RUN=no\x00BLACKOUT_RUN=r=1\x00BLACKOUT_OWNER=h/1/2\x00"))
	if want := (mark{run: "r=1", owner: "h/1/2"}); got != want {
		t.Fatalf("parseEnviron() = %+v, want %+v", got, want)
	}
}
