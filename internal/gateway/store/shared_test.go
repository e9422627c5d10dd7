// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/pgtest"
	"blackout/internal/gateway/store"
)

// testSharedDatabase: a control plane is told what another one changed, and not
// what it found when it began, what it changed itself, or what is not exported.
func testSharedDatabase(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	theirs := open(t, options)
	create(t, theirs, entity.Services, entity.Record{"name": "before", "host": "h"})
	mine := open(t, options)
	looked, stop := watch(t, mine)
	defer stop()
	quiet := func(what string) {
		t.Helper()
		for range 5 {
			<-looked
		}
		select {
		case <-mine.Changes():
			t.Errorf("told of %s", what)
		default:
		}
	}
	quiet("what it found when it began")
	create(t, mine, entity.Services, entity.Record{"name": "a", "host": "h"})
	<-mine.Changes()
	if err := theirs.SaveDataPlanes(t.Context(), []store.DataPlane{{ID: "x"}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	quiet("its own change again, or a data plane's row")
	create(t, theirs, entity.Services, entity.Record{"name": "b", "host": "h"})
	expectChange(t, mine, "another's change")
}

// testAnotherHistory: while a control plane could not see its database, that was
// put back to an earlier state, and another one brought it to the same revision.
func testAnotherHistory(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	mine, theirs := open(t, options), open(t, options)
	create(t, mine, entity.Services, entity.Record{"name": "lost", "host": "h"})
	<-mine.Changes()
	behindItsBack(t, options, `DELETE FROM uniques`, `DELETE FROM entities`, `DELETE FROM touched`, `DELETE FROM marks`,
		`UPDATE revision SET number = 0, mark = ''`)
	create(t, theirs, entity.Services, entity.Record{"name": "new", "host": "h"})
	_, stop := watch(t, mine)
	defer stop()
	expectChange(t, mine, "another history of its database")
}

// watch lets a store look for changes until stop; each look is told.
func watch(t *testing.T, s *store.Store) (looked <-chan struct{}, stop func()) {
	t.Helper()
	looks := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		s.Watch(ctx, time.Millisecond, func(err error) {
			if err != nil {
				t.Error(err)
			}
			select {
			case looks <- struct{}{}:
			default:
			}
		})
	})
	return looks, func() { cancel(); watching.Wait() }
}

func expectChange(t *testing.T, s *store.Store, what string) {
	t.Helper()
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	select {
	case <-s.Changes():
	case <-patience.C:
		t.Errorf("not told of %s", what)
	}
}

// testDataPlanesOfTwoControlPlanes: both know the same data planes, which have gone
// from one to the other.
func testDataPlanesOfTwoControlPlanes(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	rows := make([]store.DataPlane, 100)
	for i := range rows {
		rows[i].ID = fmt.Sprintf("dp-%03d", i)
	}
	backwards := slices.Clone(rows)
	slices.Reverse(backwards)
	var saving sync.WaitGroup
	for _, ordered := range [][]store.DataPlane{rows, backwards} {
		s := open(t, options)
		saving.Go(func() {
			for range 5 {
				if err := s.SaveDataPlanes(t.Context(), ordered, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	saving.Wait()
}

// TestWritersTakeTurnsWhateverTheServersDefault: a server may give transactions a
// snapshot from before their turn unless they ask for none.
func TestWritersTakeTurnsWhateverTheServersDefault(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	testTwoControlPlanes(t, func(t *testing.T) store.Options {
		options := store.Options{Postgres: server.NewDatabase(t)}
		behindItsBack(t, options, fmt.Sprintf(`ALTER DATABASE %q SET default_transaction_isolation = 'serializable'`, options.Postgres.Database))
		return options
	})
}
