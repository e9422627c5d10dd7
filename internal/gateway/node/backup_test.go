// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/node"
)

const (
	snapshotKey = "prefix/3.9.1/config.json"
)

// journal takes the log lines of one node.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// lines are those that contain all of some texts.
func (j *journal) lines(texts ...string) (found []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		has := true
		for _, text := range texts {
			has = has && strings.Contains(line, text)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

// backupNode starts a node that exports to a store, with an election.
func (c *cluster) backupNode(store bucket.Bucket, role conf.Role, dir, name string, log *journal, changes ...func(*conf.Config)) *running {
	c.t.Helper()
	config := c.config(role, dir)
	config.Fallback.Export, config.Fallback.Election, config.Fallback.Lease = true, true, time.Second
	for _, change := range changes {
		change(config)
	}
	return c.launch(node.Options{
		Config: config, Rand: rand.New(rand.NewPCG(1, 2)), Hostname: name, Log: slog.New(slog.NewTextHandler(log, nil)),
		OpenBucket: func(*conf.Config, func(string) string) (bucket.Bucket, error) { return store, nil },
	}, name)
}

func (r *running) fallbackStatus() map[string]any {
	state, _ := r.status()["fallback"].(map[string]any)
	return state
}

func (r *running) awaitRole(want fallback.Role) {
	r.cluster.t.Helper()
	eventually(r.cluster.t, "the node's role in the election is "+string(want), func() bool {
		return r.fallbackStatus()["role"] == string(want)
	})
}

// written are how often the snapshot was written.
func written(store *buckettest.Memory) (n int) {
	for _, call := range store.Calls() {
		if call == "put "+snapshotKey {
			n++
		}
	}
	return n
}

// holds waits until the store has a snapshot with a text.
func holds(t *testing.T, store *buckettest.Memory, text string) bucket.Object {
	t.Helper()
	var object bucket.Object
	eventually(t, "the snapshot has "+text, func() bool {
		var err error
		object, err = store.Get(context.Background(), snapshotKey, 1<<20)
		return err == nil && strings.Contains(string(object.Body), text)
	})
	return object
}

// TestControlPlaneAndDataPlaneBothExport is what Kong's documentation warns against.
func TestControlPlaneAndDataPlaneBothExport(t *testing.T) {
	t.Parallel()
	c, store, log := newCluster(t), &buckettest.Memory{}, &journal{}
	cp := c.backupNode(store, conf.ControlPlane, t.TempDir(), "cp-host", log)
	cp.awaitRole(fallback.Unknown) // an empty database is nothing to export
	if _, body := cp.get("status", "/metrics"); !strings.Contains(body, `blackout_export_role{role="unknown"} 1`) {
		t.Errorf("its metrics tell otherwise: %s", body)
	}
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	holds(t, store, "first.example")
	cp.awaitRole(fallback.Leader)
	dp := c.backupNode(store, conf.DataPlane, t.TempDir(), "dp-host", log)
	eventually(t, "the data plane stands by", func() bool {
		leader, _ := dp.fallbackStatus()["leader"].(map[string]any)
		return dp.fallbackStatus()["role"] == "standby" && leader["name"] == "cp-host"
	})
	before := written(store)
	cp.admin("PATCH", "/services/s", `{"host":"second.example"}`)
	object := holds(t, store, "second.example")
	dp.awaitHash(cp.fallbackStatus()["exported_hash"].(string))
	if n := written(store) - before; n != 1 {
		t.Errorf("one change was written %d times", n)
	}
	if warnings := log.lines("level=WARN", "stands by"); len(warnings) != 1 || !strings.Contains(warnings[0], "leader_name=cp-host") ||
		!strings.Contains(warnings[0], "role=data_plane") || !strings.Contains(warnings[0], "leader_role=control_plane") {
		t.Errorf("warned %q", warnings)
	}
	noted := fallback.ReadBookkeeping(object.Info)
	if hash, err := entity.HashText(object.Body); err != nil || hash != noted.Hash || hash != dp.status()["configuration_hash"] {
		t.Errorf("the snapshot's hash is %s, %v; its exporter noted %s, the data plane serves %s", hash, err, noted.Hash, dp.status()["configuration_hash"])
	}
	for listener, want := range map[*running]string{cp: `blackout_export_role{role="leader"} 1`, dp: `blackout_export_role{role="standby"} 1`} {
		if _, body := listener.get("status", "/metrics"); !strings.Contains(body, want) || !strings.Contains(body, "\nblackout_export_lag_seconds 0\n") {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

// TestABackupDataPlaneTakesOver: it asks its control plane anew before it replaces
// what another node wrote.
func TestABackupDataPlaneTakesOver(t *testing.T) {
	t.Parallel()
	c, store, log := newCluster(t), &buckettest.Memory{}, &journal{}
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	first := c.backupNode(store, conf.DataPlane, t.TempDir(), "first", &journal{})
	holds(t, store, "first.example")
	first.awaitRole(fallback.Leader)
	second := c.backupNode(store, conf.DataPlane, t.TempDir(), "second", log)
	eventually(t, "the second knows who leads", func() bool {
		leader, _ := second.fallbackStatus()["leader"].(map[string]any)
		return leader["name"] == "first"
	})
	first.end()
	cp.admin("PATCH", "/services/s", `{"host":"second.example"}`)
	object := holds(t, store, "second.example")
	second.awaitRole(fallback.Leader)
	if epoch := fallback.ReadBookkeeping(object.Info).Epoch; epoch.Term < 2 {
		t.Errorf("epoch %s after a takeover", epoch)
	}
	if lines := log.lines("controlplane.redialled"); len(lines) != 1 {
		t.Errorf("the control plane was not asked anew, or more than once: %q", lines)
	}
	if lines := log.lines("level=WARN"); len(lines) > 0 {
		t.Errorf("warned %q", lines)
	}
}

// A control plane that starts again has another id, finds what its life before
// wrote, reads its database anew and writes nothing.
func TestAControlPlaneThatStartsAgainDoesNotExportAgain(t *testing.T) {
	t.Parallel()
	c, store, dir := newCluster(t), &buckettest.Memory{}, t.TempDir()
	cp := c.backupNode(store, conf.ControlPlane, dir, "cp", &journal{})
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	holds(t, store, "first.example")
	hash := hashIn(t, dir)
	eventually(t, "the control plane has exported it", func() bool { return cp.fallbackStatus()["exported_hash"] == hash })
	cp.end()
	before, log := written(store), &journal{}
	cp = c.backupNode(store, conf.ControlPlane, dir, "cp", log)
	eventually(t, "the control plane finds it exported", func() bool { return cp.fallbackStatus()["exported_hash"] == hash })
	if n := written(store) - before; n != 0 {
		t.Errorf("it was written %d times again", n)
	}
	if lines := log.lines("configuration.published"); len(lines) != 1 {
		t.Errorf("pushed for the exporter too: %q", lines)
	}
}

// A backup node checks what it finds, within the limit that it has for what it imports.
func TestABackupNodeChecksNoLargerSnapshotThanItMayImport(t *testing.T) {
	t.Parallel()
	c, store, dir, log := newCluster(t), &buckettest.Memory{}, t.TempDir(), &journal{}
	cp := c.backupNode(store, conf.ControlPlane, dir, "cp", &journal{})
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	object := holds(t, store, "first.example")
	cp.end()
	cp = c.backupNode(store, conf.ControlPlane, dir, "cp", log, func(config *conf.Config) { config.Fallback.MaxSize = int(object.Size) - 1 })
	cp.awaitRole(fallback.Leader)
	if lines := log.lines("level=WARN", "cannot be checked"); len(lines) != 1 {
		t.Errorf("it tells %q", lines)
	}
}

// A store that fails leaves a node as it is, and is told of.
func TestAStoreThatFailsIsTold(t *testing.T) {
	t.Parallel()
	c, log := newCluster(t), &journal{}
	var mu sync.Mutex
	failing := true
	store := &buckettest.Memory{Before: func(_ context.Context, call buckettest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if failing && call.Key == snapshotKey && call.Kind == "put" {
			return errors.Join(bucket.ErrDenied)
		}
		return nil
	}}
	cp := c.backupNode(store, conf.ControlPlane, t.TempDir(), "cp", log)
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	eventually(t, "the failure is told", func() bool {
		_, body := cp.get("status", "/metrics")
		return strings.Contains(body, `blackout_store_requests_total{kind="put",result="denied"}`) &&
			strings.Contains(body, `blackout_store_requests_total{kind="election_put",result="ok"}`) && !strings.Contains(body, "\nblackout_export_failures 0\n")
	})
	if state := cp.fallbackStatus(); state["pending_hash"] == "" || state["pending_since"] == nil || state["last_error"] == "" {
		t.Errorf("status %v", state)
	}
	if !cp.isReady() {
		t.Error("the control plane is not ready although it only cannot export")
	}
	mu.Lock()
	failing = false
	mu.Unlock()
	holds(t, store, "first.example")
	eventually(t, "nothing is wrong any more", func() bool { return cp.fallbackStatus()["last_error"] == "" })
}
