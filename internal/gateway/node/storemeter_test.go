// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// A copy that was deleted has no age, and neither has one that is found in another
// version's place.
func TestTheAgeOfACopyEndsWithIt(t *testing.T) {
	t.Parallel()
	var answer error
	store := &buckettest.Memory{After: func(context.Context, buckettest.Call) error { return answer }}
	meter := &storeMeter{snapshot: "p/1/config.json"}
	client := meter.over(store)
	hasAge := func() (told bool) {
		meter.measure(t.Context(), func(name string, _ float64, _ ...string) { told = told || name == "blackout_snapshot_age_seconds" })
		return told
	}
	put := func(key string) { _, _ = client.Put(t.Context(), key, bucket.BodyOf(nil), bucket.PutOptions{}) } // the answer is the test's
	if put("p/2/config.json"); hasAge() {
		t.Error("another object gives it an age")
	}
	if put(meter.snapshot); !hasAge() {
		t.Error("it has no age once it was written")
	}
	answer = bucket.ErrUnavailable
	if _, err := client.Head(t.Context(), meter.snapshot); err == nil || !hasAge() {
		t.Errorf("a request that failed (%v) takes its age", err)
	}
	answer = bucket.ErrNotFound
	if _, err := client.Head(t.Context(), meter.snapshot); err == nil || hasAge() {
		t.Errorf("it has an age although it is gone (%v)", err)
	}
	answer = bucket.ErrNotEncrypted
	if put(meter.snapshot); !hasAge() {
		t.Error("it has no age although it was written, if not as asked")
	}
}

// The age counts from when the copy was written, not from when it was read.
func TestTheAgeOfACopyCountsFromItsWriting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &buckettest.Memory{}
		meter := &storeMeter{snapshot: "p/1/config.json"}
		if _, err := store.Put(t.Context(), meter.snapshot, bucket.BodyOf(nil), bucket.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := meter.over(store).Get(t.Context(), meter.snapshot, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		var age float64
		meter.measure(t.Context(), func(name string, value float64, _ ...string) {
			if name == "blackout_snapshot_age_seconds" {
				age = value
			}
		})
		if want := (time.Hour + time.Minute).Seconds(); age != want {
			t.Errorf("%v s, want %v", age, want)
		}
	})
}
