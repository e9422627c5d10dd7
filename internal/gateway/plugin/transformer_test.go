// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blackout/internal/gateway/plugin"
)

func TestRequestTransformer(t *testing.T) {
	t.Parallel()
	set := newSet(t, row{"name": "request-transformer", "config": row{
		"http_method": "put",
		"remove":      row{"headers": []any{"x-rm"}, "querystring": []any{"rm"}},
		"rename":      row{"headers": []any{"x-old:x-new"}, "querystring": []any{"old:new"}},
		"replace": row{"headers": []any{"x-rep:replaced", "x-absent:zz", "host:rep.example"}, "querystring": []any{"rep:R"},
			"uri": `/new/$(uri_captures.id)/$(uri_captures[2])`},
		"add":    row{"headers": []any{"x-add:added", "x-rep:no", `x-tpl:$(headers.host) $(query_params.q or "none")`}, "querystring": []any{"add:1"}},
		"append": row{"headers": []any{"x-app:more"}, "querystring": []any{"app:2"}},
	}})
	x := begin(get("http://client.example/?rm=1&old=2&rep=3", "x-rm", "1", "x-old", "2", "x-rep", "3", "x-app", "first"))
	x.Capture = func(group string) (string, bool) {
		value, ok := map[string]string{"id": "42", "2": "a b"}[group]
		return value, ok
	}
	if answer := set.Chain("r", "s").Access(x); answer != nil {
		t.Fatalf("answered %q", messageOf(answer))
	}
	if x.Upstream.Method != "PUT" || x.Upstream.Host != "rep.example" || x.Upstream.Path != "/new/42/a b" {
		t.Errorf("the service gets %+v", x.Upstream)
	}
	if want := "new=2&rep=R&add=1&app=2"; x.Upstream.Query != want {
		t.Errorf("the service gets the query %q, want %q", x.Upstream.Query, want)
	}
	have := map[string]string{}
	for name, values := range x.Header() {
		have[strings.ToLower(name)] = strings.Join(values, ",")
	}
	want := map[string]string{"x-new": "2", "x-rep": "replaced", "x-add": "added", "x-tpl": "client.example none", "x-app": "first,more"}
	if len(have) != len(want) {
		t.Errorf("the service gets %v, want %v", have, want)
	}
	for name := range want {
		if have[name] != want[name] {
			t.Errorf("the service gets %s: %q, want %q", name, have[name], want[name])
		}
	}
}

func TestRequestTransformerBody(t *testing.T) {
	t.Parallel()
	config := row{
		"add": row{"body": []any{"a:1", "n:2"}}, "remove": row{"body": []any{"rm"}}, "append": row{"body": []any{"l:3"}},
		"rename": row{"body": []any{"old:new"}}, "replace": row{"body": []any{"rep:x"}},
	}
	tests := []struct{ contentType, body, want string }{
		{"application/json", `{"rm":1,"old":2,"rep":3,"big":12345678901234567890}`, `{"a":"1","big":12345678901234567890,"l":["3"],"n":"2","new":2,"rep":"x"}`},
		{"application/json; charset=utf-8", `[1]`, `[1]`},
		{"application/x-www-form-urlencoded", "rm=1&old=2&rep=3&s=a+b", "new=2&s=a%20b&rep=x&a=1&n=2&l=3"},
		{"text/plain", "rm=1", ""}, // not read: goes through as it is
	}
	for _, test := range tests {
		x := begin(post(test.contentType, test.body))
		set := newSet(t, row{"name": "request-transformer", "config": config})
		if answer := set.Chain("r", "s").Access(x); answer != nil {
			t.Fatalf("answered %q", messageOf(answer))
		}
		if have := string(x.Upstream.Body); have != test.want {
			t.Errorf("%s: the service gets %s, want %s", test.contentType, have, test.want)
		}
	}
}

func TestResponseTransformer(t *testing.T) {
	t.Parallel()
	set := newSet(t, row{"name": "response-transformer", "config": row{
		"remove":  row{"headers": []any{"x-echo"}, "json": []any{"version"}},
		"add":     row{"headers": []any{"x-added:1", "x-added:2"}, "json": []any{"added:yes", "n:5"}, "json_types": []any{"string", "number"}},
		"replace": row{"headers": []any{"content-type:application/vnd.x+json"}, "json": []any{"method:REPLACED"}},
		"append":  row{"headers": []any{"x-app:1"}, "json": []any{"method:2"}},
		"rename":  row{"headers": []any{"via:x-via"}},
	}})
	x := begin(get("/"))
	if answer := set.Chain("r", "s").Access(x); answer != nil {
		t.Fatalf("answered %q", messageOf(answer))
	}
	response := &plugin.Response{
		Status: 200,
		Header: http.Header{"X-Echo": {"1"}, "Via": {"1.1-up"}, "Content-Type": {"application/json"}, "Content-Length": {"33"}},
		Body:   io.NopCloser(strings.NewReader(`{"version":1,"method":"GET"}`)), Length: 33,
	}
	if err := x.Respond(response); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if want := `{"added":"yes","method":["REPLACED","2"],"n":5}`; err != nil || string(body) != want {
		t.Errorf("the client gets %s %v, want %s", body, err, want)
	}
	have := map[string]string{}
	for name, values := range response.Header {
		have[name] = strings.Join(values, ",")
	}
	want := map[string]string{"x-via": "1.1-up", "x-added": "2", "x-app": "1", "content-type": "application/vnd.x+json"}
	if len(have) != len(want) {
		t.Errorf("the client gets %v, want %v", have, want)
	}
	for name := range want {
		if have[name] != want[name] {
			t.Errorf("the client gets %s: %q, want %q", name, have[name], want[name])
		}
	}
}

// FuzzTemplate covers that no template breaks the reader or its evaluation.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		`$(headers.host)`, `$(query_params.q or "none")`, `a$(uri_captures["rest"] .. 'x')b`, `$(not (authenticated_consumer and 1) == nil)`, `$(((((`, `$(headers[1)`, `$(1..2)`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		set, err := plugin.NewSet(table(row{"name": "request-transformer", "config": row{"add": row{"querystring": []any{"a:" + text}}}}), plugin.Options{})
		if err == nil {
			set.Chain("r", "s").Access(begin(get("/?q=1")))
		}
	})
}

// FuzzBodies covers that no query and no body breaks the plugins that read them.
func FuzzBodies(f *testing.F) {
	f.Add("a=1&b", "application/json", []byte(`{"apikey":[1,{"a":null}],"old":2}`))
	f.Add("%zz=%&&=", "application/x-www-form-urlencoded", []byte("apikey=%zz&old=1&old"))
	f.Fuzz(func(t *testing.T, query, contentType string, body []byte) {
		set := newSet(t, row{"name": "key-auth", "config": row{"key_in_body": true, "hide_credentials": true, "anonymous": "bob"}},
			row{"name": "request-transformer", "config": row{"rename": row{"body": []any{"old:new"}, "querystring": []any{"old:new"}}, "append": row{"body": []any{"x:1"}}}})
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		set.Chain("r", "s").Access(begin(r))
	})
}
