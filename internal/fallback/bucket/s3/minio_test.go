// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"testing"
	"time"

	"blackout/internal/miniotest"

	"github.com/minio/minio-go/v7"
)

// TestSnapshotThroughMinIO shows that uploads are what a real server accepts:
// signed digest, MD5 and SHA-256 checksums at once.
func TestSnapshotThroughMinIO(t *testing.T) {
	t.Parallel()
	endpoint := "http://" + miniotest.Start(t)
	opened, err := Open(t.Context(), "s3://backup/p", environment(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := opened.(*s3Store).core.MakeBucket(t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := importer(opened).Import(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("import from an empty bucket: %v", err)
	}
	etag, err := opened.Put(t.Context(), "p/1.0/config.json", []byte(testTable), Metadata{Hash: "h1", Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := importer(opened).Import(t.Context())
	if err != nil || string(snapshot.ConfigTable) != testTable || snapshot.ETag != etag {
		t.Errorf("import: %q %q %v", snapshot.ConfigTable, snapshot.ETag, err)
	}
	object, err := opened.Get(t.Context(), "p/1.0/config.json", DefaultMaxBytes)
	if err != nil || object.Metadata.Hash != "h1" || object.Metadata.SHA256 == "" {
		t.Errorf("metadata %+v, %v", object.Metadata, err)
	}
	encrypting, err := Open(t.Context(), "s3://backup/p", environment(endpoint), WithS3Config(`{"ServerSideEncryption":"AES256"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer encrypting.Close()
	if _, err := encrypting.Put(t.Context(), "k", []byte(testTable), Metadata{}); err == nil {
		t.Error("a server without keys encrypted")
	}
}
