// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// told is a node that is as a test says.
type told struct {
	reason string
	balancing
}

func (n *told) ready(context.Context) string                  { return n.reason }
func (n *told) describe(context.Context, map[string]any)      {}
func (n *told) upstream(idOrName string) (upstreamView, bool) { return n.find(idOrName) }
func ask(api *statusAPI, method, target, kind, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, request)
	return recorder
}

func TestDrainTakesOneValueInThreeForms(t *testing.T) {
	t.Parallel()
	const form, jsonKind = "application/x-www-form-urlencoded", "application/json"
	for name, c := range map[string]struct {
		target, kind, body string
		want               int
	}{
		"form":                 {"/status/ready", form, "status=draining", 204},
		"form with a charset":  {"/status/ready", form + "; charset=utf-8", "status=draining", 204},
		"JSON":                 {"/status/ready/", jsonKind, `{"status":"draining"}`, 204},
		"query":                {"/status/ready?status=draining", "", "", 204},
		"another value":        {"/status/ready", form, "status=ready", 400},
		"not JSON":             {"/status/ready", jsonKind, `{"status":`, 400},
		"JSON of another type": {"/status/ready", jsonKind, `{"status":1}`, 400},
		"JSON null":            {"/status/ready", jsonKind, `null`, 400},
		"form, untold":         {"/status/ready", "", "status=draining", 400},
		"nothing":              {"/status/ready", "", "", 400},
		"too long":             {"/status/ready", form, "status=draining&x=" + strings.Repeat("x", maxStatusBody), 400},
	} {
		api := &statusAPI{version: "3.9.1", node: &told{}}
		if got := ask(api, "POST", c.target, c.kind, c.body); got.Code != c.want {
			t.Errorf("%s: %d %s, want %d", name, got.Code, got.Body, c.want)
		}
		want := `{"message":"ready"}`
		if c.want == 204 {
			want = `{"message":"draining"}`
		}
		if got := ask(api, "GET", "/status/ready", "", ""); got.Body.String() != want {
			t.Errorf("%s: afterwards %s, want %s", name, got.Body, want)
		}
	}
}

func TestStatusUnits(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": " MiB", "?unit=k": " KiB", "?unit=G": " GiB", "?unit=m&scale=0": " MiB",
	} {
		got := ask(&statusAPI{node: &told{}}, "GET", "/status"+query, "", "")
		var status struct {
			Memory struct {
				Workers []struct {
					Allocated string `json:"http_allocated_gc"`
				} `json:"workers_lua_vms"`
			}
		}
		if err := json.Unmarshal(got.Body.Bytes(), &status); err != nil || !strings.HasSuffix(status.Memory.Workers[0].Allocated, want) {
			t.Errorf("%s: %v, %s", query, err, got.Body)
		}
		if strings.Contains(status.Memory.Workers[0].Allocated, ".") == strings.Contains(query, "scale=0") {
			t.Errorf("%s: the digits after the point are wrong: %s", query, status.Memory.Workers[0].Allocated)
		}
	}
	for _, query := range []string{"?unit=x", "?scale=-1", "?scale=1000", "?scale=x"} {
		if got := ask(&statusAPI{node: &told{}}, "GET", "/status"+query, "", ""); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, got.Code)
		}
	}
	if got := ask(&statusAPI{node: &told{}}, "GET", "/status?unit=b", "", ""); strings.Contains(got.Body.String(), `"http_allocated_gc":"`) {
		t.Errorf("bytes are a text: %s", got.Body)
	}
}

func TestUpstreamViews(t *testing.T) {
	t.Parallel()
	node := &told{balancing: balancing{
		upstreams: []entity.Record{{"id": "u1", "name": "one"}, {"id": "u2", "name": "two"}},
		targets: []entity.Record{
			{"id": "t1", "target": "127.0.0.1:80", "weight": 10.0, "upstream": "u1", "created_at": 1.5},
			{"id": "t2", "target": "[::1]:81", "weight": 20.0, "upstream": "u1", "created_at": 1.75},
			{"id": "t3", "target": "name.invalid:82", "weight": 30.0, "upstream": "u2", "created_at": 1.0},
		},
	}}
	for path, want := range map[string]string{
		"/upstreams/one/targets":           `{"data":[{"created_at":1.75,"id":"t2","target":"[::1]:81","upstream":{"id":"u1"},"weight":20},{"created_at":1.5,"id":"t1","target":"127.0.0.1:80","upstream":{"id":"u1"},"weight":10}],"next":null}`,
		"/upstreams/u2/targets/all":        `{"data":[{"created_at":1,"id":"t3","target":"name.invalid:82","upstream":{"id":"u2"},"weight":30}],"next":null}`,
		"/upstreams/u1/targets/t1":         `{"created_at":1.5,"id":"t1","target":"127.0.0.1:80","upstream":{"id":"u1"},"weight":10}`,
		"/upstreams/u1/targets/[::1]:81":   `{"created_at":1.75,"id":"t2","target":"[::1]:81","upstream":{"id":"u1"},"weight":20}`,
		"/upstreams/u2/targets/t1":         `{"message":"Not found"}`,
		"/upstreams/three/health":          `{"message":"Not found"}`,
		"/upstreams/one":                   `{"message":"Not found"}`,
		"/upstreams":                       `{"message":"Not found"}`,
		"/upstreams/one/targets/t1/health": `{"message":"Not found"}`,
		"/upstreams/two/health": `{"data":[{"created_at":1,"data":{"addresses":[],"dns":"A","host":"name.invalid","nodeWeight":30,"port":82,"weight":{"available":0,"total":0,"unavailable":0}},` +
			`"health":"DNS_ERROR","id":"t3","target":"name.invalid:82","upstream":{"id":"u2"},"weight":30}],"next":null,"node_id":"n"}`,
	} {
		if got := ask(&statusAPI{node: node, id: "n"}, "GET", path, "", ""); got.Body.String() != want {
			t.Errorf("%s: got %s, want %s", path, got.Body, want)
		}
	}
	if got := ask(&statusAPI{node: node}, "POST", "/upstreams/one/targets", "", ""); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", got.Code)
	}
}
