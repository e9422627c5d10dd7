// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/fallback/election"
)

const readSnapshot = "get " + testKey

// spoil replaces the snapshot's body and keeps its metadata. It returns the new version.
func (s *shop) spoil(t *testing.T, change func(body []byte) []byte) (version string) {
	t.Helper()
	object := s.snapshot(t)
	s.put(t, testKey, string(change(object.Body)), object.Metadata)
	s.forget()
	return s.snapshot(t).Version
}

// flip changes one bit, so that the body still is JSON.
func flip(body []byte) []byte {
	body[len(body)-5] ^= 1
	return body
}

func (s *shop) expectIntact(t *testing.T, name string) {
	t.Helper()
	object := s.snapshot(t)
	if _, err := decode(object, DefaultMaxBytes, nil); err != nil || nameOf(object.Body) != name {
		t.Errorf("the store holds %q: %v", object.Body, err)
	}
}

// answerReads makes reads of the snapshot fail, by their number from 1.
func (s *shop) answerReads(failure func(read int) error) {
	s.Before = func(ctx context.Context, call buckettest.Call) error {
		if call.Kind+" "+call.Key == readSnapshot {
			if err := failure(s.count(readSnapshot)); err != nil {
				return err
			}
		}
		return s.before(ctx, call)
	}
}

func TestASnapshotIsReadOncePerLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for life := range 3 {
			d := s.open("a", nil)
			d.offer("x")
			time.Sleep(time.Hour)
			if n := s.count(readSnapshot); n != life { // the first finds none
				t.Errorf("%d reads after %d restarts", n, life)
			}
			if n := s.count("head " + testKey); n < 50*(life+1) {
				t.Errorf("%d looks: it does not look at the snapshot", n)
			}
			d.close(t)
			if lines := d.log.lines("level=WARN"); len(lines) > 0 {
				t.Errorf("warned %q", lines)
			}
		}
		s.expect(t, "0:x")
	})
}

// A body that was damaged is found by the next life, whatever the metadata say.
func TestADamagedSnapshotIsRepaired(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage func([]byte) []byte
		cause  string
	}{
		"flipped": {flip, "its SHA-256 is"},
		"cut off": {func(body []byte) []byte { return body[:len(body)/2] }, "its SHA-256 is"},
		"emptied": {func([]byte) []byte { return nil }, "its SHA-256 is"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open("a", nil)
				d.offer("x")
				d.close(t)
				version := s.spoil(t, test.damage)
				before := s.count(readSnapshot)
				d = s.open("a", nil)
				d.offer("x")
				time.Sleep(time.Hour)
				if reads, asked := s.count(readSnapshot)-before, d.refreshes.Load(); reads != 1 || asked != 1 {
					t.Errorf("%d reads, and the control plane was asked %d times", reads, asked)
				}
				s.expect(t, "0:x")
				s.expectIntact(t, "x")
				lines := d.log.lines("level=WARN")
				if len(lines) != 1 || !strings.Contains(lines[0], "key="+testKey) || !strings.Contains(lines[0], "version="+version) || !strings.Contains(lines[0], test.cause) {
					t.Errorf("warned %q, want one line that names %s", lines, version)
				}
				d.close(t)
			})
		})
	}
}

// A whole object with a right checksum may still be no configuration.
func TestASnapshotThatWasWrittenAsGarbageIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		sum := sha256.Sum256([]byte(`{"services":[`))
		noted := Bookkeeping{Hash: "x", Exporter: "b", Life: "l", Epoch: election.Epoch{Term: 41, Write: 7}, SHA256: hex.EncodeToString(sum[:])}
		s.put(t, testKey, `{"services":[`, noted.metadata())
		s.forget()
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Minute)
		s.expectIntact(t, "x")
		if epoch := ReadBookkeeping(s.snapshot(t).Info).Epoch; epoch.Term != 42 {
			t.Errorf("epoch %s after 41.7", epoch)
		}
		if lines := d.log.lines("level=WARN"); len(lines) != 1 || !strings.Contains(lines[0], "not one complete JSON value") {
			t.Errorf("warned %q", lines)
		}
		d.close(t)
	})
}

func TestALeaderRepairsWhatIsDamagedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", nil)
		d.offer("x")
		version := s.spoil(t, flip)
		time.Sleep(DefaultCheck + time.Second)
		s.expectIntact(t, "x")
		if lines := d.log.lines("is damaged"); len(lines) != 1 || !strings.Contains(lines[0], "version="+version) {
			t.Errorf("warned %q", lines)
		}
		if status := d.exporter.Status(); status.Role != Leader || status.Takeovers != 1 {
			t.Errorf("status %+v", status)
		}
		d.close(t)
	})
}

// Without its control plane a backup node cannot know what to put in the place of what
// another wrote.
func TestADamagedSnapshotIsLeftWithoutAControlPlane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", nil)
		d.offer("x")
		d.close(t)
		s.spoil(t, flip)
		d = s.open("a", nil)
		d.exporter.Online(false)
		d.offer("x")
		time.Sleep(time.Hour)
		s.expect(t)
		d.exporter.Online(true)
		time.Sleep(time.Minute)
		s.expectIntact(t, "x")
		d.close(t)
	})
}

// What cannot be checked is believed where that is for good, and replaced where the next
// reader would fail as well.
func TestASnapshotThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		failure  func(read int) error
		maxBytes int64
		reads    int
		replaced bool
		warning  string
	}{
		"denied":       {failure: failTimes(always, bucket.ErrDenied), reads: 1, warning: "cannot be checked"},
		"too large":    {maxBytes: 20, reads: 1, warning: "cannot be checked"},
		"never whole":  {failure: failTimes(always, bucket.ErrIncomplete), reads: enoughReads, replaced: true, warning: "is damaged"},
		"not at first": {failure: failTimes(enoughReads-1, bucket.ErrUnavailable), reads: enoughReads},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open("a", nil)
				d.offer("x")
				d.close(t)
				s.forget()
				if test.failure != nil {
					s.answerReads(test.failure)
				}
				d = s.open("a", func(o *ExporterOptions) { o.MaxBytes = test.maxBytes })
				d.offer("x")
				time.Sleep(time.Hour)
				if n := s.count(readSnapshot); n != test.reads {
					t.Errorf("%d reads, want %d", n, test.reads)
				}
				if replaced := len(s.uploads()) == 1; replaced != test.replaced {
					t.Errorf("stored %v", s.uploads())
				}
				lines := d.log.lines("level=WARN")
				if (len(lines) == 1) != (test.warning != "") || len(lines) > 1 || len(lines) == 1 && !strings.Contains(lines[0], test.warning) {
					t.Errorf("warned %q", lines)
				}
				if status := d.exporter.Status(); status.Role != Leader || status.ExportedHash != "x" || status.LastError != "" {
					t.Errorf("status %+v", status)
				}
				d.close(t)
			})
		})
	}
}

const always = math.MaxInt

// A large snapshot may take the longer to read, as it may to upload.
func TestALargeSnapshotIsReadWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		name := strings.Repeat("x", 10<<20)
		d := s.open("a", nil)
		d.offer(name)
		d.close(t)
		s.forget()
		s.Before = func(ctx context.Context, call buckettest.Call) error {
			if call.Kind+" "+call.Key == readSnapshot {
				return sleep(ctx, 39*time.Second)
			}
			return s.before(ctx, call)
		}
		d = s.open("a", nil)
		d.offer(name)
		time.Sleep(time.Hour)
		if n := len(s.uploads()); n > 0 {
			t.Errorf("it was written %d times again", n)
		}
		if n := s.count(readSnapshot); n != 1 {
			t.Errorf("%d reads", n)
		}
		d.close(t)
	})
}

// vast says of every object that it is larger than any.
type vast struct{ bucket.Bucket }

func (v vast) Head(ctx context.Context, key string) (bucket.Info, error) {
	info, err := v.Bucket.Head(ctx, key)
	info.Size = 10 << 30 // of which nothing is read
	return info, err
}

func TestASnapshotThatIsVastCannotBeChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", nil)
		d.offer("x")
		d.close(t)
		s.forget()
		d = s.open("a", func(o *ExporterOptions) { o.Bucket, o.MaxBytes = vast{o.Bucket}, 20 })
		d.offer("x")
		time.Sleep(time.Hour)
		if n := s.count(readSnapshot); n != 1 || len(s.uploads()) > 0 {
			t.Errorf("%d reads, stored %v", n, s.uploads())
		}
		if lines := d.log.lines("level=WARN"); len(lines) != 1 || !strings.Contains(lines[0], "cannot be checked") {
			t.Errorf("warned %q", lines)
		}
		d.close(t)
	})
}

// failTimes fails the first reads.
func failTimes(times int, err error) func(int) error {
	return func(read int) error {
		if read <= times {
			return fmt.Errorf("get: %w", err)
		}
		return nil
	}
}

// What a real Kong node wrote has no metadata of ours: the content tells.
func TestASnapshotOfAnotherGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.put(t, testKey, string(tableOf("x")), nil)
		s.forget()
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Hour)
		s.expect(t)
		if n := s.count("get " + testKey); n != 1 {
			t.Errorf("it was read %d times", n)
		}
		if status := d.exporter.Status(); status.ExportedHash != "x" || status.PendingHash != "" {
			t.Errorf("status %+v", status)
		}
		s.fail = func(attempt int) error {
			if attempt == 1 {
				return bucket.ErrUnavailable // so that it is looked at once more
			}
			return nil
		}
		d.offer("y")
		time.Sleep(time.Second)
		if n := s.count("get " + testKey); n != 1 {
			t.Errorf("the same version was read %d times", n)
		}
		if got := nameOf(s.snapshot(t).Body); got != "y" {
			t.Errorf("the store holds %q", got)
		}
		d.close(t)
	})
}

// A copy of the object that lost its metadata still tells its epoch.
func TestASnapshotWithoutItsMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		noted := Bookkeeping{Epoch: election.Epoch{Term: 41, Write: 7}, Exporter: "b", Life: "l"}
		s.put(t, testKey, `{"_comment":"`+noted.comment()+`","services":[{"name":"x"}]}`, nil)
		s.forget()
		d := s.open("a", nil)
		d.offer("y")
		if got := ReadBookkeeping(s.snapshot(t).Info); got.Epoch.Term != 42 || got.Hash != "y" {
			t.Errorf("noted %+v", got)
		}
		d.close(t)
	})
}

// What is no lease is held by nobody, and runs out.
func TestALeaseThatIsGarbageIsReplaced(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{"empty": "", "no JSON": "<html>", "too large": strings.Repeat("{", maxLease+1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.put(t, leaseKey, garbage, nil)
				d := s.open("a", nil)
				d.offer("x")
				time.Sleep(DefaultLease - time.Second)
				s.expect(t) // it might be a lease of a later version
				time.Sleep(DefaultLease)
				if status := d.exporter.Status(); status.Role != Leader || status.ExportedHash != "x" || status.LastError != "" {
					t.Errorf("status %+v", status)
				}
				d.close(t)
				if lines := d.log.lines("level=ERROR"); len(lines) > 0 {
					t.Errorf("errors %q", lines)
				}
			})
		})
	}
}

func TestASnapshotThatIsGarbageIsReplaced(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{"empty": "", "no JSON": "<html>", "cut gzip": "\x1f\x8b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.put(t, testKey, garbage, nil)
				d := s.open("a", nil)
				d.offer("x")
				time.Sleep(time.Minute)
				if got := nameOf(s.snapshot(t).Body); got != "x" {
					t.Errorf("the store holds %q", got)
				}
				d.close(t)
			})
		})
	}
}
