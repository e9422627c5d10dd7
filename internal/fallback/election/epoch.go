// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Epoch orders the writes of one object: every write has a greater one than the
// object that it replaces.
type Epoch struct {
	Term  uint64 // of the leader that wrote
	Write uint64 // of that leader's writes, from 1
}

// String is the epoch as "<term>.<write>".
func (e Epoch) String() string {
	return strconv.FormatUint(e.Term, 10) + "." + strconv.FormatUint(e.Write, 10)
}

// ParseEpoch parses what [Epoch.String] prints.
func ParseEpoch(text string) (Epoch, error) {
	term, write, found := strings.Cut(text, ".")
	t, errTerm := strconv.ParseUint(term, 10, 64)
	w, errWrite := strconv.ParseUint(write, 10, 64)
	if !found || errTerm != nil || errWrite != nil {
		return Epoch{}, fmt.Errorf("%q is not an epoch; one looks like 7.2", text)
	}
	return Epoch{Term: t, Write: w}, nil
}

// Compare is negative if e is before other, positive if it is after it.
func (e Epoch) Compare(other Epoch) int {
	return cmp.Or(cmp.Compare(e.Term, other.Term), cmp.Compare(e.Write, other.Write))
}
