// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "" is a rule
		`{"account":"a","effect":"refuse"}`:                                                                     "",
		`{"account":"a","effect":"fail","status":503,"retry_after":1000000000}`:                                 "",
		`{"account":"a","effect":"stale","object":{"body":"e30=","etag":"","modified":"2026-01-01T00:00:00Z"}}`: "",
		``:                                      "not a rule in JSON",
		`{`:                                     "not a rule in JSON",
		`[]`:                                    "not a rule in JSON",
		`{"account":"a","effect":"hang"} x`:     "more after it",
		`{"account":"a","effect":"hang","x":1}`: "unknown field",
		`{"effect":"hang"}`:                     "no account",
		`{"account":"a","effect":"burn"}`:       "unknown effect",
		`{"account":"a"}`:                       "unknown effect",
		`{"account":"a","effect":"hang","count":-1}`:                                     "negative",
		`{"account":"a","effect":"fail"}`:                                                "a status",
		`{"account":"a","effect":"fail","status":200}`:                                   "a status",
		`{"account":"a","effect":"fail","status":503,"retry_after":-1}`:                  "not negative",
		`{"account":"a","effect":"slow"}`:                                                "a rate",
		`{"account":"a","effect":"truncate","bytes":-1}`:                                 "a number of bytes",
		`{"account":"a","effect":"stale"}`:                                               "an object",
		`{"account":"a","effect":"other-version","key_suffix":"x","object":{"body":""}}`: "an object",
	} {
		_, err := ParseRule([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// FuzzParseRule: what is taken is a rule that can be written and read again, and
// that says of any request whether it is about it.
func FuzzParseRule(f *testing.F) {
	f.Add([]byte(`{"account":"a","methods":["GET"],"key_suffix":"k","count":2,"effect":"fail","status":503,"code":"SlowDown","retry_after":1,"ahead":1}`))
	f.Add([]byte(`{"account":"a","key_suffix":"k","effect":"other-version","object":{"key":"o","body":"e30=","etag":"x","modified":"2026-01-01T00:00:00Z","metadata":{"a":"b"}}}`))
	f.Add([]byte(`{"account":"a","effect":"truncate","bytes":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rule, err := ParseRule(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(rule)
		if err != nil {
			return // a time that JSON cannot hold, of the year 10000 and beyond
		}
		again, err := ParseRule(written)
		if err != nil || !reflect.DeepEqual(rule.Effect, again.Effect) || rule.Account != again.Account {
			t.Errorf("%s is read as %+v, %v", written, again, err)
		}
		for _, path := range []string{"/", "/b", "/b/k"} {
			rule.matches("a", httptest.NewRequest("GET", path, nil))
		}
	})
}

// FuzzRewriteList: a store's list is outside bytes too.
func FuzzRewriteList(f *testing.F) {
	f.Add(`<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>p/k</Key></Contents></ListBucketResult>`)
	f.Add(`<EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents><Contents>`)
	f.Fuzz(func(t *testing.T, body string) {
		p := placed{Rule: Rule{KeySuffix: "/k", Object: older("p/o")}}
		res := &http.Response{Header: http.Header{}, Body: http.NoBody, Request: httptest.NewRequest("GET", "/b?prefix=p/", nil)}
		if err := replaceBody(res, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.rewriteList(res); err != nil {
			t.Error(err)
		}
	})
}

// TestCompressedListIsRewritten: stores compress long lists.
func TestCompressedListIsRewritten(t *testing.T) {
	t.Parallel()
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, err := writer.Write([]byte(`<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>p/k</Key></Contents></ListBucketResult>`))
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	p := placed{Rule: Rule{KeySuffix: "/k", Object: older("p/o")}}
	res := &http.Response{Header: http.Header{"Content-Encoding": {"gzip"}}, Body: http.NoBody, Request: httptest.NewRequest("GET", "/b?prefix=p/", nil)}
	if err := replaceBody(res, compressed.Bytes()); err != nil {
		t.Fatal(err)
	}
	if changed, err := p.rewriteList(res); err != nil || !changed {
		t.Fatalf("rewritten: %v, %v", changed, err)
	}
	list, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(list), "<Key>p/o</Key>") || strings.Contains(string(list), "<Key>p/k</Key>") || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("list %q, headers %v, %v", list, res.Header, err)
	}
}

func TestControlRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	b := newBench(t, http.NotFoundHandler())
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/rules/r1", `{"account":"a","effect":"burn"}`, 400},
		{"PUT", "/rules/r1", `{"account":"a","effect":"hang"}`, 204},
		{"GET", "/rules/r1", "", 200},
		{"DELETE", "/rules/r1", "", 204},
		{"DELETE", "/rules/r1", "", 204}, // also if it is not there
		{"GET", "/rules/r1", "", 404},
		{"POST", "/rules/r1", "", 405},
		{"PUT", "/tls/n1", `{"listen":"127.0.0.1:0"}`, 400},
		{"PUT", "/tls/n1", `{"x":1}`, 400},
		{"PUT", "/tls/n1/certificate", `{}`, 400},
		{"DELETE", "/tls/n1/certificate", "", 400},
		{"GET", "/nothing", "", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+b.events+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s %s %s: %d, want %d", c.method, c.path, c.body, response.StatusCode, c.status)
		}
	}
}

// TestControlIsNotOnTheStoresListener: a client of the store cannot rule itself out.
func TestControlIsNotOnTheStoresListener(t *testing.T) {
	t.Parallel()
	b := newBench(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, path := range []string{"/rules/r1", "/events", "/tls/n1"} {
		response, err := http.Get("http://" + b.front + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusTeapot {
			t.Errorf("%s is answered by the front: %d", path, response.StatusCode)
		}
	}
}

func TestClientOfAFrontThatIsGone(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteRule(t.Context(), "r1"); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "r1") {
		t.Errorf("error %v", err)
	}
}
