// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Two nodes that were given one id, as by a copied prefix, tell each other from their
// own earlier lives: neither replaces what the other wrote by what it got before.
func TestTwoNodesOfOneID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		first := s.open("a", nil)
		first.offer("old")
		second := s.open("a", func(o *ExporterOptions) { o.Seed = 2 }) // it takes the lease for its own
		second.offer("old")
		time.Sleep(time.Minute)
		second.offer("new")
		second.exporter.Online(false)
		first.name.Store("new")      // the control plane has it, and did not send it yet
		time.Sleep(3 * DefaultLease) // the first takes over
		if got := nameOf(s.snapshot(t).Body); got != "new" {
			t.Errorf("the store holds %q", got)
		}
		if status := first.exporter.Status(); status.Role != Leader || status.ExportedHash != "new" {
			t.Errorf("status %+v", status)
		}
		if lines := first.log.lines("level=WARN"); len(lines) != 2 || !strings.Contains(lines[1], "this node's id") {
			t.Errorf("warned %q", lines)
		}
		first.close(t)
		second.close(t)
	})
}

// Without an election two backup nodes with unlike configurations overwrite each other:
// each tells who the other is.
func TestTwoNodesWithoutAnElectionTellOfEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		alone := func(o *ExporterOptions) { o.Alone = true }
		first := s.open("a", alone)
		first.offer("x")
		second := s.open("b", alone)
		second.offer("y")
		time.Sleep(10 * time.Minute)
		if lines := first.log.lines("does not lead"); len(lines) == 0 || !strings.Contains(lines[0], "writer=b") {
			t.Errorf("it tells %q", first.log.String())
		}
		first.close(t)
		second.close(t)
	})
}
