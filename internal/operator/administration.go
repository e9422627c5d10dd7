// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

// Administration is that of the storage's bucket; nil if its store has none.
func (s *Storage) Administration() Administration {
	return nil
}
