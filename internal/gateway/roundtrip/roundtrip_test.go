// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package roundtrip proves that a configuration survives its way through the
// fallback: from a control plane over the wire to the exporter, into a bucket, to
// the importer and into force at a data plane. The hash is the same, the same
// requests get the same answers, the same keys are taken and refused, and the
// export of what was imported is the same again.
//
//	go test ./internal/gateway/roundtrip -v                      # prints how many cases there were
//	go test ./internal/gateway/roundtrip -run … -rapid.seed=…    # replays one that failed
package roundtrip_test

import (
	"bytes"
	"context"
	"crypto/sha1" // #nosec G505 -- as Kong keeps passwords
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/entity/entitytest"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/publication"
	"blackout/internal/gateway/store"
)

// tally counts what was tried.
type tally struct{ cases, entities, requests atomic.Int64 }

func (c *tally) report(t *testing.T) {
	t.Logf("round trips: %d configurations, %d entities, %d requests", c.cases.Load(), c.entities.Load(), c.requests.Load())
	if c.cases.Load() == 0 {
		t.Error("nothing was tried")
	}
}

// shards is how often rapid is called: each time for -rapid.checks (100) cases.
// Under the race detector there are fewer, and the largest sizes are left out.
var shards = map[bool]int{false: 20, true: 2}[raceDetector]

func TestRoundTripOfGeneratedConfigurations(t *testing.T) {
	t.Parallel()
	var count tally
	upstream := backend(t)
	t.Run("cases", func(t *testing.T) {
		for i := range shards {
			if testing.Short() && i > 0 {
				break
			}
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				trip := newTrip(t, upstream, &count)
				rapid.Check(t, trip.generated)
			})
		}
	})
	count.report(t)
}

// generated takes one generated configuration all the way.
func (r *trip) generated(t *rapid.T) {
	source := entitytest.Drawn(t)
	made := entitytest.Make(source, entitytest.Options{Backend: r.upstream, Size: 24})
	message := publish(t, made, source)
	r.check(t, message, made)
}

// publish makes the message that a control plane sends: ours, or one of another
// edition, with workspaces, unknown fields and unknown types.
func publish(t rapid.TB, made *entitytest.Database, source entitytest.Source) hybrid.Reconfigure {
	t.Helper()
	form := source(5)
	if form == 0 {
		return published(t, made)
	}
	table := entity.NewTable(made.Rows)
	if form == 2 || form == 3 {
		table = entitytest.TwoWorkspaces(jsonOf(t, table), source(2) == 1)
	}
	if form != 2 {
		table = entitytest.Foreign(source, jsonOf(t, table))
	}
	return foreign(t, table)
}

// published is what our control plane makes of its database.
func published(t rapid.TB, made *entitytest.Database) hybrid.Reconfigure {
	t.Helper()
	delta := store.Delta{Whole: true, Workspaces: made.Rows["workspaces"], Parameters: made.Rows["parameters"], Entities: made.Entities()}
	for kind, records := range made.Rows {
		if kind == "workspaces" || kind == "parameters" {
			continue
		}
		for _, record := range records {
			delta.Rows = append(delta.Rows, store.Row{Kind: kind, ID: record.ID(), Body: encode(t, record), Expires: int64(record.Integer("ttl"))})
		}
	}
	var builder publication.Builder
	if err := builder.Apply(&delta); err != nil {
		t.Fatalf("%v", err)
	}
	configuration, err := builder.Make(time.Now())
	if err != nil {
		t.Fatalf("%v", err)
	}
	message := decodeFrame(t, configuration.Frame)
	if !bytes.Equal(configuration.Table(), message.Table) {
		t.Fatalf("a control plane exports\n%s\nand sends\n%s", configuration.Table(), message.Table)
	}
	return message
}

// foreign is the message that carries a table.
func foreign(t rapid.TB, table map[string]any) hybrid.Reconfigure {
	t.Helper()
	raw := encode(t, table)
	return decodeFrame(t, clustertest.Frame(t, raw, entity.Hash(decode(t, raw)), time.Now()))
}

// check takes a message all the way, and compares at each step.
func (r *trip) check(t rapid.TB, message hybrid.Reconfigure, made *entitytest.Database) {
	t.Helper()
	r.count.cases.Add(1)
	sent := decode(t, message.Table)
	if hash := entity.Hash(sent).Config; hash != message.Hash {
		t.Fatalf("the control plane sends the hash %s with a table whose hash is %s", message.Hash, hash)
	}
	if made.Entities() == 0 || holdsNothing(sent) {
		r.first.refuses(t, message.Table, message.Hash)
		return
	}
	r.count.entities.Add(int64(made.Entities()))
	stored := r.first.export(t, message.Table, message.Hash)
	same(t, "the object in the bucket", stored, message)
	imported := r.first.read(t)
	same(t, "what is imported", imported, message)

	served := r.serve(t, imported)
	defer served.Close()
	if hashes, err := served.table.Hashes(); err != nil || hashes.Config != message.Hash {
		t.Fatalf("the data plane has the hash %s (%v), the control plane %s", hashes.Config, err, message.Hash)
	}
	probes := append(entitytest.Probes(sent, time.Now()), entitytest.Absent(made, sent)...)
	for i := range probes {
		served.ask(t, &probes[i])
	}
	r.count.requests.Add(served.sent)
	passwords(t, served.table, made)

	again := r.second.export(t, served.table.Raw, message.Hash)
	same(t, "the export of the import", again, message)
}

// holdsNothing says whether there is nothing but bookkeeping in a table.
func holdsNothing(table map[string]any) bool { return (&entity.Table{All: table}).IsEmpty() }

// same compares a table with the one that was sent: by the hash, and byte by byte
// once both are in canonical form (RFC 8785).
func same(t rapid.TB, what string, table []byte, message hybrid.Reconfigure) {
	t.Helper()
	if hash := hashOf(decode(t, table)); hash != message.Hash {
		t.Fatalf("%s has the hash %s, want %s", what, hash, message.Hash)
	}
	if got, want := canonical(t, table), canonical(t, message.Table); !bytes.Equal(got, want) {
		t.Fatalf("%s is\n%s\nwant\n%s", what, got, want)
	}
}

// hashOf is the hash of a table, without what an exporter noted in it.
func hashOf(table map[string]any) string {
	delete(table, "_comment")
	return entity.Hash(table).Config
}

// passwords checks that the basic-auth credentials still take their passwords, and
// no other: a hash that is hashed once more takes none.
func passwords(t rapid.TB, table *entity.Table, made *entitytest.Database) {
	t.Helper()
	for _, row := range table.Rows("basicauth_credentials") {
		password, known := made.Passwords[row.ID()]
		if !known {
			continue // of the second workspace, whose consumers have other ids
		}
		sum := sha1.Sum([]byte(password + row.Reference("consumer"))) // #nosec G401 -- as above
		if row.Text("password") != hex.EncodeToString(sum[:]) {
			t.Fatalf("the basic-auth credential %s does not take its password any more", row.ID())
		}
	}
}

// TestRoundTripOfSizes takes configurations of 1 to 100 000 entities all the way.
func TestRoundTripOfSizes(t *testing.T) {
	t.Parallel()
	var count tally
	upstream := backend(t)
	for _, size := range []int{1, 10, 100, 1_000, 10_000, 100_000} {
		if testing.Short() && size > 1_000 || raceDetector && size > 1_000 {
			break
		}
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			trip := newTrip(t, upstream, &count)
			source := entitytest.Seeded(uint64(size))
			made := entitytest.Make(source, entitytest.Options{Backend: upstream, Size: 1, Least: size})
			trip.some = max(1, size/2_000)
			trip.check(t, published(t, made), made)
			if size == 10_000 {
				trip.check(t, foreign(t, entitytest.Foreign(source, entitytest.TwoWorkspaces(jsonOf(t, entity.NewTable(made.Rows)), false))), made)
			}
		})
	}
	count.report(t)
}

func encode(t rapid.TB, value any) []byte {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatalf("%v", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

func decode(t rapid.TB, text []byte) map[string]any {
	t.Helper()
	var table map[string]any
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatalf("%v", err)
	}
	return table
}

// jsonOf is a table as JSON decodes it.
func jsonOf(t rapid.TB, table map[string]any) map[string]any {
	t.Helper()
	return decode(t, encode(t, table))
}

func decodeFrame(t rapid.TB, frame []byte) hybrid.Reconfigure {
	t.Helper()
	message, err := hybrid.DecodeReconfigure(frame)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return message
}

// background is the context of requests to a bucket in memory.
func background() context.Context { return context.Background() }
