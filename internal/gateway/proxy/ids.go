// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import "math/rand/v2"

// idSource draws request ids: 32 hexadecimal characters. They are identifiers
// among logs, not secrets and not part of any decision.
type idSource struct{ draw func() uint64 }

func newIDSource() idSource { return idSource{draw: rand.Uint64} } // #nosec G404 -- not a secret

func (s idSource) next() string {
	const digits = "0123456789abcdef"
	var text [32]byte
	for i := 0; i < len(text); {
		bits := s.draw()
		for range 16 {
			text[i] = digits[bits&15]
			bits >>= 4
			i++
		}
	}
	return string(text[:])
}
