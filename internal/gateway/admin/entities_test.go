// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

// pair is a certificate and its key as members of a JSON object.
func pair(t *testing.T) string {
	t.Helper()
	certificate, key := clustertest.Certificate(t)
	text, err := json.Marshal(map[string]string{"cert": string(certificate), "key": string(key)})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(text), "{}")
}

// TestEntitiesOfEveryKind: what the harness takes through export and import has every
// kind that there is, and the Admin API takes all of it.
func TestEntitiesOfEveryKind(t *testing.T) {
	t.Parallel()
	authority, err := fixtures.NewAuthority("an authority")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server(fixtures.NamedHost)
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t)
	for _, call := range fixtures.Entities(fixtures.Backdrop{Host: "upstream", Port: 80, Authority: authority.Certificate, Server: server}) {
		text, err := json.Marshal(call.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.json(call.Method, call.Path, string(text)); got.status != http.StatusOK && got.status != http.StatusCreated {
			t.Errorf("%s %s: %d %s", call.Method, call.Path, got.status, got.text)
		}
	}
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		if rows, _, err := a.store.List(t.Context(), schema, store.Query{Size: 1}); err != nil || len(rows) == 0 {
			t.Errorf("there is none of %s (error %v)", schema.Name, err)
		}
	}
}

func TestCertificatesAndTheirNames(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	members := pair(t)
	id := a.expect(201, "POST", "/certificates", `{`+members+`,"snis":["b.example","a.example"]}`).body["id"].(string)
	names := func(want string) {
		t.Helper()
		got, _ := json.Marshal(a.expect(200, "GET", "/certificates/"+id, "").body["snis"])
		if string(got) != want {
			t.Errorf("the names are %s, want %s", got, want)
		}
	}
	names(`["a.example","b.example"]`)
	a.expect(200, "GET", "/certificates/a.example", "")
	if got := a.expect(404, "GET", "/certificates/none.example", ""); got.body["message"] != "SNI not found" {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(200, "PUT", "/certificates/new.example", `{`+members+`}`); fmt.Sprint(got.body["snis"]) != "[new.example]" {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(400, "POST", "/certificates", `{`+members+`,"snis":["a.example"]}`); !strings.Contains(got.text, "already associated with existing certificate '"+id+"'") {
		t.Errorf("got %s", got.text)
	}
	a.expect(200, "PATCH", "/certificates/b.example", `{"snis":["b.example","c.example"]}`)
	names(`["b.example","c.example"]`)
	a.expect(200, "PATCH", "/certificates/"+id, `{"tags":["x"]}`)
	names(`["b.example","c.example"]`)
	a.expect(201, "POST", "/certificates/"+id+"/snis", `{"name":"d.example"}`)
	if list := a.expect(200, "GET", "/certificates/d.example/snis", ""); len(list.body["data"].([]any)) != 3 {
		t.Errorf("got %s", list.text)
	}
	a.expect(201, "POST", "/services", `{"name":"s","host":"h","protocol":"https","client_certificate":{"id":"`+id+`"}}`)
	a.expect(200, "GET", "/services/s/client_certificate", "")
	a.expect(400, "DELETE", "/certificates/"+id, "")
	a.expect(204, "DELETE", "/services/s", "")
	a.expect(204, "DELETE", "/certificates/"+id, "")
	a.expect(404, "GET", "/snis/d.example", "")
}

// TestAnAuthorityInUse cannot be deleted.
func TestAnAuthorityInUse(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	text, err := json.Marshal(map[string]string{"cert": string(clustertest.NewAuthority(t).PEM())})
	if err != nil {
		t.Fatal(err)
	}
	id := a.expect(201, "POST", "/ca_certificates", string(text)).body["id"].(string)
	a.expect(201, "POST", "/services", `{"name":"s","host":"h","protocol":"https","ca_certificates":["`+id+`"]}`)
	if got := a.expect(400, "DELETE", "/ca_certificates/"+id, ""); got.body["code"] != 19.0 {
		t.Errorf("got %s", got.text)
	}
	a.expect(204, "DELETE", "/services/s", "")
	a.expect(204, "DELETE", "/ca_certificates/"+id, "")
	a.expect(204, "DELETE", "/ca_certificates/"+id, "")
}

func TestTargets(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.expect(201, "POST", "/upstreams", `{"name":"u.example"}`)
	a.expect(404, "GET", "/targets", "")
	created := a.expect(201, "POST", "/upstreams/u.example/targets", `{"target":"h.example"}`)
	if created.body["target"] != "h.example:8000" || created.body["weight"] != 100.0 {
		t.Errorf("got %s", created.text)
	}
	id := created.body["id"].(string)
	a.expect(409, "POST", "/upstreams/u.example/targets", `{"target":"h.example:8000"}`)
	for _, name := range []string{id, "h.example:8000", "h.example"} {
		a.expect(200, "GET", "/upstreams/u.example/targets/"+name, "")
	}
	if got := a.expect(200, "PUT", "/upstreams/u.example/targets/"+id, `{"weight":5}`); got.body["weight"] != 5.0 || got.body["target"] != "h.example:8000" {
		t.Errorf("got %s", got.text)
	}
	a.expect(404, "PUT", "/upstreams/u.example/targets/00000001-0000-4000-8000-000000000001", `{"target":"x:1"}`)
	a.expect(200, "GET", "/upstreams/u.example/targets/all", "")
	health := a.expect(200, "GET", "/upstreams/u.example/health", "")
	if rows := health.body["data"].([]any); len(rows) != 1 || rows[0].(map[string]any)["health"] != "HEALTHCHECKS_OFF" || health.body["node_id"] != "n" {
		t.Errorf("got %s", health.text)
	}
	a.expect(404, "GET", "/upstreams/none/health", "")
	a.expect(204, "DELETE", "/upstreams/u.example", "")
	a.expect(404, "GET", "/upstreams/u.example/targets/"+id, "")
}

func TestConsumersAndTheirKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := a.expect(201, "POST", "/consumers", `{"username":"u","custom_id":"c"}`).body["id"].(string)
	for query, want := range map[string]int{"c": 1, "d": 0} {
		if list := a.expect(200, "GET", "/consumers?custom_id="+query, ""); len(list.body["data"].([]any)) != want {
			t.Errorf("%s: got %s", query, list.text)
		}
	}
	made := a.expect(201, "POST", "/consumers/u/key-auth", "")
	if key, _ := made.body["key"].(string); len(key) != 32 {
		t.Errorf("got %s", made.text)
	}
	a.expect(201, "POST", "/key-auths", `{"key":"k","consumer":{"username":"u"}}`)
	if got := a.expect(200, "GET", "/key-auths/k/consumer", ""); got.body["id"] != id {
		t.Errorf("got %s", got.text)
	}
	a.expect(200, "GET", "/consumers/u/key-auth/k", "")
	a.expect(409, "POST", "/consumers/u/key-auth", `{"key":"k"}`)
	if got := a.expect(201, "POST", "/consumers/u/key-auth", `{"key":"short","ttl":10}`); got.body["ttl"] != 9.0 && got.body["ttl"] != 10.0 {
		t.Errorf("got %s", got.text)
	}
	a.expect(400, "POST", "/key-auths", `{"key":"x","consumer":{"username":"nobody"}}`)
	a.expect(204, "DELETE", "/consumers/u", "")
	a.expect(404, "GET", "/key-auths/k", "")
}

// TestCredentialsOfOtherPlugins: they are kept for data planes that run those.
func TestCredentialsOfOtherPlugins(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := a.expect(201, "POST", "/consumers", `{"username":"u"}`).body["id"].(string)
	made := a.expect(201, "POST", "/consumers/u/basic-auth", `{"username":"alice","password":"pw"}`)
	sum := sha1.Sum([]byte("pw" + id))
	if made.body["password"] != hex.EncodeToString(sum[:]) {
		t.Errorf("got %s", made.text)
	}
	if got := a.expect(200, "PATCH", "/basic-auths/alice", `{"tags":["x"]}`); got.body["password"] != made.body["password"] {
		t.Errorf("hashed again: %s", got.text)
	}
	a.expect(201, "POST", "/consumers/u/acls", `{"group":"g"}`)
	a.expect(409, "POST", "/consumers/u/acls", `{"group":"g"}`)
	a.expect(200, "GET", "/consumers/u/acls/g", "")
	a.expect(400, "POST", "/consumers/u/jwt", `{"algorithm":"RS256"}`)
	a.expect(201, "POST", "/consumers/u/jwt", "")
	a.expect(201, "POST", "/consumers/u/hmac-auth", `{"username":"alice"}`)
	a.expect(201, "POST", "/consumers/u/oauth2", `{"name":"app"}`)
	table, err := storetest.Export(t.Context(), a.store, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acls", "basicauth_credentials", "jwt_secrets", "hmacauth_credentials", "oauth2_credentials"} {
		rows, _ := table.Table[name].([]any)
		if len(rows) != 1 || rows[0].(map[string]any)["consumer"] != id {
			t.Errorf("exported as %s: %v", name, rows)
		}
	}
	a.expect(204, "DELETE", "/consumers/u", "")
	if list := a.expect(200, "GET", "/jwts", ""); len(list.body["data"].([]any)) != 0 {
		t.Errorf("got %s", list.text)
	}
}

func TestPatchMerges(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.expect(201, "POST", "/plugins", `{"name":"rate-limiting","instance_name":"rl","config":{"minute":1,"redis":{"host":"r","port":1}}}`)
	patched := a.expect(200, "PATCH", "/plugins/rl", `{"config":{"redis":{"port":2}}}`)
	config := patched.body["config"].(map[string]any)
	if redis := config["redis"].(map[string]any); redis["host"] != "r" || redis["port"] != 2.0 || config["redis_port"] != 2.0 || config["minute"] != 1.0 {
		t.Errorf("got %s", patched.text)
	}
	if config = a.expect(200, "PATCH", "/plugins/rl", `{"config":{"redis_host":"q"}}`).body["config"].(map[string]any); config["redis"].(map[string]any)["host"] != "q" {
		t.Errorf("by its older name: %v", config)
	}
	a.expect(201, "POST", "/services", `{"name":"s","host":"h"}`)
	a.expect(201, "POST", "/services/s/routes", `{"name":"r","headers":{"a":["1"],"b":["2"]}}`)
	if got := a.expect(200, "PATCH", "/routes/r", `{"headers":{"c":["3"]}}`); len(got.body["headers"].(map[string]any)) != 1 {
		t.Errorf("a map is not replaced: %s", got.text)
	}
	if got := a.expect(201, "POST", "/upstreams", `{"name":"u","hash_on":"header","hash_on_header":"x"}`); got.body["algorithm"] != "consistent-hashing" {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(200, "PATCH", "/upstreams/u", `{"algorithm":"least-connections"}`); got.body["hash_on"] != "none" {
		t.Errorf("got %s", got.text)
	}
}

func TestNestedPathsAreTheirParents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.expect(201, "POST", "/services", `{"name":"s","host":"h"}`)
	a.expect(201, "POST", "/consumers", `{"username":"a/b c"}`)
	a.expect(200, "GET", "/consumers/a%2Fb%20c", "")
	for i := range 3 {
		a.expect(201, "POST", "/consumers/a%2Fb%20c/key-auth", `{"key":"`+strings.Repeat("k", i+1)+`"}`)
	}
	next, seen := "/consumers/a%2Fb%20c/key-auth?size=2", 0
	for next != "" {
		page := a.expect(200, "GET", next, "")
		seen += len(page.body["data"].([]any))
		next, _ = page.body["next"].(string)
	}
	if seen != 3 {
		t.Errorf("paging saw %d of 3", seen)
	}
	for _, path := range []string{"/services/s/targets", "/services/s/snis", "/services/s/routes/x/y", "/nope/x", "/services//routes"} {
		a.expect(404, "GET", path, "")
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for path, want := range map[string]string{
		"/schemas/services":               `{"retries":{"between":[0,32767],"default":5,"type":"integer"}}`,
		"/schemas/plugins/rate-limiting":  `"shorthand_fields":[{"redis_host"`,
		"/schemas/vaults/env":             `"fields":[{"config"`,
		"/schemas/clustering_data_planes": `"sync_status"`,
	} {
		if got := a.expect(200, "GET", path, ""); !strings.Contains(got.text, want) {
			t.Errorf("%s has no %s: %s", path, want, got.text)
		}
	}
	a.expect(200, "GET", "/endpoints", "")
	if got := a.expect(400, "GET", "/config", ""); !strings.Contains(got.text, "not use a database") {
		t.Errorf("got %s", got.text)
	}
}

// TestLinksAreEscaped: the link to the next page is an address, whatever is in it.
func TestLinksAreEscaped(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, name := range []string{"one", "two"} {
		a.expect(201, "POST", "/consumers", `{"username":"`+name+`","tags":["a ?b"]}`)
	}
	first := a.expect(200, "GET", "/tags/a%20%3Fb?size=1", "")
	next, _ := first.body["next"].(string)
	second := a.expect(200, "GET", next, "")
	if rows, _ := second.body["data"].([]any); len(rows) != 1 || second.body["next"] != nil {
		t.Errorf("%s leads to %s", next, second.text)
	}
}

// TestPluginsThatAreNotEnabled cannot be configured, and are not told of.
func TestPluginsThatAreNotEnabled(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.handler = admin.New(admin.Options{Store: a.store, Log: slog.New(slog.DiscardHandler), Plugins: []string{"key-auth", "cors"}})
	const refusal = "plugin 'acl' not enabled; add it to the 'plugins' configuration property"
	if got := a.expect(400, "POST", "/plugins", `{"name":"acl","config":{"allow":["a"]}}`); !strings.Contains(got.text, refusal) {
		t.Errorf("got %s", got.text)
	}
	a.expect(400, "POST", "/schemas/plugins/validate", `{"name":"rate-limiting","config":{"minute":1}}`)
	a.expect(404, "GET", "/schemas/plugins/acl", "")
	a.expect(200, "GET", "/schemas/plugins/cors", "")
	id := a.expect(201, "POST", "/plugins", `{"name":"cors"}`).body["id"].(string)
	a.expect(200, "PATCH", "/plugins/"+id, `{"enabled":false}`)
	if got := a.expect(200, "GET", "/plugins/enabled", ""); got.text != `{"enabled_plugins":["key-auth","cors"]}` {
		t.Errorf("got %s", got.text)
	}
	available := a.expect(200, "GET", "/", "").body["plugins"].(map[string]any)["available_on_server"].(map[string]any)
	if len(available) != 2 || available["cors"] == nil {
		t.Errorf("got %v", available)
	}
}

// TestCapitalsInIDs: an id is the same in capitals, wherever it stands.
func TestCapitalsInIDs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const id, capitals = "3783cba9-109a-4b7e-9e2d-5ee3a2100309", "3783CBA9-109A-4B7E-9E2D-5EE3A2100309"
	a.expect(201, "POST", "/services", `{"host":"h","id":"`+capitals+`"}`)
	for _, spelt := range []string{id, capitals} {
		if got := a.expect(200, "GET", "/services/"+spelt, ""); got.body["id"] != id {
			t.Errorf("got %s", got.text)
		}
	}
	a.expect(201, "POST", "/routes", `{"name":"r","paths":["/"],"service":{"id":"`+capitals+`"}}`)
	a.expect(200, "GET", "/services/"+id+"/routes/r", "")
	a.expect(400, "POST", "/services", `{"host":"h","id":"`+id+`","name":"again"}`)
}
