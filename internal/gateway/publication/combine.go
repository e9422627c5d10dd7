// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package publication

// A CRC is a linear map over GF(2): the sum of two texts one after the other is
// the first one's, moved on by as many zero bytes as the second has, exclusive-or
// the second one's. Moving on by one bit is a 32 by 32 matrix; its powers of two
// make up every distance.

// matrix is a linear map of 32 bits: the images of the single bits.
type matrix [32]uint32

func (m *matrix) apply(vector uint32) uint32 {
	var sum uint32
	for bit := 0; vector != 0; bit, vector = bit+1, vector>>1 {
		if vector&1 != 0 {
			sum ^= m[bit]
		}
	}
	return sum
}

func (m *matrix) square() matrix {
	var squared matrix
	for bit := range m {
		squared[bit] = m.apply(m[bit])
	}
	return squared
}

// moves move a CRC-32 (IEEE) on by 2^n zero bytes.
var moves = func() (powers [32]matrix) {
	var bit matrix // by one bit, reflected
	bit[0] = 0xedb88320
	for i := 1; i < len(bit); i++ {
		bit[i] = 1 << (i - 1)
	}
	two := bit.square()
	four := two.square()
	powers[0] = four.square()
	for n := 1; n < len(powers); n++ {
		powers[n] = powers[n-1].square()
	}
	return powers
}()

// combine is the CRC-32 of two texts one after the other, of which the second is
// so many bytes long.
func combine(first, second uint32, length int) uint32 {
	for n := 0; length != 0; n, length = n+1, length>>1 {
		if length&1 != 0 {
			first = moves[n].apply(first)
		}
	}
	return first ^ second
}
