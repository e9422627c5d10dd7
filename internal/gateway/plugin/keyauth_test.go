// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/plugin"
)

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

// TestKeyAuthEscapesWhatNoHeaderMayHave covers a consumer whose custom_id would end
// the header, or make the service refuse the request.
func TestKeyAuthEscapesWhatNoHeaderMayHave(t *testing.T) {
	t.Parallel()
	table := &entity.Table{All: map[string]any{
		"consumers":           []any{row{"id": "c", "custom_id": "a\r\nX-Evil: 1\x00\x7f\tü"}},
		"keyauth_credentials": []any{row{"id": "k", "consumer": "c", "key": "key"}},
		"plugins":             []any{row{"name": "key-auth"}},
	}}
	set, err := plugin.NewSet(table, plugin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := begin(get("/", "apikey", "key"))
	if answer := set.Chain("r", "s").Access(x); answer != nil {
		t.Fatalf("answered %v", answer)
	}
	// As Kong writes it, which is not Go's canonical form.
	if got := x.Header()[strings.Clone("X-Consumer-Custom-ID")]; len(got) != 1 || got[0] != "a%0D%0AX-Evil: 1%00%7F\tü" {
		t.Errorf("the service gets %q", got)
	}
}
