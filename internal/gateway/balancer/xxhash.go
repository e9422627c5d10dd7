// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"encoding/binary"
	"math/bits"
)

// The primes of xxHash32 (its public specification).
const (
	prime1 uint32 = 2654435761
	prime2 uint32 = 2246822519
	prime3 uint32 = 3266489917
	prime4 uint32 = 668265263
	prime5 uint32 = 374761393
)

// hash32 is xxHash32 with seed 0, which Kong hashes with.
func hash32(text string) uint32 {
	data := []byte(text)
	length := uint32(len(data)) // #nosec G115 -- the specification's length is modulo 2^32
	var hash uint32
	if len(data) >= 16 {
		p1, p2 := prime1, prime2
		lanes := [4]uint32{p1 + p2, p2, 0, -p1}
		for ; len(data) >= 16; data = data[16:] {
			for i := range lanes {
				lanes[i] = bits.RotateLeft32(lanes[i]+binary.LittleEndian.Uint32(data[4*i:])*prime2, 13) * prime1
			}
		}
		hash = bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7) +
			bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18)
	} else {
		hash = prime5
	}
	hash += length
	for ; len(data) >= 4; data = data[4:] {
		hash = bits.RotateLeft32(hash+binary.LittleEndian.Uint32(data)*prime3, 17) * prime4
	}
	for _, b := range data {
		hash = bits.RotateLeft32(hash+uint32(b)*prime5, 11) * prime1
	}
	hash = (hash ^ hash>>15) * prime2
	hash = (hash ^ hash>>13) * prime3
	return hash ^ hash>>16
}
