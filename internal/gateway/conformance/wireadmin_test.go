// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
)

// adminRequest is a request that made the recorded configuration.
type adminRequest struct {
	Method, Path string
	JSON         map[string]any
}

// TestWireFromAdmin makes the recorded changes at our control plane's Admin API
// and compares what it sends with what the real one sent: every field, apart from
// times, generated ids and keys.
func TestWireFromAdmin(t *testing.T) {
	t.Parallel()
	ofB := append(readRequests(t, "b"), adminRequest{http.MethodPatch, "/routes/r2", map[string]any{"tags": []any{"before-reconnect"}}})
	changedB := adminRequest{http.MethodPatch, "/routes/r3", map[string]any{"tags": []any{"changed"}}}
	url := map[string]any{"url": "http://127.0.0.1:28480/x"}
	const service = "/services/00000099-0000-4000-8000-000000000099"
	for name, c := range map[string]struct {
		set, file string
		requests  []adminRequest
	}{
		"empty":                {"a", "005-cp2dp-reconfigure.json", nil},
		"one service":          {"a", "013-cp2dp-reconfigure.json", []adminRequest{{http.MethodPut, service, url}}},
		"one service, deleted": {"a", "016-cp2dp-reconfigure.json", []adminRequest{{http.MethodPut, service, url}, {http.MethodDelete, service, nil}}},
		"another service":      {"a", "019-cp2dp-reconfigure.json", ofB[:1]},
		"small configuration":  {"b", "005-cp2dp-reconfigure.json", ofB},
		"after the reconnect":  {"b", "008-cp2dp-reconfigure.json", ofB},
		"after a change":       {"b", "012-cp2dp-reconfigure.json", append(ofB, changedB)},
		"rich configuration":   {"c", "006-cp2dp-reconfigure.keys-redacted.json", slices.Concat(ofB, []adminRequest{changedB}, readRequests(t, "c"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := wireDir(c.set)
			cp := startControlPlane(t)
			info := basicInfo(t, readRecorded(t, wireDir("a"), "003-dp2cp-basic_info-without-process_conf.json"))
			newest := dialControlPlane(t, cp).attach(t, info)
			refused := map[string]bool{}
			for _, request := range c.requests {
				if !request.send(t, cp) {
					refused[path.Base(request.Path)] = true
				}
			}
			_, want := recordedMessage(t, readRecorded(t, dir, c.file))
			rows, left := leaveOut(want, refused)
			err := errNoConfiguration
			eventuallyTrue(func() bool {
				err = compareSent(newest(), want)
				return err == nil
			})
			if err != nil {
				t.Error(err)
			}
			t.Logf("wire: %s/%s: %d rows compared, %d not here: %s", c.set, c.file, rows, len(left), strings.Join(left, ", "))
		})
	}
}

// leaveOut takes out of a recorded configuration the rows that our Admin API
// refused because it has not got their kind, or their plugin. It counts the rows
// that stay.
func leaveOut(table map[string]any, refused map[string]bool) (rows int, left []string) {
	for name, section := range table {
		list, isList := section.([]any)
		if !isList {
			continue
		}
		kept := slices.DeleteFunc(list, func(element any) bool {
			row, _ := element.(map[string]any)
			if !refused[entity.Record(row).ID()] {
				return false
			}
			left = append(left, strings.TrimSpace(name+" "+entity.Record(row).Name()))
			return true
		})
		rows += len(kept)
		if table[name] = kept; len(kept) == 0 {
			delete(table, name)
		}
	}
	slices.Sort(left)
	return rows, left
}

func readRequests(t testing.TB, set string) []adminRequest {
	t.Helper()
	var requests []adminRequest
	if err := json.Unmarshal(readRecorded(t, wireDir(set), "admin-requests.json"), &requests); err != nil {
		t.Fatal(err)
	}
	return requests
}

// send makes the change and says whether it was taken. Some were refused by the
// recorded server, too, and are not seen in what it sent.
func (r adminRequest) send(t *testing.T, cp *testNode) bool {
	t.Helper()
	if key, _ := r.JSON["key"].(string); strings.HasPrefix(key, "<throwaway") {
		r.JSON = maps.Clone(r.JSON)
		r.JSON["cert"], r.JSON["key"] = wirePair(t)
	}
	if r.JSON["pem"] != nil {
		r.JSON = maps.Clone(r.JSON)
		r.JSON["pem"] = wireKey(t)
	}
	body := ""
	if r.JSON != nil {
		text, err := json.Marshal(r.JSON)
		if err != nil {
			t.Fatal(err)
		}
		body = string(text)
	}
	request := cp.request(t, r.Method, "admin", r.Path, body)
	request.Header.Set("Content-Type", "application/json")
	answer := cp.do(t, request)
	if answer.status >= 300 {
		t.Logf("%s %s: %d %s", r.Method, r.Path, answer.status, answer.body)
	}
	return answer.status < 300
}

// compareSent says how a sent frame differs from a recorded configuration.
func compareSent(frame []byte, want map[string]any) error {
	if frame == nil {
		return errNoConfiguration
	}
	message, err := hybrid.DecodeReconfigure(frame)
	if err != nil {
		return err
	}
	var got map[string]any
	if err := json.Unmarshal(message.Table, &got); err != nil {
		return err
	}
	if hashes := entity.Hash(got); message.Hashes == nil || *message.Hashes != hashes || message.Hash != hashes.Config || message.Timestamp <= 0 {
		return fmt.Errorf("the hashes sent are %+v, those of the table %+v", message.Hashes, hashes)
	}
	have, recorded := normal("", got).(map[string]any), normal("", want).(map[string]any)
	names := slices.Sorted(maps.Keys(recorded))
	for name := range have {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s is sent, and is not recorded: %s", name, encode(have[name]))
		}
	}
	for _, name := range names {
		if a, b := encode(have[name]), encode(recorded[name]); a != b {
			return fmt.Errorf("%s:\n   sent %s\nrecorded %s", name, a, b)
		}
	}
	return nil
}

// givenID is the form of the ids that requests gave; all others were generated.
var givenID = regexp.MustCompile(`^000000[0-9a-f]{2}-0000-4000-8000-0000000000[0-9a-f]{2}$`)

var generatedID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// normal puts marks in the place of what two servers cannot have in common, and
// brings rows, and sets, into one order.
func normal(field string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		changed := make(map[string]any, len(value))
		for name, member := range value {
			changed[name] = normal(name, member)
		}
		return changed
	case []any:
		changed := make([]any, len(value))
		for i, element := range value {
			changed[i] = normal("", element)
		}
		if _, rows := firstOf(changed).(map[string]any); rows || sets[field] {
			slices.SortFunc(changed, func(a, b any) int { return strings.Compare(encode(a), encode(b)) })
		}
		return changed
	case float64:
		// The ttl of a credential goes out as the second at which it ends.
		if field == "created_at" || field == "updated_at" || field == "ttl" {
			return timeOf(value)
		}
	case string:
		switch {
		case field == "key" && (strings.HasPrefix(value, "<REDACTED") || strings.Contains(value, "PRIVATE KEY")),
			field == "private_key", field == "public_key", field == "cert":
			return "<key>"
		case generatedID.MatchString(value) && !givenID.MatchString(value):
			return "<id>"
		}
	}
	return value
}

func firstOf(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// timeOf keeps of a time how it is written: whole seconds, or with milliseconds.
func timeOf(seconds float64) string {
	if seconds == float64(int64(seconds)) {
		return "<seconds>"
	}
	return "<milliseconds>"
}
