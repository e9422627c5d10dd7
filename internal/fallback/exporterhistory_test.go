// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
	"blackout/internal/miniotest"
)

// TestElectionOnMinIO has backup nodes export to one versioned bucket while their
// requests are delayed, their answers lost and their lives cut short, and reads the
// whole history of the snapshot from the store: its epochs rise, no term has two
// writers, no configuration is replaced by an older one, and the newest one is there in
// the end.
func TestElectionOnMinIO(t *testing.T) {
	t.Parallel()
	endpoint := "http://" + miniotest.Start(t)
	makeBucket(t, endpoint)
	observer, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(miniotest.User, miniotest.Password, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := observer.EnableVersioning(t.Context(), exportBucket); err != nil {
		t.Fatal(err)
	}
	const nodes, generations = 4, 150
	plane := &source{}
	random := rand.New(rand.NewPCG(7, 0))
	fleet := make([]*backupNode, nodes)
	for i := range fleet {
		fleet[i] = startBackupNode(t, endpoint, fmt.Sprintf("node-%d", i), plane, random.Uint64())
	}
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for generation := range generations {
		<-tick.C
		plane.publish()
		for _, node := range fleet {
			node.offer()
		}
		if generation%25 != 24 {
			continue
		}
		for i, node := range fleet {
			if node.exporter.Status().Role == fallback.Leader {
				node.kill()
				fleet[i] = startBackupNode(t, endpoint, fmt.Sprintf("node-%d-of-%d", i, generation), plane, random.Uint64())
			}
		}
	}
	for _, node := range fleet {
		node.store.calm()
	}
	history := awaitGeneration(t, observer, generations)
	for _, node := range fleet {
		node.kill()
	}
	var top election.Epoch
	writers, newest := map[uint64]string{}, 0
	for _, version := range history {
		noted := version.noted
		if noted.Epoch.Compare(top) <= 0 {
			t.Errorf("epoch %s comes after %s", noted.Epoch, top)
		}
		if before, taken := writers[noted.Epoch.Term]; taken && before != noted.Life {
			t.Errorf("term %d has two writers: %s and %s", noted.Epoch.Term, before, noted.Life)
		}
		generation, err := strconv.Atoi(noted.Hash)
		if err != nil || generation < newest {
			t.Errorf("generation %q comes after %d", noted.Hash, newest)
		}
		top, writers[noted.Epoch.Term], newest = noted.Epoch, noted.Life, generation
	}
	if len(writers) < 3 {
		t.Errorf("%d terms: the history shows nothing", len(writers))
	}
	t.Logf("%d snapshots in %d terms up to epoch %s", len(history), len(writers), top)
}

// source is a control plane's configuration.
type source struct {
	mu         sync.Mutex
	generation int
}

func (s *source) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
}

func (s *source) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// backupNode is an exporter with its control plane and its way to the store.
type backupNode struct {
	exporter *fallback.Exporter
	store    *unsteady
	plane    *source
	stop     context.CancelFunc
	ended    chan struct{}

	mu     sync.Mutex
	mark   uint64 // of its connection to the control plane
	latest int
}

func startBackupNode(t *testing.T, endpoint, id string, plane *source, seed uint64) *backupNode {
	t.Helper()
	opened, err := openExportBucket(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	n := &backupNode{plane: plane, ended: make(chan struct{}), store: &unsteady{Bucket: opened, random: rand.New(rand.NewPCG(seed, 0))}}
	n.exporter = fallback.NewExporter(fallback.ExporterOptions{Bucket: n.store, Key: exportKey, NodeID: id, Name: id, Seed: seed,
		Delay: 30 * time.Millisecond, Lease: 700 * time.Millisecond, RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
		FlushTimeout: time.Millisecond, Refresh: n.reconnect, Log: slog.New(slog.DiscardHandler)})
	var ctx context.Context
	ctx, n.stop = context.WithCancel(t.Context())
	go func() {
		defer close(n.ended)
		_ = n.exporter.Run(ctx) // what is pending when it is killed is lost
	}()
	n.exporter.Online(true)
	return n
}

// offer gives the exporter what the control plane has, over the connection there is.
func (n *backupNode) offer() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latest = max(n.latest, n.plane.now())
	if n.latest > 0 {
		n.exporter.Offer(generationTable(n.latest, 100), strconv.Itoa(n.latest), n.mark)
	}
}

// reconnect asks the control plane anew.
func (n *backupNode) reconnect() {
	n.mu.Lock()
	n.mark = n.exporter.Mark()
	n.mu.Unlock()
	n.offer()
}

// kill ends a node: nothing of it reaches the store from now on, but what is under
// way.
func (n *backupNode) kill() {
	n.store.cut()
	n.stop()
	<-n.ended
}

// unsteady is a way to a store that delays requests and loses answers.
type unsteady struct {
	bucket.Bucket

	mu          sync.Mutex
	random      *rand.Rand
	steady, end bool
}

var errLost = fmt.Errorf("%w: the answer was lost", bucket.ErrUnavailable)

func (u *unsteady) calm() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.steady = true
}

func (u *unsteady) cut() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.end = true
}

// fate draws what becomes of a request.
func (u *unsteady) fate() (delay time.Duration, refused, lost bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.steady || u.end {
		return 0, u.end, false
	}
	if u.random.IntN(6) == 0 {
		delay = time.Duration(u.random.IntN(1200)) * time.Millisecond
	}
	return delay, u.random.IntN(20) == 0, u.random.IntN(8) == 0
}

func (u *unsteady) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	return through(u, func() (bucket.Object, error) { return u.Bucket.Get(ctx, key, limit) })
}

func (u *unsteady) Head(ctx context.Context, key string) (bucket.Info, error) {
	return through(u, func() (bucket.Info, error) { return u.Bucket.Head(ctx, key) })
}

func (u *unsteady) Put(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (string, error) {
	ctx = context.WithoutCancel(ctx) // it takes effect though nobody waits for it
	return through(u, func() (string, error) { return u.Bucket.Put(ctx, key, body, options) })
}

// through sends a request. One whose delay is long is given up before it is sent,
// and takes effect later.
func through[T any](u *unsteady, send func() (T, error)) (T, error) {
	var none T
	delay, refused, lost := u.fate()
	if refused {
		return none, errLost
	}
	if delay > 600*time.Millisecond {
		time.AfterFunc(delay, func() { _, _ = send() }) // nobody waits for its answer
		return none, errLost
	}
	<-time.After(delay)
	answer, err := send()
	if err == nil && lost {
		return none, errLost
	}
	return answer, err
}

// snapshotVersion is one of the snapshots that the store has kept.
type snapshotVersion struct {
	id    string
	noted fallback.Bookkeeping
}

// awaitGeneration waits until the newest snapshot is of a generation, and returns all
// snapshots that there were, the oldest first.
func awaitGeneration(t *testing.T, observer *minio.Client, generation int) []snapshotVersion {
	t.Helper()
	deadline := time.After(time.Minute)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		history, err := snapshotHistory(t.Context(), observer)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(history); n > 0 && history[n-1].noted.Hash == strconv.Itoa(generation) {
			return history
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("generation %d is not in the store: %d snapshots", generation, len(history))
		}
	}
}

func snapshotHistory(ctx context.Context, observer *minio.Client) ([]snapshotVersion, error) {
	var all []snapshotVersion
	var errs []error
	for object := range observer.ListObjects(ctx, exportBucket, minio.ListObjectsOptions{Prefix: exportKey, WithVersions: true}) {
		info, err := observer.StatObject(ctx, exportBucket, exportKey, minio.StatObjectOptions{VersionID: object.VersionID})
		errs = append(errs, object.Err, err)
		metadata := map[string]string{}
		for name, value := range info.UserMetadata {
			metadata[strings.ToLower(name)] = value
		}
		all = append(all, snapshotVersion{object.VersionID, fallback.ReadBookkeeping(bucket.Info{Metadata: metadata})})
	}
	slices.Reverse(all) // a store lists the newest version first
	return all, errors.Join(errs...)
}
