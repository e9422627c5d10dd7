// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
	"blackout/internal/s3server"
)

// storeFault is what may be wrong with the store, or with what it holds, when a
// new data plane turns to it.
type storeFault struct {
	name string

	account  *s3server.Account               // the node's; nil: a reader of the prefix
	secret   string                          // that the node signs with; "": its account's
	key      string                          // of the object in the bucket; "": the node's own, "-": there is none
	object   []byte                          // nil: a good configuration
	metadata map[string]string               // of the object
	ahead    time.Duration                   // of the store's clock
	script   func(http.Handler) http.Handler // between the node and the store
	listen   listening
	change   func(*conf.Config) // of the node

	cause    []string // what the log line says, beside the object's URL
	requests []string // that reach the store; nil: one GET of the object
}

// listening is how the store can be reached.
type listening int

const (
	openly    listening = iota
	nowhere             // nobody listens at its address
	untrusted           // over TLS, with a certificate of an authority that the node does not know
)

const (
	storedKey = "prefix/3.9.1/config.json"
	storedURL = "s3://bucket/" + storedKey
	readOnce  = "GET /bucket/" + storedKey
	listed    = "GET /bucket/"
)

// patience is how long an attempt may take where a store does not end it.
const patience = 300 * time.Millisecond

func impatient(config *conf.Config) { config.Fallback.ReadTimeout = patience }

func checksum(body []byte) map[string]string {
	sum := sha256.Sum256(body)
	return map[string]string{"blackout-sha256": hex.EncodeToString(sum[:])}
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// flipped is data with one bit changed, in the last byte of a text that it holds.
func flipped(data []byte, text string) []byte {
	damaged := bytes.Clone(data)
	damaged[bytes.Index(damaged, []byte(text))+len(text)-1] ^= 1
	return damaged
}

// storeFaults are the catalogue; good is a configuration that could be imported.
func storeFaults(t testing.TB, good []byte) []storeFault {
	elsewhere := &s3server.Account{Bucket: "bucket", Prefix: "elsewhere", Rights: s3server.Read}
	ownVersion := &s3server.Account{Bucket: "bucket", Prefix: "prefix/3.9.1", Rights: s3server.Read}
	withList := []string{readOnce, listed}
	replaced := func(old, new string) []byte { return bytes.Replace(good, []byte(old), []byte(new), 1) }
	return []storeFault{
		// It cannot be reached, or does not deliver.
		{name: "refuses the connection", listen: nowhere, cause: []string{"the store is unavailable", "connection refused"}, requests: []string{}},
		{name: "resets the connection", script: resetting, cause: []string{"the store is unavailable"}},
		{name: "hangs", script: hanging, change: impatient, cause: []string{"the store is unavailable", "not read within 300ms"}},
		{name: "hangs in the body", script: stalling, change: impatient, cause: []string{"not read within 300ms", "object arrived incomplete"}},
		{name: "is slower than the time-out", script: trickling(20 * patience), change: impatient, cause: []string{"not read within 300ms", "object arrived incomplete"}},
		{name: "cuts the body", script: cutting, cause: []string{"object arrived incomplete", fmt.Sprintf("of %d bytes", len(good))}},
		{name: "shows a certificate of an unknown CA", listen: untrusted, cause: []string{"the store is unavailable", "certificate signed by unknown authority"}, requests: []string{}},

		// It refuses.
		{name: "403", account: elsewhere, cause: []string{"the store denies access", "AccessDenied (status 403)", "or, if the node has that right, the object does not exist"}},
		{name: "403 for an unknown access key", account: &s3server.Account{}, cause: []string{"InvalidAccessKeyId (status 403)"}},
		{name: "403 for a wrong secret", secret: "another-secret", cause: []string{"SignatureDoesNotMatch (status 403)"}},
		{name: "404", key: "-", cause: []string{"no such object", "NoSuchKey (status 404)", "no version has a snapshot there"}, requests: withList},
		{name: "404 for the bucket", script: answering(404, "NoSuchBucket", ""), cause: []string{"NoSuchBucket (status 404)", "could not be listed"}, requests: withList},
		{name: "412", script: answering(412, "PreconditionFailed", ""), cause: []string{"PreconditionFailed (status 412)"}},
		{name: "503", script: answering(503, "SlowDown", ""), cause: []string{"the store is unavailable", "SlowDown (status 503)"}},
		{name: "wrong region", script: answering(400, "AuthorizationHeaderMalformed", "eu-north-1"), cause: []string{"AuthorizationHeaderMalformed (status 400)"}},
		{name: "redirects to another region", script: answering(301, "PermanentRedirect", "eu-north-1"), cause: []string{"PermanentRedirect (status 301)"}},
		{name: "skewed clock", ahead: time.Hour, cause: []string{"RequestTimeTooSkewed (status 403)"}},

		// It delivers what is no configuration.
		{name: "truncated object", object: good[:len(good)/2], cause: []string{"it is not one complete JSON value"}},
		{name: "truncated object with its checksum", object: good[:len(good)/2], metadata: checksum(good), cause: []string{"object is corrupt", "SHA-256"}},
		{name: "truncated gzip", object: zipped(t, good)[:50], cause: []string{"object is corrupt", "gzip"}},
		{name: "bit-flipped object", object: flipped(good, "/gen/7"), metadata: checksum(good), cause: []string{"object is corrupt", "SHA-256"}},
		{name: "bit-flipped object without a checksum", object: flipped(good, "_format_version"), cause: []string{"is refused", "_format_version is <nil>"}},
		{name: "bit-flipped reference", object: flipped(good, `"service":"00000001`), cause: []string{"is refused"}},
		{name: "empty object", object: []byte{}, cause: []string{"object is not a configuration", "it is empty"}},
		{name: "{}", object: []byte("{}"), cause: []string{"is refused", "the configuration holds no entities"}},
		{name: "workspaces alone", object: []byte(`{"_format_version":"3.0","workspaces":[{"name":"default"}]}`), cause: []string{"is refused", "the configuration holds no entities"}},
		{name: "HTML", object: []byte("<html>Sign in</html>"), cause: []string{"it is not a JSON object"}},
		{name: "foreign JSON", object: []byte(`{"hello":["world"]}`), cause: []string{"is refused", "_format_version is <nil>"}},
		{name: "wrong _format_version", object: replaced(`"3.0"`, `"1.1"`), cause: []string{"is refused", `_format_version is 1.1, need "3.0"`}},
		{name: "a section twice", object: replaced(`"routes":`, `"services":[],"routes":`), cause: []string{"is refused", `the member "services" is there twice`}},
		{name: "dangling reference", object: replaced(`"service":"00000001`, `"service":"00000002`), cause: []string{"is refused", "routes"}},
		{name: "a number without end", object: replaced(`"port":`, `"port":1e999,"x":`), cause: []string{"is refused", "is too large"}},
		{name: "nested without end", object: replaced(`"services":`, `"x":`+strings.Repeat("[", 1<<20)+`,"services":`), cause: []string{"it is not one complete JSON value"}},
		{name: "gzip bomb", object: zipped(t, make([]byte, 32<<20)), cause: []string{"object is too large", "expand to more than"}},
		{name: "larger than the limit", change: func(config *conf.Config) { config.Fallback.MaxSize = 100 },
			cause: []string{"object is too large", "the limit is 100"}},
		{name: "larger than the limit once expanded", object: zipped(t, append(bytes.Repeat([]byte(" "), 10_000), good...)),
			change: func(config *conf.Config) { config.Fallback.MaxSize = 9000 }, cause: []string{"object is too large", "expand to more than 9000"}},
		{name: "other version only", key: "prefix/3.9.0/config.json", cause: []string{"NoSuchKey (status 404)", "found 3.9.0: upgrade exporter and importer together"}, requests: withList},
		{name: "other version only, and no right to list", account: ownVersion, key: "prefix/3.9.0/config.json",
			cause: []string{"NoSuchKey (status 404)", "the node may not list which versions there are"}, requests: withList},
	}
}

// Whatever is wrong with the store: the data plane is not ready and serves
// nothing, says why in one line, goes on dialling its control plane, takes the
// configuration of that when it comes, and never touches the store again.
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	upstream := echo(t)
	faults := storeFaults(t, []byte(table(upstream, "/gen/7")))
	for i := range faults {
		t.Run(faults[i].name, func(t *testing.T) {
			t.Parallel()
			faults[i].judge(t, upstream)
		})
	}
}

func (f *storeFault) judge(t *testing.T, upstream string) {
	c, dir := newCluster(t), t.TempDir()
	c.store = nil
	store := newFaultyStore(t, f, []byte(table(upstream, "/gen/7")))
	dials, book := deadControlPlane(t, c), &logBook{}
	c.getenv, c.log = store.getenv, book.handler()
	dp := c.start(conf.DataPlane, dir, func(config *conf.Config) {
		importing(config)
		if f.change != nil {
			f.change(config)
		}
	})
	eventually(t, "the import has failed", func() bool { return len(book.lines("fallback.import_failed")) > 0 })
	f.checkLog(t, book)
	f.checkNotServing(t, dp, dir)
	before := dials.count()
	eventually(t, "the control plane is dialled further on", func() bool { return dials.count() > before+2 })
	f.checkNotServing(t, dp, dir)

	dials.end()
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/8"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	dp.awaitBody("/x", "/gen/8/x")
	eventually(t, "ready with the control plane's configuration", dp.isReady)
	dp.end()
	f.checkRequests(t, store)
	if lines := book.lines("fallback.import_failed"); len(lines) != 1 {
		t.Errorf("the failure was told %d times", len(lines))
	}
}

func (f *storeFault) checkLog(t *testing.T, book *logBook) {
	t.Helper()
	line := book.lines("fallback.import_failed")[0]
	text, _ := line["error"].(string)
	if line["object"] != storedURL || line["level"] != "ERROR" || !strings.Contains(text, storedURL) {
		t.Errorf("the object is not named: %v", line)
	}
	for _, cause := range f.cause {
		if !strings.Contains(text, cause) {
			t.Errorf("the error is %q, want %q in it", text, cause)
		}
	}
	if all := book.String(); strings.Contains(text, "\n") || strings.Contains(all, readerSecret) || strings.Contains(all, "Signature=") {
		t.Errorf("more than one line, or a secret: %s", all)
	}
}

func (f *storeFault) checkNotServing(t *testing.T, dp *running, dir string) {
	t.Helper()
	status, text := dp.get("status", "/status/ready")
	proxied, _ := dp.get("proxy", "/x")
	if status != 503 || !strings.Contains(text, "no configuration available") || proxied != 404 {
		t.Errorf("ready %d %s, proxied %d", status, text, proxied)
	}
	told, _ := dp.status()["fallback"].(map[string]any)
	if reason, _ := told["import_error"].(string); told["import_attempted"] != true || told["imported"] != false || !strings.Contains(reason, f.cause[0]) {
		t.Errorf("status tells %v", told)
	}
	if _, err := os.Stat(filepath.Join(dir, "config.cache")); err == nil {
		t.Error("what was refused is in the cache")
	}
}

func (f *storeFault) checkRequests(t *testing.T, store *faultyStore) {
	t.Helper()
	want := f.requests
	if want == nil {
		want = []string{readOnce}
	}
	if got := store.requests(); !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	connections := max(len(want), 1)
	if f.listen == nowhere {
		connections = 0
	}
	if got := store.connections(); got != connections {
		t.Errorf("%d connections, want %d", got, connections)
	}
}
