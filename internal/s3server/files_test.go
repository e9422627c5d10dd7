// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/minio/minio-go/v7"
)

func TestReplacedObjectKeepsNoMetadata(t *testing.T) {
	t.Parallel()
	root := client(t, serve(t, t.TempDir()), rootUser, rootPassword)
	makeBucket(t, root)
	if err := put(t.Context(), root, "k", "1", minio.PutObjectOptions{UserMetadata: map[string]string{"A": "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), root, "k", "2", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	info, err := root.StatObject(t.Context(), "backup", "k", minio.StatObjectOptions{})
	if err != nil || len(info.UserMetadata) != 0 {
		t.Errorf("metadata %v, %v", info.UserMetadata, err)
	}
}

func TestConditionalPut(t *testing.T) {
	t.Parallel()
	root := client(t, serve(t, t.TempDir()), rootUser, rootPassword)
	makeBucket(t, root)
	var create, stale minio.PutObjectOptions
	create.SetMatchETagExcept("*")
	stale.SetMatchETag("00000000000000000000000000000000")
	if err := put(t.Context(), root, "lock", "a", create); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]minio.PutObjectOptions{"create again": create, "stale": stale} {
		if got := code(put(t.Context(), root, "lock", "b", options)); got != "PreconditionFailed" {
			t.Errorf("%s: %q", name, got)
		}
	}
	info, err := root.StatObject(t.Context(), "backup", "lock", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var current minio.PutObjectOptions
	current.SetMatchETag(info.ETag)
	if err := put(t.Context(), root, "lock", "c", current); err != nil {
		t.Errorf("current: %v", err)
	}
}

func TestOneOfManyConditionalPutsWins(t *testing.T) {
	t.Parallel()
	backend, err := openFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.CreateBucket("backup"); err != nil {
		t.Fatal(err)
	}
	anything := "*"
	create := &gofakes3.PutConditions{IfNoneMatch: &anything}
	for round := range 50 {
		var won atomic.Int32
		var wait sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			wait.Go(func() {
				<-start
				_, err := backend.PutObject("backup", fmt.Sprint(round), nil, strings.NewReader("x"), 1, create)
				if err == nil {
					won.Add(1)
				} else if !gofakes3.HasErrorCode(err, gofakes3.ErrPreconditionFailed) {
					t.Error(err)
				}
			})
		}
		close(start)
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("%d uploads won", won.Load())
		}
	}
}

func TestReaderSeesWholeObjectsOnly(t *testing.T) {
	t.Parallel()
	root := client(t, serve(t, t.TempDir()), rootUser, rootPassword)
	makeBucket(t, root)
	bodies := map[string]bool{}
	for _, letter := range []string{"a", "b"} {
		bodies[strings.Repeat(letter, 300_000)] = true
	}
	write := func() error {
		for body := range bodies {
			if err := put(t.Context(), root, "k", body, minio.PutObjectOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for range 10 {
			err = errors.Join(err, write())
		}
		done <- err
	}()
	for {
		if body, err := get(t.Context(), root, "k"); err != nil || !bodies[body] {
			t.Errorf("a torn read: %d bytes, %v", len(body), err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
