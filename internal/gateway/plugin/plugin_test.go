// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin_test

import (
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
