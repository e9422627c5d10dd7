// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import "testing"

func TestHash32(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint32{
		"": 0x02CC5D05, "a": 0x550D7456, "abc": 0x32D153FF, "Nobody inspects the spammish repetition": 0xE2293B2F,
	} {
		if have := hash32(text); have != want {
			t.Errorf("%q: %08x, want %08x", text, have, want)
		}
	}
}
