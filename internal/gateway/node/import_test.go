// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/proxy"
	"blackout/internal/s3server"
)

const wait = 10 * time.Second // for a usable configuration, in these tests

// readings is a store that only tells when it was read.
type readings struct {
	bucket.Bucket
	at chan time.Time
}

func (r readings) Get(context.Context, string, int64) (bucket.Object, error) {
	r.at <- time.Now()
	return bucket.Object{}, errors.New("nothing here")
}

// newImporting is a data plane that may import and has no configuration yet.
func newImporting(t *testing.T, log *slog.Logger, cachePath string) (*dataPlane, readings) {
	store := readings{at: make(chan time.Time, 1)}
	dp := &dataPlane{log: log, configured: func() {}, proxy: proxy.New(proxy.Options{Log: log}), cache: cache.Cache{Path: cachePath, Version: "3.9.1"},
		imports: newImportState(wait)}
	dp.backup.importer = &fallback.Importer{Bucket: store, Key: "key", Log: log}
	dp.live, dp.setLive = context.WithCancel(t.Context())
	t.Cleanup(dp.proxy.Close)
	return dp, store
}

// A control plane that delivers and is lost at once leaves both signs behind;
// whichever is seen first, the store stays unread.
func TestALostControlPlaneThatDeliveredIsNoReasonToImport(t *testing.T) {
	t.Parallel()
	for range 100 {
		dp, store := newImporting(t, slog.New(slog.DiscardHandler), "")
		dp.setLive()
		dp.imports.fail()
		dp.importWhenNeeded(t.Context())
		if len(store.at) > 0 {
			t.Fatal("the store is read although a configuration is in force")
		}
	}
}

// slowLog takes an hour over what is logged under a name, and so stands for
// whatever is slow at that point.
type slowLog struct {
	slog.Handler
	at string
}

func (s slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (s slowLog) Handle(_ context.Context, record slog.Record) error {
	if record.Message == s.at {
		<-time.After(time.Hour) // of the bubble's clock
	}
	return nil
}

const (
	valid   = `{"_format_version":"3.0","parameters":[{"key":"cluster_id","value":"x"}]}`
	invalid = `{"_format_version":"9.0"}`
)

func message(table string) hybrid.Reconfigure {
	return hybrid.Reconfigure{Table: []byte(table), Hash: strings.Repeat("a", 32)}
}

func TestASlowlyAppliedConfigurationIsNoReasonToImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The disk that cannot be written to is what is logged, slowly.
		log := slog.New(slowLog{slog.DiscardHandler, "cache.unsaved"})
		dp, store := newImporting(t, log, filepath.Join(t.TempDir(), "absent", "config.cache"))
		dp.Connected()
		<-time.After(wait - time.Second) // of the bubble's clock
		var applying sync.WaitGroup
		applying.Go(func() { dp.Configure(t.Context(), message(valid)) })
		defer applying.Wait()
		dp.importWhenNeeded(t.Context()) // returns once the configuration is in force
		if len(store.at) > 0 {
			t.Error("the store is read although the control plane delivered in time")
		}
		if dp.ready(t.Context()) != "" {
			t.Error("the wait ended before the configuration was in force")
		}
	})
}

func TestARefusedConfigurationStartsTheWaitAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dp, store := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
		dp.Connected()
		<-time.After(wait - time.Second) // of the bubble's clock
		dp.Configure(t.Context(), message(invalid))
		refused := time.Now()
		dp.importWhenNeeded(t.Context())
		if waited := (<-store.at).Sub(refused); waited != wait {
			t.Errorf("the store is read %s after the configuration was refused, want %s", waited, wait)
		}
	})
}

// A control plane may send one configuration after another that the node refuses.
func TestRefusedConfigurationsDoNotPutTheImportOffForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dp, store := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
		dp.Connected()
		var importing sync.WaitGroup
		importing.Go(func() { dp.importWhenNeeded(t.Context()) })
		for range 10 {
			<-time.After(wait - time.Second) // of the bubble's clock
			dp.Configure(t.Context(), message(invalid))
		}
		if len(store.at) == 0 {
			t.Error("the store is not read although every configuration is refused")
			dp.imports.fail()
		}
		importing.Wait()
	})
}

// A data plane whose control plane is gone for an hour of fake time reads the
// store when it starts, and then goes on dialling: some four hundred times, while
// the store, which is a real one, counts no further request.
func TestAnIdleHourMakesNoRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		table string
		ready bool
	}{
		"after an import":         {table: servable, ready: true},
		"after one that failed":   {table: invalid},
		"after one without a key": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newBubbleStore(t, test.table)
			identity := newIdentity(t)
			synctest.Test(t, func(t *testing.T) {
				dp, _ := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
				opened := store.open(t)
				dp.backup.importer.Bucket, dp.backup.importer.Key = opened, "p/3.9.1/config.json"
				dp.backup.imported = opened.Close
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				n := &Node{log: dp.log, work: ctx}
				dials := &countedOwner{dataPlane: dp}
				client := hybrid.NewClient(hybrid.ClientOptions{Address: store.closed, Identity: identity, NodeID: "n", Hostname: "h", Version: "3.9.1",
					Rand: rand.New(rand.NewPCG(1, 2)), Log: dp.log}, dials)
				n.runImport(dp, false)
				n.run("follow the control plane", client.Run)
				n.background.Wait()
				if ready := dp.ready(ctx) == ""; ready != test.ready {
					t.Errorf("ready: %v", ready)
				}
				if dials.failed < 300 {
					t.Errorf("the control plane was dialled %d times in an hour", dials.failed)
				}
			})
			want := []string{"GET /backup/p/3.9.1/config.json"}
			if test.table == "" {
				want = append(want, "GET /backup/") // which other versions there are
			}
			if got := store.requests(); !slices.Equal(got, want) {
				t.Errorf("%d requests, the first of them %q, want %q", len(got), got[:min(3, len(got))], want)
			}
		})
	}
}

const servable = `{"_format_version":"3.0","services":[{"id":"00000001-0000-4000-8000-000000000001","host":"upstream.example"}]}`

// countedOwner is a data plane that counts the attempts at its control plane.
type countedOwner struct {
	*dataPlane
	failed int
}

// AttemptFailed implements [hybrid.Owner].
func (o *countedOwner) AttemptFailed(err error) {
	o.failed++
	o.dataPlane.AttemptFailed(err)
}

// bubbleStore is a real S3 server outside of synctest's bubbles, whose clock stands
// where theirs begins.
type bubbleStore struct {
	endpoint string
	closed   string // an address where nobody listens

	mu   sync.Mutex
	seen []string
}

func newBubbleStore(t *testing.T, table string) *bubbleStore {
	t.Helper()
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // see package synctest
	objects, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: "root", RootPassword: "root-password",
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return began }})
	if err != nil {
		t.Fatal(err)
	}
	s := &bubbleStore{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		objects.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	gone := httptest.NewServer(nil)
	s.closed = gone.Listener.Addr().String()
	gone.Close()
	synctest.Test(t, func(t *testing.T) { s.fill(t, table) })
	s.seen = nil
	return s
}

// fill makes the bucket and, if there is one, the object.
func (s *bubbleStore) fill(t *testing.T, table string) {
	core, err := minio.NewCore(strings.TrimPrefix(s.endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4("root", "root-password", ""),
		Transport: &http.Transport{DisableKeepAlives: true}, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := core.MakeBucket(t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if table == "" {
		return
	}
	if _, err := s.open(t).Put(t.Context(), "p/3.9.1/config.json", bucket.BodyOf([]byte(table)), bucket.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *bubbleStore) open(t *testing.T) bucket.Bucket {
	t.Helper()
	environment := map[string]string{"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root-password", "AWS_CONFIG_STORAGE_ENDPOINT": s.endpoint}
	opened, err := s3.Open(s3.Options{Bucket: "backup", Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func (s *bubbleStore) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func newIdentity(t *testing.T) hybrid.Identity {
	t.Helper()
	identity, err := hybrid.NewIdentity(clustertest.Certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	return identity
}
