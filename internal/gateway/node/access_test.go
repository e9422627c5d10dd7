// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"slices"
	"testing"
)

// A database whose revision can be read and whose entities cannot is none, until they
// can: the two who read it do not contradict each other.
func TestBothReadersOfADatabaseMustReachIt(t *testing.T) {
	t.Parallel()
	var told []bool
	var a access
	read := func(err error) { a.read(err, func(online bool) { told = append(told, online) }) }
	watched := func(err error) { a.watched(err, func(online bool) { told = append(told, online) }) }
	failed := errors.New("no such table")
	read(nil)
	watched(nil)
	read(failed)
	watched(nil) // it does not hide the failure
	watched(failed)
	read(nil) // nor the other way about
	watched(nil)
	if want := []bool{true, true, false, false, false, false, true}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
