// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// recording is one configuration with what a real gateway did with requests.
type recording struct {
	Case       string         `json:"case"`
	Config     map[string]any `json:"config"`
	LoadStatus int            `json:"load_status"`
	Requests   []struct {
		Request struct {
			Method, Path string
			Headers      [][2]string
			TLS          bool
		}
		Observed struct {
			Status    int
			RouteName *string `json:"route_name"`
			Upstream  *struct{ URI, Host string }
		}
	}
}

// table turns the configuration into a config_table: ids and defaults filled
// in, references by id.
func (r recording) table() ([]byte, error) {
	ids := map[string]string{}
	rows := func(name string) []any { list, _ := r.Config[name].([]any); return list }
	for _, element := range rows("services") {
		row := entity.Record(element.(map[string]any))
		if row.ID() == "" {
			row["id"] = uuid.NewString()
		}
		ids[row.Name()] = row.ID()
	}
	for _, element := range rows("routes") {
		row := entity.Record(element.(map[string]any))
		if row.ID() == "" {
			row["id"] = uuid.NewString()
		}
		reference := row["service"]
		if member, ok := reference.(map[string]any); ok {
			reference = member["id"]
			if name, ok := member["name"].(string); ok {
				reference = name
			}
		}
		if id, ok := ids[stringOf(reference)]; ok {
			reference = id
		}
		row["service"] = reference
	}
	return json.Marshal(r.Config)
}

func stringOf(value any) string { text, _ := value.(string); return text }

// TestRecordedRouting compares routes and upstream requests with a real
// gateway's, for the configurations that need only what this router knows.
func TestRecordedRouting(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BLACKOUT_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	lines, err := os.ReadFile(filepath.Join(dir, "router.jsonl"))
	if err != nil {
		t.Skipf("the recordings of a real router are not here (set BLACKOUT_CORPUS): %v", err)
	}
	compared, refused := 0, 0
	for line := range bytes.Lines(lines) {
		var r recording
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		raw, err := r.table()
		if err != nil {
			t.Fatal(err)
		}
		table, err := entity.ParseTable(raw)
		if err != nil {
			if r.LoadStatus == 201 && !strings.Contains(err.Error(), "not supported yet") {
				t.Errorf("%s is refused: %v", r.Case, err)
			}
			refused++
			continue
		}
		if r.LoadStatus != 201 {
			t.Errorf("%s is accepted", r.Case)
			continue
		}
		router, err := NewRouter(table)
		if err != nil {
			refused++
			continue
		}
		compared += r.compare(t, router)
	}
	t.Logf("%d requests compared; %d configurations need what is not supported yet", compared, refused)
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

func (r recording) compare(t *testing.T, router *Router) (compared int) {
	p := New(Options{Version: "3.9.1"})
	for _, recorded := range r.Requests {
		request := recorded.Request
		if request.TLS || recorded.Observed.Status == http.StatusBadRequest {
			continue // no TLS listener; and what HTTP itself refuses is net/http's
		}
		host := ""
		for _, header := range request.Headers {
			if strings.EqualFold(header[0], "host") {
				host = header[1]
			}
		}
		target, err := url.ParseRequestURI(request.Path)
		if err != nil {
			continue // net/http refuses it before any router
		}
		path := target.EscapedPath()
		match, found := router.Match(request.Method, host, path)
		compared++
		want := recorded.Observed.RouteName
		if found != (want != nil) || found && match.Route.Name != *want {
			t.Errorf("%s: %s %s%s: got %v, want %v", r.Case, request.Method, host, request.Path, match.Route, deref(want))
			continue
		}
		if upstream := recorded.Observed.Upstream; found && upstream != nil {
			out := p.outgoing(match, request.Method, host, target)
			if got := out.URL.RequestURI(); got != upstream.URI || out.Host != upstream.Host {
				t.Errorf("%s: %s%s via %s: sent %s to %s, want %s to %s", r.Case, host, request.Path, match.Prefix, got, out.Host, upstream.URI, upstream.Host)
			}
		}
	}
	return compared
}

func deref(text *string) string {
	if text == nil {
		return "no route"
	}
	return *text
}

// outgoing is the request that an upstream would get.
func (p *Proxy) outgoing(match Match, method, host string, target *url.URL) *http.Request {
	in := httptest.NewRequest(method, "/", nil)
	in.Host = host
	in.URL = target
	in = in.WithContext(contextWith(in, &exchange{match: match}))
	out := in.Clone(in.Context())
	p.rewrite(&httputil.ProxyRequest{In: in, Out: out})
	return out
}

func contextWith(r *http.Request, x *exchange) context.Context {
	return context.WithValue(r.Context(), exchangeKey{}, x)
}
