// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
)

// wireSets are the recorded conversations of a real control plane with a real
// data plane.
var wireSets = []string{"a", "b", "c"}

// wireDir is where the recordings of a conversation are.
func wireDir(set string) string {
	return filepath.Join(cmp.Or(os.Getenv("BLACKOUT_CORPUS"), excerpts), "wire", set)
}

// wireFrame is one line of a frames.jsonl.
type wireFrame struct {
	Conn       int
	Dir, Kind  string
	Text       string // of the upgrade
	Payload    string // of a ping or pong
	File       string
	ConfigHash string `json:"config_hash"`
	Event      string // of a line that is no frame
}

// wireFrames reads the last connection of a conversation; those before it came
// to nothing.
func wireFrames(t testing.TB, dir string) []wireFrame {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "frames.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var frames []wireFrame
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var frame wireFrame
		if err := json.Unmarshal(lines.Bytes(), &frame); err != nil {
			t.Fatal(err)
		}
		if frame.Event == "" {
			frames = append(frames, frame)
		}
	}
	if err := lines.Err(); err != nil || len(frames) == 0 {
		t.Fatalf("%s has no frames: %v", dir, err)
	}
	last := frames[len(frames)-1].Conn
	return slices.DeleteFunc(frames, func(f wireFrame) bool { return f.Conn != last })
}

func readRecorded(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// recordedMessage reads the message in a file of exact JSON.
func recordedMessage(t testing.TB, data []byte) (hybrid.Reconfigure, map[string]any) {
	t.Helper()
	var message hybrid.Reconfigure
	if err := json.Unmarshal(data, &message); err != nil {
		t.Fatal(err)
	}
	var table map[string]any
	if err := json.Unmarshal(message.Table, &table); err != nil {
		t.Fatal(err)
	}
	return message, table
}

// TestWireHashes computes the hashes of every recorded configuration.
func TestWireHashes(t *testing.T) {
	t.Parallel()
	var sections, sectionsRight, configs, configsRight, redacted, bins, binsRight int
	for _, set := range wireSets {
		dir := wireDir(set)
		files, err := filepath.Glob(filepath.Join(dir, "*reconfigure*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no configurations: %v", dir, err)
		}
		for _, file := range files {
			message, table := recordedMessage(t, readRecorded(t, "", file))
			got, want := entity.Hash(table), *message.Hashes
			for _, pair := range [][2]string{{got.Routes, want.Routes}, {got.Services, want.Services}, {got.Plugins, want.Plugins},
				{got.Upstreams, want.Upstreams}, {got.Targets, want.Targets}} {
				sections++
				sectionsRight += count(pair[0] == pair[1])
			}
			if bytes.Contains(message.Table, []byte("<REDACTED")) {
				redacted++
			} else {
				configs++
				configsRight += count(got.Config == message.Hash && message.Hash == want.Config)
			}
			bin, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".bin")
			if err != nil {
				continue // that of keys that are not told
			}
			bins++
			decoded, err := hybrid.DecodeReconfigure(bin)
			binsRight += count(err == nil && bytes.Equal(decoded.Table, message.Table) && decoded.Hash == message.Hash)
		}
	}
	t.Logf("wire: section hashes %d/%d, config_hash %d/%d (%d more without its keys), frames decoded %d/%d",
		sectionsRight, sections, configsRight, configs, redacted, binsRight, bins)
	if sectionsRight != sections || configsRight != configs || binsRight != bins || bins == 0 {
		t.Error("wire: not all as recorded")
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// TestWireToDataPlane plays what a real control plane sent to our data plane.
func TestWireToDataPlane(t *testing.T) {
	t.Parallel()
	for _, set := range wireSets {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			dir := wireDir(set)
			cp := newRecordedControlPlane(t)
			dp := startDataPlane(t, cp, t.TempDir())
			talk := cp.accept(t)
			if status, _ := dp.get(t, "status", "/status/ready"); status != 503 {
				t.Errorf("/status/ready is %d before there is a configuration", status)
			}
			for _, frame := range wireFrames(t, dir) {
				if frame.Dir != "cp2dp" || frame.Kind != "binary" || frame.File == "" {
					continue // its content was not kept
				}
				replayToDataPlane(t, dp, talk, readRecorded(t, dir, frame.File))
			}
		})
	}
}

// replayToDataPlane sends a recorded configuration. One that uses plugins which
// this gateway has not got is refused, as it has to be; without them it is served.
func replayToDataPlane(t *testing.T, dp *testNode, talk *conversation, recorded []byte) {
	t.Helper()
	frame, exact := recorded, !bytes.HasPrefix(recorded, []byte("{"))
	var message hybrid.Reconfigure
	var err error
	if exact {
		message, err = hybrid.DecodeReconfigure(recorded)
	} else {
		err = json.Unmarshal(recorded, &message)
	}
	if err != nil {
		t.Fatal(err)
	}
	reduced, dropped := inScope(t, message.Table)
	if len(dropped) > 0 || !exact {
		if exact {
			before := talk.hash
			talk.send(t, frame)
			if hash := talk.ping(t); hash != before {
				t.Errorf("a configuration with the plugins %v, which are not here, came into force", dropped)
			}
		}
		hashes := entity.Hash(decodeTable(t, reduced))
		frame = clustertest.Frame(t, reduced, hashes, time.Now())
		message.Hash = hashes.Config
	}
	talk.send(t, frame)
	if hash := talk.ping(t); hash != message.Hash {
		t.Fatalf("the data plane pings with %s, want %s; its log:\n%s", hash, message.Hash, dp.log)
	}
	if status := dp.status(t); status["configuration_hash"] != message.Hash {
		t.Errorf("/status tells the hash %v, want %s", status["configuration_hash"], message.Hash)
	}
	if status, body := dp.get(t, "status", "/status/ready"); status != 200 {
		t.Errorf("/status/ready is %d %s", status, body)
	}
	dp.checkServes(t, decodeTable(t, reduced))
}

// TestWireToControlPlane plays what a real data plane sent to our control plane.
func TestWireToControlPlane(t *testing.T) {
	t.Parallel()
	for _, set := range wireSets {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			dir, cp := wireDir(set), startControlPlane(t)
			talk := dialControlPlane(t, cp)
			frames, played, hash := wireFrames(t, dir), 0, ""
			var accept string
			for i, frame := range frames {
				if frame.Dir != "dp2cp" {
					continue
				}
				played++
				switch frame.Kind {
				case "http":
					talk.request(t, frame.Text)
					accept = talk.upgraded(t)
					if want := frames[i+1].Text; !strings.Contains(want, "Sec-WebSocket-Accept: "+accept) {
						t.Errorf("the upgrade is accepted with %s, recorded %s", accept, want)
					}
				case "binary":
					talk.write(t, opBinary, basicInfo(t, readRecorded(t, dir, frame.File)))
					if got := talk.await(t, opBinary); len(got) == 0 {
						t.Error("an empty configuration frame")
					}
				case "ping":
					hash = frame.Payload
					talk.write(t, opPing, []byte(hash))
					if got := talk.await(t, opPong); len(got) != 0 {
						t.Errorf("the pong says %q", got)
					}
				default:
					t.Fatalf("the recorded data plane sent a %s", frame.Kind)
				}
			}
			t.Logf("wire: set %s, %d frames of the data plane replayed", set, played)
			cp.awaitRow(t, hash)
		})
	}
}

// basicInfo is the recorded first message with the part that was left out of the
// recording, as if it were empty.
func basicInfo(t testing.TB, recorded []byte) []byte {
	t.Helper()
	message := decodeTable(t, recorded)
	message["process_conf"] = map[string]any{}
	data, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeTable(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var table map[string]any
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// inScope is a config_table without the plugins that this gateway has not got,
// and with private keys in place of those that were taken out of the recording.
func inScope(t testing.TB, table []byte) (reduced []byte, dropped []string) {
	t.Helper()
	config, err := conf.Load(conf.Source{Environ: environment(t, conf.DataPlane, "127.0.0.1:1", t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	decoded := decodeTable(t, table)
	plugins, _ := decoded["plugins"].([]any)
	var kept []any
	for _, plugin := range plugins {
		row, _ := plugin.(map[string]any)
		if name, _ := row["name"].(string); slices.Contains(config.Plugins, name) {
			kept = append(kept, plugin)
		} else {
			dropped = append(dropped, name)
		}
	}
	delete(decoded, "plugins")
	if len(kept) > 0 {
		decoded["plugins"] = kept
	}
	makeKeys(t, decoded)
	if reduced, err = json.Marshal(decoded); err != nil {
		t.Fatal(err)
	}
	return reduced, dropped
}

// makeKeys gives certificates and keys whose private part is not in the recording
// a pair of the test's.
func makeKeys(t testing.TB, table map[string]any) {
	t.Helper()
	certificates, _ := table["certificates"].([]any)
	for _, row := range certificates {
		row, _ := row.(map[string]any)
		if key, _ := row["key"].(string); strings.HasPrefix(key, "<") {
			row["cert"], row["key"] = wirePair(t)
		}
	}
	keys, _ := table["keys"].([]any)
	for _, row := range keys {
		row, _ := row.(map[string]any)
		if row["pem"] != nil {
			row["pem"] = wireKey(t)
		}
	}
}
