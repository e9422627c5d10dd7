// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/store"
)

func table(generation int) []byte {
	return fmt.Appendf(nil, `{"services":[{"name":"probed","path":"/gen/%d"}]}`, generation)
}

// TestSnapshotsAreRecorded with their generation, size and encryption, and with
// the reason where they are none.
func TestSnapshotsAreRecorded(t *testing.T) {
	t.Parallel()
	c, events := recorded(t)
	key := func(version string) string { return "backup/" + version + "/config.json" }
	from := time.Now()
	see := func(key string, o store.Object, err error) {
		c.sawSnapshot("store", store.Sight{Key: key, Object: o, Err: err, From: from, Until: from.Add(time.Second)})
	}
	see(key("3.9.1"), store.Object{Body: table(7), Encryption: "AES256", ETag: "seven"}, nil)
	see(key("3.8.0"), store.Object{Body: table(5)}, nil)
	see(key("3.9.1"), store.Object{Body: table(8)[:20]}, nil)
	see(key("3.9.1"), store.Object{Body: []byte("{}")}, nil)
	see(key("3.9.1"), store.Object{Body: []byte("{")}, errors.New("unexpected EOF"))
	see(key("3.9.1"), store.Object{}, store.ErrNotFound)
	see(key("3.9.1"), store.Object{Body: table(9), ETag: "nine"}, nil)
	if o := c.snapshots.older("store", 0); o == nil || o.ETag != "seven" {
		t.Errorf("before the latest: %+v", o)
	}
	if o := c.snapshots.older("store", 5); o != nil {
		t.Errorf("another version's snapshot is taken for an older one: %+v", o)
	}
	got := events()
	for i, want := range []struct {
		generation int
		error      string
	}{{7, ""}, {5, ""}, {0, "unexpected EOF"}, {0, ""}, {0, "unexpected EOF"}, {0, history.ObjectGone}, {9, ""}} {
		e := got[i]
		if e.Kind != history.StoreObject || e.Node != "store" || e.Generation != want.generation || !strings.Contains(e.Error, want.error) || (e.Error == "") != (want.error == "") ||
			!strings.HasPrefix(e.Text, "blackout/backup/3.") || e.Until.Sub(e.At) != time.Second {
			t.Errorf("event %d: %+v, want generation %d, error %q", i, e, want.generation, want.error)
		}
	}
	if e := got[0]; e.Bytes != int64(len(table(7))) || e.Encryption != "AES256" {
		t.Errorf("event %+v", e)
	}
}

func TestOlderSnapshots(t *testing.T) {
	t.Parallel()
	var s snapshots
	if s.older("store", 0) != nil {
		t.Error("a snapshot that nobody saw")
	}
	for g := range keptSnapshots + 2 {
		s.add("store", g+1, store.Object{ETag: fmt.Sprint(g + 1)})
	}
	s.add("store", keptSnapshots+2, store.Object{ETag: "written again"})
	s.add("other", 1, store.Object{ETag: "elsewhere"})
	for generation, want := range map[int]string{0: "9", 4: "4", 10: "written again", 2: "", 11: ""} {
		got := ""
		if o := s.older("store", generation); o != nil {
			got = o.ETag
		}
		if got != want {
			t.Errorf("generation %d: %q, want %q", generation, got, want)
		}
	}
}
