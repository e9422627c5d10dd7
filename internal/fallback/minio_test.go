// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// minIOVariable names a MinIO binary.
const minIOVariable = "BLACKOUT_MINIO"

// TestSnapshotThroughMinIO shows that uploads are what a real server accepts:
// signed digest, MD5 and SHA-256 checksums at once.
func TestSnapshotThroughMinIO(t *testing.T) {
	t.Parallel()
	binary := os.Getenv(minIOVariable)
	if binary == "" {
		t.Skipf("set %s to a MinIO server's path to test against it", minIOVariable)
	}
	endpoint := startMinIO(t, binary)
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

// startMinIO starts a server that ends with the test, and waits until it is up.
func startMinIO(t *testing.T, binary string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), binary, "server", "--address", address, t.TempDir())
	process.Env = append(os.Environ(), "MINIO_ROOT_USER=root-user", "MINIO_ROOT_PASSWORD=root-password")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It is killed with the test's context; its exit status says just that.
		_ = process.Wait()
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 300 {
		response, err := http.Get("http://" + address + "/minio/health/live")
		if err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK {
			return "http://" + address
		}
		<-tick.C
	}
	t.Fatal("minio did not come up")
	return ""
}
