// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	credential = `wJalrXUtnFEMI/K7MDENG+bPxRfi"CYEX&AMPLE<KEY`
	pemKey     = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
`
)

// written are ways in which a secret is written.
func written(t *testing.T) map[string]string {
	t.Helper()
	quoted, err := json.Marshal(map[string]string{"key": pemKey, "secret": credential})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"as it is":        "denied for " + credential + ".",
		"in JSON":         string(quoted),
		"in a query":      "GET /?secret=" + url.QueryEscape(credential),
		"in base64":       "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(credential)),
		"a key":           pemKey,
		"a key's line":    "read OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r",
		"a key unwrapped": strings.ReplaceAll(pemKey, "\n", ""),
		"a key in base64": base64.StdEncoding.EncodeToString([]byte(pemKey)),
		"twice":           credential + credential,
	}
}

// pieces are parts of the secrets that must not be left, however they are written.
var pieces = []string{"wJalrXUt", "CYEX", "MIGHAgEA", "OF/2NxAp", "1RTwjmYS", base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE KEY"))}

func TestSecretsAreNotRecorded(t *testing.T) {
	t.Parallel()
	for name, text := range written(t) {
		dir := t.TempDir()
		w, err := Create(dir, Header{})
		if err != nil {
			t.Fatal(err)
		}
		w.Redact(credential, pemKey, "")
		w.Event(Event{At: 5, Kind: NodeLog, Node: "dp-1", Text: text})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, eventsFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range pieces {
			if strings.Contains(string(b), piece) {
				t.Errorf("%s: %q is left in %s", name, piece, b)
			}
		}
		rec, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := rec.Events[len(rec.Events)-1]; got != (Event{At: 5, Kind: SecretSeen, Node: "dp-1", Text: "node.log"}) {
			t.Errorf("%s: last event %+v, want secret.seen in dp-1's log", name, got)
		}
		if watch := rec.Events[0]; watch.Kind != SecretWatch || watch.Looks != 2 {
			t.Errorf("%s: first event %+v, want a watch for 2 secrets", name, watch)
		}
	}
}

// TestEveryTextIsScrubbed: a string field that is added and forgotten would let
// secrets through.
func TestEveryTextIsScrubbed(t *testing.T) {
	t.Parallel()
	var r redactor
	if _, err := r.add(credential); err != nil {
		t.Fatal(err)
	}
	typ := reflect.TypeFor[Event]()
	for i := range typ.NumField() {
		if typ.Field(i).Type.Kind() != reflect.String || typ.Field(i).Name == "Kind" {
			continue
		}
		var e Event
		field := reflect.ValueOf(&e).Elem().Field(i)
		field.SetString("a " + credential)
		if found := r.clean(&e); !found || field.String() != "a "+redacted {
			t.Errorf("%s is %q, found %v", typ.Field(i).Name, field.String(), found)
		}
	}
}

// TestLongTextsAreCut, so that whatever a node writes can be read again.
func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Create(dir, Header{})
	if err != nil {
		t.Fatal(err)
	}
	w.Redact(credential)
	w.Event(Event{Kind: NodeLog, Node: "dp-1", Text: strings.Repeat("\x01é", maxLine) + credential})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rec, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rec.Events {
		if e.Kind == NodeLog && (len(e.Text) < maxText-8 || len(e.Text) > maxText+16 || !strings.HasSuffix(e.Text, "é… (cut)") && !strings.HasSuffix(e.Text, "\x01… (cut)")) {
			t.Errorf("%d bytes, ending in %q", len(e.Text), e.Text[len(e.Text)-12:])
		}
	}
}

func TestOnlyNodesGiveSecretsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Create(dir, Header{})
	if err != nil {
		t.Fatal(err)
	}
	w.Redact(credential)
	w.Event(Event{Kind: HarnessError, Node: "store", Error: "sign with " + credential})
	w.Event(Event{Kind: NodeLog, Node: "dp-1", Text: "nothing to see"})
	if clean, found := w.Scrub("x" + credential); clean != "x"+redacted || !found {
		t.Errorf("scrubbed to %q, found %v", clean, found)
	}
	w.Redact("short")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rec, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, e := range rec.Events {
		if e.Kind == ClockSample {
			continue
		}
		kinds = append(kinds, e.Kind)
		if strings.Contains(e.Error, "short") || strings.Contains(e.Error, credential) {
			t.Errorf("error %q holds a secret", e.Error)
		}
	}
	if want := []Kind{SecretWatch, HarnessError, NodeLog, HarnessError, SecretWatch}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("recorded %v, want %v", kinds, want)
	}
}
