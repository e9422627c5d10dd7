// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/node"
)

// backupKey is where the snapshot is; its version is not the node's.
const backupKey = "prefix/3.4.2/config.json"

// startBackup starts a backup node for a control plane that is not ours.
func startBackup(t testing.TB, cp *recordedControlPlane, prefix string, memory *buckettest.Memory) *testNode {
	t.Helper()
	variables := append(environment(t, conf.DataPlane, cp.address, prefix),
		"KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY=0",
		"KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://bucket/prefix", "KONG_BLACKOUT_BUCKET_VERSION=3.4.2",
		"KONG_BLACKOUT_ADVERTISED_PLUGINS=kong-3.9")
	return startNode(t, variables, cp.certificate, cp.key, func(options *node.Options) {
		options.OpenBucket = func(*conf.Config, func(string) string) (bucket.Bucket, error) { return memory, nil }
	})
}

// TestWireToBackupNode plays what a real control plane sent to a backup node of
// ours. What it sent, plugins that this gateway has not got among it, is in the
// bucket as it came, and the control plane is told its own hash.
func TestWireToBackupNode(t *testing.T) {
	t.Parallel()
	for _, set := range wireSets {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			dir := wireDir(set)
			cp, memory, prefix := newRecordedControlPlane(t), &buckettest.Memory{}, t.TempDir()
			backup := startBackup(t, cp, prefix, memory)
			talk := cp.accept(t)
			saysWhatARealOneSays(t, talk.info, dir)
			kept := 0
			for _, frame := range wireFrames(t, dir) {
				if frame.Dir != "cp2dp" || frame.Kind != "binary" || frame.File == "" {
					continue
				}
				message := sendRecorded(t, talk, readRecorded(t, dir, frame.File))
				if hash := talk.ping(t); hash != message.Hash {
					t.Fatalf("the backup node pings with %s, want %s; its log:\n%s", hash, message.Hash, backup.log)
				}
				if (&entity.Table{All: decodeTable(t, message.Table)}).IsEmpty() {
					awaitRefusedExport(t, backup)
					continue
				}
				kept++
				checkKept(t, backup, memory, message)
			}
			t.Logf("wire: set %s, %d configurations kept", set, kept)
			if kept == 0 {
				t.Error("nothing was kept")
			}
			servesNobody(t, backup)
			keepsItsPlace(t, backup, cp, prefix, memory)
		})
	}
}

// saysWhatARealOneSays compares the plugins in the first message with those in the
// message of a real data plane.
func saysWhatARealOneSays(t *testing.T, info []byte, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*basic_info*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v, %v", dir, files, err)
	}
	got, want := decodeTable(t, info)["plugins"], decodeTable(t, readRecorded(t, "", files[0]))["plugins"]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("basic_info has the plugins\n%v\na real data plane's\n%v", got, want)
	}
}

// sendRecorded sends a recorded configuration. One whose keys were taken out of the
// recording goes out with its recorded hash all the same.
func sendRecorded(t *testing.T, talk *conversation, recorded []byte) hybrid.Reconfigure {
	t.Helper()
	var message hybrid.Reconfigure
	if bytes.HasPrefix(recorded, []byte("{")) {
		if err := json.Unmarshal(recorded, &message); err != nil {
			t.Fatal(err)
		}
		talk.send(t, clustertest.Frame(t, message.Table, *message.Hashes, time.Now()))
		return message
	}
	message, err := hybrid.DecodeReconfigure(recorded)
	if err != nil {
		t.Fatal(err)
	}
	talk.send(t, recorded)
	return message
}

func awaitRefusedExport(t *testing.T, backup *testNode) {
	t.Helper()
	if !eventuallyTrue(func() bool { return strings.Contains(backup.fallback(t, "last_error"), "no entity") }) {
		t.Errorf("an empty configuration was not refused: %v", backup.status(t))
	}
}

// fallback is a member of what /status tells of the copy.
func (n *testNode) fallback(t testing.TB, member string) string {
	t.Helper()
	told, _ := n.status(t)["fallback"].(map[string]any)
	text, _ := told[member].(string)
	return text
}

// checkKept compares the object in the bucket with what was sent.
func checkKept(t *testing.T, backup *testNode, memory *buckettest.Memory, message hybrid.Reconfigure) {
	t.Helper()
	if !eventuallyTrue(func() bool { return backup.fallback(t, "exported_hash") == message.Hash }) {
		t.Fatalf("not exported: %v; its log:\n%s", backup.status(t)["fallback"], backup.log)
	}
	object, err := memory.Get(t.Context(), backupKey, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	got, want := decodeTable(t, object.Body), decodeTable(t, message.Table)
	delete(got, "_comment") // the exporter's note, which is outside of the hash
	if hash := entity.Hash(got); hash != entity.Hash(want) {
		t.Errorf("the object has the hashes %v, what was sent %v", hash, entity.Hash(want))
	}
	if hash := entity.Hash(got).Config; hash != message.Hash && !bytes.Contains(message.Table, []byte("<REDACTED")) {
		t.Errorf("the object has the hash %s, the control plane sent %s", hash, message.Hash)
	}
	if noted := object.Metadata["blackout-hash"]; noted != message.Hash {
		t.Errorf("the hash in the metadata is %s, want %s", noted, message.Hash)
	}
	// A note of the exporter's may stand before what was sent, byte for byte.
	if !bytes.HasSuffix(object.Body, message.Table[1:]) {
		t.Errorf("the object is\n%s\nwhat was sent\n%s", object.Body, message.Table)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the object is %v, what was sent %v", got, want)
	}
}

// servesNobody checks that a node which cannot do what is configured does nothing.
func servesNobody(t *testing.T, backup *testNode) {
	t.Helper()
	if status, body := backup.get(t, "status", "/status/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "keeps the fallback configuration") {
		t.Errorf("/status/ready is %d %s", status, body)
	}
	for _, path := range []string{"/", "/anything", "/no/such/path"} {
		if status, body := backup.get(t, "proxy", path); status != http.StatusServiceUnavailable || !strings.Contains(body, "proxies nothing") {
			t.Errorf("%s is answered with %d %s", path, status, body)
		}
	}
	if told, _ := backup.status(t)["fallback"].(map[string]any); told["backup_only"] != true {
		t.Errorf("/status tells %v", told)
	}
}

// keepsItsPlace starts the node again: it still has what it was sent, and says so.
func keepsItsPlace(t *testing.T, backup *testNode, cp *recordedControlPlane, prefix string, memory *buckettest.Memory) {
	t.Helper()
	hash := backup.status(t)["configuration_hash"]
	backup.end()
	again := startBackup(t, cp, prefix, memory)
	if talk := cp.accept(t); talk.hash != hash {
		t.Errorf("after a restart the backup node pings with %s, want %s; its log:\n%s", talk.hash, hash, again.log)
	}
	servesNobody(t, again)
}

// TestBackupNodeKeepsWhatItDoesNotUnderstand sends a configuration of another
// edition and version: unknown types, fields and values, ws_id, and what a data
// plane of this gateway refuses.
func TestBackupNodeKeepsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	cp, memory := newRecordedControlPlane(t), &buckettest.Memory{}
	backup := startBackup(t, cp, t.TempDir(), memory)
	talk := cp.accept(t)
	const workspace = `"ws_id":"a7e9fc0d-34c0-429a-899d-6d8ca78fd9ec"`
	table := `{"_format_version":"3.0","_transform":false,"services":[{"id":"00000001-0000-4000-8000-000000000001",` + workspace +
		`,"host":"h","port":80,"protocol":"ws","tls_sans":null,"x":1.50}],` +
		`"routes":[{"id":"00000002-0000-4000-8000-000000000002",` + workspace + `,"expression":"http.path == \"/\"","service":"00000001-0000-4000-8000-000000000001"}],` +
		`"plugins":[{"id":"00000003-0000-4000-8000-000000000003",` + workspace + `,"name":"openid-connect","consumer_group":"00000004-0000-4000-8000-000000000004","config":{}}],` +
		`"consumer_groups":[{"id":"00000004-0000-4000-8000-000000000004","name":"größe 😀","n":12345678901234567890}],` +
		`"ca_certificates":[{"id":"00000005-0000-4000-8000-000000000005",` + workspace + `,"cert":"no PEM at all"}]}`
	hashes := entity.Hash(decodeTable(t, []byte(table)))
	message := hybrid.Reconfigure{Table: []byte(table), Hash: hashes.Config}
	talk.send(t, clustertest.Frame(t, message.Table, hashes, time.Now()))
	if hash := talk.ping(t); hash != message.Hash {
		t.Fatalf("the backup node pings with %s, want %s; its log:\n%s", hash, message.Hash, backup.log)
	}
	checkKept(t, backup, memory, message)
	if !strings.Contains(backup.log.String(), "configuration.kept_unvalidated") {
		t.Errorf("nothing is said about what this gateway does not take:\n%s", backup.log)
	}

	// What is no configuration at all does not replace it.
	for _, bad := range []string{`{}`, `{"_format_version":"9.0","services":[{"id":"x"}]}`, `{"_format_version":"3.0","services":{"a":1}}`} {
		talk.send(t, clustertest.Frame(t, []byte(bad), entity.Hashes{Config: strings.Repeat("b", 32)}, time.Now()))
		if hash := talk.ping(t); hash != message.Hash {
			t.Errorf("after %s the backup node pings with %s", bad, hash)
		}
	}
	checkKept(t, backup, memory, message)
	servesNobody(t, backup)
}

// TestBackupNodeWithItsOwnPluginsServes says that the rules above are those of a
// node that advertises more than it can run, and of no other.
func TestBackupNodeWithItsOwnPluginsServes(t *testing.T) {
	t.Parallel()
	config, err := conf.Load(conf.Source{Environ: append(environment(t, conf.DataPlane, "127.0.0.1:1", t.TempDir()), "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on",
		"KONG_BLACKOUT_ADVERTISED_PLUGINS=own,key-auth=3.4.0")})
	if err != nil {
		t.Fatal(err)
	}
	if config.KeepsOnly() || !slices.Contains(config.Advertised, conf.Plugin{Name: "key-auth", Version: "3.4.0"}) || len(config.Advertised) != len(config.Plugins) {
		t.Errorf("it keeps only: %v; it advertises %v", config.KeepsOnly(), config.Advertised)
	}
}
