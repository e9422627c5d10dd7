// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package publication_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/publication"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

// patience bounds a transaction. Nothing here is about time, and thousands of rows take
// more than a minute under the race detector beside other packages.
const patience = 10 * time.Minute

func open(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "blackout.db"), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func put(t rapid.TB, db *store.Store, schema *entity.Schema, input entity.Record) {
	t.Helper()
	record, err := schema.Complete(input)
	if err != nil {
		t.Fatalf("%v: %v", input, err)
	}
	err = db.Alter(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		old, err := tx.Get(ctx, schema, store.ID(record.ID()))
		if err != nil {
			return err
		}
		return tx.Put(ctx, schema, record, old)
	})
	if err != nil {
		t.Fatalf("put %v: %v", input, err)
	}
}

// follow lets the builder catch up with the database, and compares what it makes
// with what the database exports as a whole.
func follow(t rapid.TB, db *store.Store, builder *publication.Builder) *publication.Configuration {
	t.Helper()
	delta, err := db.Since(context.Background(), builder.Position())
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := builder.Apply(delta); err != nil {
		t.Fatalf("%v", err)
	}
	made, err := builder.Make(time.UnixMilli(1_700_000_000_123))
	if err != nil {
		t.Fatalf("%v", err)
	}
	snapshot, err := storetest.Export(context.Background(), db, time.Now())
	if err != nil {
		t.Fatalf("%v", err)
	}
	if want := entity.Hash(snapshot.Table); made.Hashes != want {
		t.Errorf("hashes: got %v, want %v", made.Hashes, want)
	}
	if made.Entities != snapshot.Entities || made.Empty != (&entity.Table{All: snapshot.Table}).IsEmpty() {
		t.Errorf("%d entities, empty %v; the database has %d", made.Entities, made.Empty, snapshot.Entities)
	}
	message, err := hybrid.DecodeReconfigure(made.Frame)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if message.Type != "reconfigure" || message.Timestamp != 1_700_000_000.123 || message.Hash != made.Hashes.Config || *message.Hashes != made.Hashes {
		t.Errorf("the message is %q of %v with %s, %v", message.Type, message.Timestamp, message.Hash, message.Hashes)
	}
	want, err := json.Marshal(snapshot.Table)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for from, table := range map[string][]byte{"the frame": message.Table, "the table": made.Table()} {
		if !equalJSON(t, table, want) {
			t.Errorf("%s holds %.3000s, want %.3000s", from, table, want)
		}
	}
	return made
}

func equalJSON(t rapid.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatalf("%v: %.300s", err, a)
	}
	return reflect.DeepEqual(x, y)
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

func reference(n int) map[string]any { return map[string]any{"id": id(n)} }

// TestWhateverHappensItIsWhatTheDatabaseHolds: after any changes, followed at any
// times, the builder makes what a whole export makes.
func TestWhateverHappensItIsWhatTheDatabaseHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		db, builder := open(t), &publication.Builder{}
		services := map[int]bool{}
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			n := rapid.IntRange(1, 9).Draw(r, "which")
			switch rapid.SampledFrom([]string{"service", "service", "route", "plugin", "delete", "follow"}).Draw(r, "what") {
			case "service":
				put(r, db, entity.Services, entity.Record{"id": id(n), "host": "h", "tags": []any{rapid.SampledFrom([]string{"a", "b<&>", "ü"}).Draw(r, "tag")},
					"name": fmt.Sprint("s", n), "enabled": rapid.Bool().Draw(r, "enabled")})
				services[n] = true
			case "route":
				if services[n] {
					put(r, db, entity.Routes, entity.Record{"id": id(100 + n), "paths": []any{"/"}, "service": reference(n)})
				}
			case "plugin":
				if services[n] {
					put(r, db, entity.Plugins, entity.Record{"id": id(200 + n), "name": "key-auth", "service": reference(n), "enabled": rapid.Bool().Draw(r, "enabled")})
				}
			case "delete":
				schema, which := entity.Routes, id(100+n)
				if rapid.Bool().Draw(r, "plugin") {
					schema, which = entity.Plugins, id(200+n)
				}
				if _, err := db.Delete(context.Background(), schema, store.ID(which)); err != nil {
					r.Fatal(err)
				}
			case "follow":
				follow(r, db, builder)
			}
		}
		follow(r, db, builder)
	})
}

// many are rows that need several pieces, and a hash that is folded.
func many(t *testing.T, db *store.Store, count int) {
	t.Helper()
	put(t, db, entity.Services, entity.Record{"id": id(0), "host": "h", "name": "s"})
	err := db.Alter(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for n := 1; n <= count; n++ {
			record, err := entity.Routes.Complete(entity.Record{"id": id(n), "paths": []any{fmt.Sprintf("/%d", n)}, "service": reference(0)})
			if err != nil {
				return err
			}
			if err := tx.Put(ctx, entity.Routes, record, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyRows(t *testing.T) {
	t.Parallel()
	db, builder := open(t), &publication.Builder{}
	many(t, db, 3000)
	first := follow(t, db, builder)
	put(t, db, entity.Routes, entity.Record{"id": id(1500), "paths": []any{"/new"}, "service": reference(0)})
	put(t, db, entity.Routes, entity.Record{"id": id(2_000_000), "paths": []any{"/added"}, "service": reference(0)})
	if _, err := db.Delete(t.Context(), entity.Routes, store.ID(id(1))); err != nil {
		t.Fatal(err)
	}
	second := follow(t, db, builder)
	if first.Hashes.Routes == second.Hashes.Routes || first.Hashes.Services != second.Hashes.Services {
		t.Errorf("hashes before %v, after %v", first.Hashes, second.Hashes)
	}
	fresh := follow(t, db, &publication.Builder{})
	if !bytes.Equal(fresh.Frame, second.Frame) {
		t.Error("the frame depends on its history")
	}
	if whole := wholeSize(t, second.Frame); len(second.Frame) > whole*11/10 {
		t.Errorf("in pieces the frame has %d bytes, as a whole %d", len(second.Frame), whole)
	}
}

// wholeSize is how large a frame would be, compressed as one.
func wholeSize(t *testing.T, frame []byte) int {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader) // checks the sum
	if err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	writer := gzip.NewWriter(&whole)
	_, err = writer.Write(text)
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return whole.Len()
}

// TestWhatDoesNotAddUpIsReadAgain: entities that were taken away behind the
// gateway's back are noticed, and the next reading is whole.
func TestWhatDoesNotAddUpIsReadAgain(t *testing.T) {
	t.Parallel()
	db, builder := open(t), &publication.Builder{}
	many(t, db, 2)
	follow(t, db, builder)
	delta, err := db.Since(t.Context(), builder.Position())
	if err != nil {
		t.Fatal(err)
	}
	delta.Entities--
	if err := builder.Apply(delta); !errors.Is(err, publication.ErrIncomplete) || !strings.Contains(err.Error(), "3 entities are known, the database has 2") {
		t.Errorf("got %v", err)
	}
	if delta, err = db.Since(t.Context(), builder.Position()); err != nil || !delta.Whole {
		t.Errorf("got %v, %v; want everything", delta, err)
	}
}
