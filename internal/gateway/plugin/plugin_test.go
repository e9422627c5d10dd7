// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/plugin"
)

type row = map[string]any

// noon is a time in the middle of every window.
var noon = time.Date(2026, 5, 17, 12, 30, 30, 500_000_000, time.UTC)

// table is a configuration with two consumers and the given plugins.
func table(plugins ...any) *entity.Table {
	return &entity.Table{All: map[string]any{
		"consumers": []any{
			row{"id": "c-alice", "username": "alice", "custom_id": "cust-1"},
			row{"id": "c-bob", "username": "bob"},
		},
		"keyauth_credentials": []any{
			row{"id": "k-alice", "key": "alice-key", "consumer": "c-alice"},
			row{"id": "k-bob", "key": "bob-key", "consumer": "c-bob"},
			row{"id": "k-old", "key": "old-key", "consumer": "c-bob", "ttl": float64(noon.Unix())},
			row{"id": "k-new", "key": "new-key", "consumer": "c-bob", "ttl": float64(noon.Unix() + 1)},
			row{"id": "k-short", "key": "short-key", "consumer": "c-bob", "ttl": 60.0},
		},
		"plugins": plugins,
	}}
}

func newSet(t *testing.T, plugins ...any) *plugin.Set {
	t.Helper()
	set, err := plugin.NewSet(table(plugins...), plugin.Options{Now: noon.Add(-time.Minute + time.Nanosecond)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// begin starts an exchange of a client at 192.0.2.7 with route r and service s.
func begin(r *http.Request) *plugin.Exchange {
	x := &plugin.Exchange{}
	x.Begin(r)
	x.Client, x.Scheme, x.Path = netip.MustParseAddr("192.0.2.7"), "http", r.URL.EscapedPath()
	x.Route, x.Service, x.Now = "r", "s", noon
	return x
}

func get(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header[http.CanonicalHeaderKey(headers[i])] = append(r.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	return r
}

func TestKeyAuth(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		config   row
		request  *http.Request
		message  string // of the refusal, empty if let in
		consumer string
		query    string // that the service gets
	}{
		{"header", nil, get("/?a=1", "apikey", "alice-key"), "", "c-alice", "a=1"},
		{"query", nil, get("/?apikey=bob-key&a=1"), "", "c-bob", "apikey=bob-key&a=1"},
		{"none", nil, get("/"), "No API key found in request", "", ""},
		{"empty", nil, get("/", "apikey", ""), "No API key found in request", "", ""},
		{"expired", nil, get("/", "apikey", "old-key"), "Unauthorized", "", ""},
		{"about to expire", nil, get("/", "apikey", "new-key"), "", "c-bob", ""},
		{"lasting a minute", nil, get("/", "apikey", "short-key"), "", "c-bob", ""},
		{"unknown", nil, get("/", "apikey", "x"), "Unauthorized", "", ""},
		{"twice", nil, get("/?apikey=alice-key&apikey=bob-key"), "Duplicate API key found", "", "apikey=alice-key&apikey=bob-key"},
		{"hidden", row{"hide_credentials": true}, get("/?apikey=bob-key&a=1%20b"), "", "c-bob", "a=1%20b"},
		{"second name", row{"key_names": []any{"x-k", "k2"}}, get("/?k2=bob-key"), "", "c-bob", "k2=bob-key"},
		{"not in query", row{"key_in_query": false}, get("/?apikey=bob-key"), "No API key found in request", "", "apikey=bob-key"},
		{"anonymous by name", row{"anonymous": "bob"}, get("/"), "", "c-bob", ""},
		{"preflight", row{"run_on_preflight": false}, httptest.NewRequest(http.MethodOptions, "/", nil), "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := begin(test.request)
			set := newSet(t, row{"name": "key-auth", "config": test.config})
			answer := set.Chain("r", "s").Access(x)
			if message := messageOf(answer); message != test.message {
				t.Errorf("answered %q, want %q", message, test.message)
			}
			if consumer := consumerOf(x); consumer != test.consumer {
				t.Errorf("consumer %q, want %q", consumer, test.consumer)
			}
			if x.Upstream.Query != test.query {
				t.Errorf("the service gets the query %q, want %q", x.Upstream.Query, test.query)
			}
		})
	}
}

func messageOf(answer *plugin.Answer) string {
	if answer == nil {
		return ""
	}
	return answer.Message + string(answer.Body)
}

func consumerOf(x *plugin.Exchange) string {
	if x.Consumer == nil {
		return ""
	}
	return x.Consumer.ID
}

// TestKeyAuthSpoof covers that a client cannot say who it is.
func TestKeyAuthSpoof(t *testing.T) {
	t.Parallel()
	request := get("/", "apikey", "bob-key", "X-Consumer-Custom-Id", "root", "X-Anonymous-Consumer", "true", "X-Consumer-Username", "root")
	x := begin(request)
	set := newSet(t, row{"name": "key-auth"})
	if answer := set.Chain("r", "s").Access(x); answer != nil {
		t.Fatalf("refused: %s", answer.Message)
	}
	for name, want := range map[string]string{"X-Consumer-Username": "bob", "X-Consumer-Custom-Id": "", "X-Anonymous-Consumer": ""} {
		if have := strings.Join(x.Header()[name], ","); have != want {
			t.Errorf("the service gets %s: %q, want %q", name, have, want)
		}
	}
	if request.Header.Get("X-Consumer-Username") != "root" {
		t.Error("the client's request itself was changed")
	}
}

// TestKeyAuthHidesEveryKey covers a client that sends its key in every place.
func TestKeyAuthHidesEveryKey(t *testing.T) {
	t.Parallel()
	set := newSet(t, row{"name": "key-auth", "config": row{"hide_credentials": true, "key_in_body": true}})
	r := httptest.NewRequest(http.MethodPost, "/?apikey=alice-key&a=1", strings.NewReader("apikey=alice-key&b=2"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("apikey", "alice-key")
	x := begin(r)
	if answer := set.Chain("r", "s").Access(x); answer != nil {
		t.Fatalf("answered %q", messageOf(answer))
	}
	if x.Header().Get("apikey") != "" || x.Upstream.Query != "a=1" || string(x.Upstream.Body) != "b=2" {
		t.Errorf("the service gets the header %q, the query %q and the body %q", x.Header().Get("apikey"), x.Upstream.Query, x.Upstream.Body)
	}
}

func TestKeyAuthBody(t *testing.T) {
	t.Parallel()
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded": "apikey=alice-key&x=1",
		"application/json":                  `{"apikey":"alice-key","x":1}`,
	} {
		x := begin(post(contentType, body))
		set := newSet(t, row{"name": "key-auth", "config": row{"key_in_body": true, "hide_credentials": true}})
		if answer := set.Chain("r", "s").Access(x); answer != nil {
			t.Errorf("%s: refused: %s", contentType, answer.Message)
		}
		if strings.Contains(string(x.Upstream.Body), "alice") || !strings.Contains(string(x.Upstream.Body), "x") {
			t.Errorf("%s: the service gets %s", contentType, x.Upstream.Body)
		}
	}
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestIPRestriction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		config  row
		message string
	}{
		{"denied", row{"deny": []any{"192.0.2.0/24"}}, "IP address not allowed: 192.0.2.7"},
		{"allowed", row{"allow": []any{"192.0.2.7"}}, ""},
		{"not allowed", row{"allow": []any{"192.0.2.8", "2001:db8::/32"}}, "IP address not allowed: 192.0.2.7"},
		{"denied and allowed", row{"allow": []any{"192.0.2.7"}, "deny": []any{"192.0.2.7"}}, "IP address not allowed: 192.0.2.7"},
		{"own words", row{"allow": []any{"10.0.0.1"}, "message": "legal", "status": 451.0}, "legal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set := newSet(t, row{"name": "ip-restriction", "config": test.config})
			answer := set.Chain("r", "s").Access(begin(get("/")))
			if message := messageOf(answer); message != test.message {
				t.Errorf("answered %q, want %q", message, test.message)
			}
			if test.message == "legal" && answer.Status != 451 {
				t.Errorf("status %d, want 451", answer.Status)
			}
		})
	}
}

func TestRateLimiting(t *testing.T) {
	t.Parallel()
	set := newSet(t, row{"name": "rate-limiting", "route": "r", "config": row{"hour": 3.0, "day": 3.0}})
	for i := range 5 {
		x := begin(get("/"))
		answer := set.Chain("r", "s").Access(x)
		if (answer == nil) != (i < 3) {
			t.Fatalf("request %d: answered %q", i+1, messageOf(answer))
		}
		headers := addedOf(x)
		if want := strconv.Itoa(max(0, 2-i)); headers["X-RateLimit-Remaining-Hour"] != want || headers["RateLimit-Remaining"] != want {
			t.Errorf("request %d: %v, want %s left", i+1, headers, want)
		}
		// Of two equally tight windows the longer one says when.
		if headers["RateLimit-Reset"] != "41370" || i == 3 && headers["Retry-After"] != "41370" {
			t.Errorf("request %d: %v, want a reset in 41370 s", i+1, headers)
		}
	}
	late := begin(get("/"))
	late.Now = noon.Add(24 * time.Hour)
	if answer := set.Chain("r", "s").Access(late); answer != nil {
		t.Error("refused in the next window")
	}
}

func addedOf(x *plugin.Exchange) map[string]string {
	headers := map[string]string{}
	for _, added := range x.Added {
		headers[added.Name] = added.Value
	}
	return headers
}

// TestRateLimitingBy covers for whom requests count: with a limit of one, the
// second request passes only if it counts for another.
func TestRateLimitingBy(t *testing.T) {
	t.Parallel()
	auth := row{"name": "key-auth"}
	tests := []struct {
		name   string
		config row
		second func(x *plugin.Exchange)
		passes bool
	}{
		{"consumer", row{"limit_by": "consumer"}, func(x *plugin.Exchange) { x.Request.Header.Set("Apikey", "bob-key") }, true},
		{"credential", row{"limit_by": "credential"}, func(x *plugin.Exchange) { x.Request.Header.Set("Apikey", "bob-key") }, true},
		{"same consumer", row{"limit_by": "consumer"}, func(x *plugin.Exchange) { x.Client = netip.MustParseAddr("192.0.2.8") }, false},
		{"ip", row{"limit_by": "ip"}, func(x *plugin.Exchange) { x.Client = netip.MustParseAddr("192.0.2.8") }, true},
		{"service", row{"limit_by": "service"}, func(x *plugin.Exchange) { x.Client = netip.MustParseAddr("192.0.2.8") }, false},
		{"header", row{"limit_by": "header", "header_name": "X-Who"}, func(x *plugin.Exchange) { x.Request.Header.Set("X-Who", "b") }, true},
		{"path", row{"limit_by": "path", "path": "/p"}, func(x *plugin.Exchange) { x.Client = netip.MustParseAddr("192.0.2.8") }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.config["minute"] = 1.0
			set := newSet(t, auth, row{"name": "rate-limiting", "config": test.config})
			first, second := begin(get("/p", "apikey", "alice-key")), begin(get("/p", "apikey", "alice-key"))
			test.second(second)
			if answer := set.Chain("r", "s").Access(first); answer != nil {
				t.Fatalf("the first is refused: %s", messageOf(answer))
			}
			if answer := set.Chain("r", "s").Access(second); (answer == nil) != test.passes {
				t.Errorf("the second is answered %q, passes should be %t", messageOf(answer), test.passes)
			}
		})
	}
}

func TestTermination(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		config        row
		status        int
		contentType   string
		body, trigger string
	}{
		{"default", nil, 503, "application/json; charset=utf-8", `{"message":"Service unavailable"}`, ""},
		{"message", row{"status_code": 403.0, "message": "a<b"}, 403, "application/json; charset=utf-8", `{"message":"a<b"}`, ""},
		{"body", row{"body": "<p>", "content_type": "text/html"}, 503, "text/html", "<p>", ""},
		{"triggered", row{"trigger": "x-term"}, 503, "application/json; charset=utf-8", `{"message":"Service unavailable"}`, "?x-term"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set := newSet(t, row{"name": "request-termination", "config": test.config})
			answer := set.Chain("r", "s").Access(begin(get("/" + test.trigger)))
			if answer == nil || answer.Status != test.status || answer.ContentType != test.contentType || string(answer.Body) != test.body {
				t.Errorf("answered %+v", answer)
			}
			if test.trigger == "" {
				return
			}
			if answer := set.Chain("r", "s").Access(begin(get("/"))); answer != nil {
				t.Errorf("answered %q without the trigger", answer.Body)
			}
		})
	}
}

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

// TestScope covers which instance of a plugin a request gets: the one with the
// most specific scope.
func TestScope(t *testing.T) {
	t.Parallel()
	all := []struct {
		scope   row
		message string
	}{
		{row{}, "global"},
		{row{"service": "s"}, "service"},
		{row{"route": "r"}, "route"},
		{row{"consumer": "c-bob"}, "consumer"},
		{row{"route": "r", "service": "s"}, "route+service"},
		{row{"service": "s", "consumer": "c-bob"}, "service+consumer"},
		{row{"route": "r", "consumer": "c-bob"}, "route+consumer"},
		{row{"route": "r", "service": "s", "consumer": "c-bob"}, "all"},
	}
	plugins := []any{row{"name": "key-auth", "config": row{"anonymous": "alice"}}}
	for _, one := range all {
		one.scope["name"], one.scope["config"] = "request-termination", row{"body": one.message}
		plugins = append(plugins, one.scope)
		set := newSet(t, plugins...)
		if have := messageOf(set.Chain("r", "s").Access(begin(get("/", "apikey", "bob-key")))); have != one.message {
			t.Errorf("with the scopes up to %q: ran %q", one.message, have)
		}
		other := begin(get("/"))
		other.Route, other.Service = "other", "other"
		if have := messageOf(set.Chain("other", "other").Access(other)); have != "global" {
			t.Errorf("another route with another consumer: ran %q, want global", have)
		}
	}
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for protocol, runs := range map[string]bool{"http": true, "https": true, "grpc": true, "tcp": false} {
		set := newSet(t, row{"name": "key-auth", "protocols": []any{protocol}})
		x := begin(get("/"))
		x.Scheme = "other" // a trusted peer's X-Forwarded-Proto
		if answer := set.Chain("r", "s").Access(x); (answer != nil) != runs {
			t.Errorf("a key-auth for %s let a request without a key through: %t", protocol, answer == nil)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for want, refused := range map[string]row{
		"plugins.1: plugin 'jwt': cannot be run by this data plane": {"name": "jwt"},
		"config.policy: 'redis' is not supported":                   {"name": "rate-limiting", "config": row{"policy": "redis", "hour": 1.0}},
		"config: no limit is set":                                   {"name": "rate-limiting"},
		"config.add.headers: 'x': template expression not":          {"name": "request-transformer", "config": row{"add": row{"headers": []any{"x:$(os.exit())"}}}},
		"config.allow: 'x' is no address":                           {"name": "ip-restriction", "config": row{"allow": []any{"x"}}},
	} {
		_, err := plugin.NewSet(table(refused), plugin.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		refused["enabled"] = false
		if _, err := plugin.NewSet(table(refused), plugin.Options{}); err != nil {
			t.Errorf("disabled: %v", err)
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
