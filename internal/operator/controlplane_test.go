// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/publication"
	"blackout/internal/gateway/store"
	"blackout/internal/operator"
)

// plane is a control plane: an Admin API, and what it hands out.
type plane struct {
	t  *testing.T
	db *store.Store
	*httptest.Server
}

func newPlane(t *testing.T) *plane {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "cp.db")})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(admin.New(admin.Options{Store: db, Version: version}))
	t.Cleanup(func() {
		server.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &plane{t, db, server}
}

// set sets an entity.
func (p *plane) set(path, body string) {
	p.t.Helper()
	p.send(http.MethodPut, path, body)
}

func (p *plane) send(method, path, body string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.Client().Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
}

// pushed is the config_table that data planes get.
func (p *plane) pushed() []byte {
	p.t.Helper()
	var builder publication.Builder
	delta, err := p.db.Since(p.t.Context(), builder.Position())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := builder.Apply(delta); err != nil {
		p.t.Fatal(err)
	}
	made, err := builder.Make(time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	return made.Table()
}

// fill gives the control plane an entity of every kind, some of them disabled.
func (p *plane) fill() {
	cert, certKey := certificate(p.t, "a.example", time.Now().Add(time.Hour))
	ca, _ := certificate(p.t, "ca", time.Now().Add(time.Hour))
	quoted := func(text string) string { q, _ := json.Marshal(text); return string(q) }
	for _, e := range [][2]string{
		{"/services/orders", `{"url":"http://orders.internal:8080/api"}`},
		{"/services/off", `{"url":"http://off.internal","enabled":false}`},
		{"/services/off/routes/dark", `{"paths":["/dark"]}`},
		{"/services/orders/routes/list", `{"paths":["/orders"]}`},
		{"/upstreams/orders.internal", `{}`},
		{"/consumers/alice", `{}`},
		{"/consumers/alice/key-auth/00000002-0000-4000-8000-000000000001", `{"key":"alice-secret-key"}`},
		{"/consumers/alice/basic-auth/00000003-0000-4000-8000-000000000001", `{"username":"alice","password":"alice-password"}`},
		{"/consumers/alice/acls/00000004-0000-4000-8000-000000000001", `{"group":"staff"}`},
		{"/consumers/alice/jwt/00000005-0000-4000-8000-000000000001", `{"key":"k","secret":"s"}`},
		{"/plugins/00000006-0000-4000-8000-000000000001", `{"name":"rate-limiting","config":{"minute":5}}`},
		{"/plugins/00000006-0000-4000-8000-000000000002", `{"name":"key-auth","enabled":false}`},
		{"/services/orders/plugins/00000006-0000-4000-8000-000000000003", `{"name":"key-auth"}`},
		{"/certificates/00000007-0000-4000-8000-000000000001", `{"cert":` + quoted(cert) + `,"key":` + quoted(certKey) + `,"snis":["a.example"]}`},
		{"/ca_certificates/00000008-0000-4000-8000-000000000001", `{"cert":` + quoted(ca) + `}`},
		{"/vaults/my", `{"name":"env"}`},
		{"/key-sets/set", `{}`},
	} {
		p.set(e[0], e[1])
	}
	p.send(http.MethodPost, "/upstreams/orders.internal/targets", `{"target":"10.0.0.1:80","weight":10}`)
}

func (p *plane) read(token string) (*operator.Configuration, error) {
	p.t.Helper()
	cp, err := operator.NewControlPlane(p.URL, token)
	if err != nil {
		p.t.Fatal(err)
	}
	return cp.Read(p.t.Context())
}

// TestControlPlaneIsReadAsItHandsOut: what is read through the Admin API is what data
// planes get, but for the control plane's own bookkeeping.
func TestControlPlaneIsReadAsItHandsOut(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.fill()
	for i := range 1234 { // two pages of services
		p.set(fmt.Sprintf("/services/s%04d", i), `{"host":"a.example"}`)
	}
	read, err := p.read("")
	if err != nil {
		t.Fatal(err)
	}
	got, want := sections(t, read.Table.Raw), sections(t, p.pushed())
	for _, own := range []string{"workspaces", "parameters"} {
		delete(got, own)
		delete(want, own)
	}
	if g, w := entity.Hash(got), entity.Hash(want); g != w {
		t.Errorf("got %+v, want %+v; sections %v and %v", g, w, count(got), count(want))
	}
	if len(read.Table.Rows("services")) != 1235 {
		t.Errorf("%d services", len(read.Table.Rows("services")))
	}
}

func sections(t *testing.T, table []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(table, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func count(all map[string]any) map[string]int {
	n := map[string]int{}
	for name, section := range maps.All(all) {
		if list, ok := section.([]any); ok {
			n[name] = len(list)
		}
	}
	return n
}

// TestControlPlaneAndItsExport: what the backup node writes is equal to what is read, and
// a change shows.
func TestControlPlaneAndItsExport(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.fill()
	memory := &buckettest.Memory{}
	s := storage(memory)
	put(t, memory, key, string(p.pushed()), nil)
	for _, equal := range []bool{true, false} {
		read, err := p.read("")
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Diff(t.Context(), version, read)
		if err != nil || d.Equal != equal {
			t.Errorf("%+v, %v; want equal %v", d, err, equal)
		}
		p.set("/services/orders/routes/list", `{"paths":["/orders","/o"]}`)
	}
}

// TestTTL: a credential's time of expiry is exported, not what remains of it.
func TestTTL(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.fill()
	p.set("/consumers/alice/key-auth/00000002-0000-4000-8000-000000000002", `{"key":"other-secret-key","ttl":3600}`)
	read, err := p.read("")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range read.Table.Rows("keyauth_credentials") {
		if row.ID() != "00000002-0000-4000-8000-000000000002" {
			continue
		}
		if left := row.Number("ttl") - float64(time.Now().Unix()); left < 3500 || left > 3600 {
			t.Errorf("%v s remain", left)
		}
	}
	s := storage(&buckettest.Memory{})
	if r, err := s.Replace(t.Context(), read, operator.ReplaceOptions{Version: version, By: "x"}); err != nil || r.Outcome != operator.Written {
		t.Fatalf("%+v, %v", r, err)
	}
	if d, err := s.Diff(t.Context(), version, read); err != nil || !d.Equal {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestControlPlaneThatCannotBeRead says so, and tells no secret.
func TestControlPlaneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	page := func(rows string) string { return `{"data":[` + rows + `],"next":null}` }
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"denies": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, operator.TokenVariable},
		"fails":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "status 500"},
		"is no Admin API": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			"no Admin API"},
		"answers something else": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "no page"},
		"leads in a circle": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/services" {
				fmt.Fprint(w, `{"data":[],"next":"/services?size=1000"}`)
				return
			}
			fmt.Fprint(w, page(""))
		}, "circle"},
		"has consumer groups": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/consumer_groups" {
				fmt.Fprint(w, page(`{"name":"gold"}`))
				return
			}
			fmt.Fprint(w, page(""))
		}, "consumer_groups"},
		"has workspaces": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/workspaces" {
				fmt.Fprint(w, page(`{"name":"default"},{"name":"team"}`))
				return
			}
			fmt.Fprint(w, page(""))
		}, "workspace"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.invalid/", http.StatusFound)
		}, "status 302"},
		"changes all the time": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/services" {
				fmt.Fprintf(w, page(`{"id":"00000001-0000-4000-8000-000000000001","name":"s%d","host":"a.example"}`), reads.Add(1))
				return
			}
			fmt.Fprint(w, page(""))
		}, "changed in each"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Kong-Admin-Token") != "alice-secret-key" {
					t.Error("asked without the token")
				}
				c.answer(w, r)
			}))
			defer server.Close()
			cp, err := operator.NewControlPlane(server.URL+"/", "alice-secret-key")
			if err != nil {
				t.Fatal(err)
			}
			_, err = cp.Read(t.Context())
			if !errors.Is(err, operator.ErrEnvironment) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "alice-secret-key") {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cp, err := operator.NewControlPlane("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cp.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, address := range []string{"", "cp:8001", "ftp://cp", "http://admin:alice-secret-key@cp:8001", "http://cp?x=alice-secret-key", "http://%zz"} {
		if _, err := operator.NewControlPlane(address, ""); !errors.Is(err, operator.ErrInput) || strings.Contains(err.Error(), "alice-secret-key") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
