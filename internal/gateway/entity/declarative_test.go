// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

const nested = `
_format_version: "3.0"
_transform: true
services:
- name: orders
  url: http://orders.internal:8080/api
  routes:
  - name: list
    paths: [/orders]
    plugins:
    - name: rate-limiting
      config: {minute: 5}
  - paths: ["~/orders/(?<id>\\d+)$"]
  plugins:
  - {name: key-auth, config: {key_names: [x-key]}}
routes:
- name: alone
  service: {name: orders}
  hosts: [a.example]
upstreams:
- name: orders.internal
  targets:
  - {target: "10.0.0.1", weight: 10}
  - target: "[::1]:81"
consumers:
- username: alice
  keyauth_credentials:
  - key: alice-key
  basicauth_credentials:
  - {id: 0000003d-0000-4000-8000-00000000003d, username: alice, password: pw}
  plugins:
  - {name: request-termination, service: orders}
`

func TestParseDeclarativeTakesNestedRowsApart(t *testing.T) {
	t.Parallel()
	table, err := entity.ParseDeclarative([]byte(nested))
	if err != nil {
		t.Fatal(err)
	}
	service := table.Services[0]
	if service.Text("host") != "orders.internal" || service.Integer("port") != 8080 || service.Text("path") != "/api" {
		t.Errorf("the url was not taken apart: %v", service)
	}
	if len(table.Routes) != 3 {
		t.Fatalf("got %d routes, want 3", len(table.Routes))
	}
	for _, route := range table.Routes {
		if route["service"] != service.ID() {
			t.Errorf("route %v does not refer to its service", route)
		}
	}
	alice := table.Rows("consumers")[0]
	if credential := table.Rows("keyauth_credentials")[0]; credential["consumer"] != alice.ID() || credential.Text("key") != "alice-key" {
		t.Errorf("got credential %v", credential)
	}
	var names []string
	for _, plugin := range table.Rows("plugins") {
		names = append(names, plugin.Name())
	}
	if len(names) != 3 {
		t.Errorf("got plugins %v", names)
	}
	targets := table.Rows("targets")
	if targets[0].Text("target") != "10.0.0.1:8000" || targets[1].Text("target") != "[0000:0000:0000:0000:0000:0000:0000:0001]:81" {
		t.Errorf("targets were not normalised: %v", targets)
	}
	if password := table.Rows("basicauth_credentials")[0].Text("password"); len(password) != 40 {
		t.Errorf("the password was not hashed: %d characters", len(password))
	}
	again, err := entity.ParseDeclarative([]byte(nested))
	if err != nil || string(again.Raw) != string(table.Raw) {
		t.Errorf("loading the file again gives another configuration (%v)", err)
	}
	flat, err := entity.ParseTable(table.Raw)
	if err != nil || len(flat.Routes) != len(table.Routes) {
		t.Errorf("the result is no valid config_table: %v", err)
	}
}

// TestPasswordsAreHashedAsKongDoes pins the recorded hash of the password "pw".
func TestPasswordsAreHashedAsKongDoes(t *testing.T) {
	t.Parallel()
	for transform, want := range map[string]string{"true": "f3ca2c23d71fabe7c655e83722961fa9b1ed1f7c", "false": "pw"} {
		table, err := entity.ParseDeclarative([]byte(`{"_format_version":"3.0","_transform":` + transform + `,
			"consumers":[{"id":"00000015-0000-4000-8000-000000000015","username":"alice",
			"basicauth_credentials":[{"username":"alice","password":"pw"}]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Rows("basicauth_credentials")[0].Text("password"); got != want {
			t.Errorf("_transform %s: got %s, want %s", transform, got, want)
		}
	}
}

func TestParseDeclarativeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"no version":      {`services: []`, `declarative config is invalid: {_format_version="required field missing"}`},
		"number version":  {`_format_version: 3.0`, `declarative config is invalid: {_format_version="expected one of: 3.0"}`},
		"older version":   {`_format_version: "2.1"`, "is older than 3.0"},
		"unknown section": {"_format_version: \"3.0\"\nservces: []", `{servces="unknown field"}`},
		"nested problem": {"_format_version: \"3.0\"\nservices:\n- host: a\n- host: b\n  routes:\n  - paths: [x]",
			`{services={[2]={routes={{paths={"should start with: / (fixed path) or ~/ (regex path)"}}}}}}`},
		"unknown field": {"_format_version: \"3.0\"\nservices: [{host: a, nope: 1}]", `{services={{nope="unknown field"}}}`},
		"foreign plugin": {"_format_version: \"3.0\"\nplugins: [{name: nope}]",
			`{plugins={{name="plugin 'nope' not enabled; add it to the 'plugins' configuration property"}}}`},
		"dangling name": {"_format_version: \"3.0\"\nroutes: [{paths: [/], service: s}]",
			`{routes={{service="invalid reference 'services: s' (no such entity)"}}}`},
		"same name": {"_format_version: \"3.0\"\nservices: [{name: s, host: a}, {name: s, host: b, id: 00000001-0000-4000-8000-000000000001}]",
			`{services={[2]="uniqueness violation: 'services' entity with name set to 's' already declared"}}`},
		"other parent": {"_format_version: \"3.0\"\nservices: [{name: s, host: a, routes: [{paths: [/], service: t}]}]", "refers to another 'services' entity"},
		"no key":       {"_format_version: \"3.0\"\nconsumers: [{username: u, keyauth_credentials: [{}]}]", `key="required field missing"`},
		"bad url":      {"_format_version: \"3.0\"\nservices: [{url: 5}]", `url="missing host in url"`},
		"key twice":    {"{\"_format_version\": \"3.0\", \"_format_version\": \"3.0\"}", "there twice"},
		"a list":       {"- a", "expected a map at the top"},
		"empty":        {"", "the document is empty"},
		"no document":  {"a: b: c", "mapping values are not allowed"},
		"not a number": {"_format_version: \"3.0\"\nservices: [{host: a, port: .nan}]", "expected a finite number"},
		"secret alias": {"_format_version: \"3.0\"\nconsumers: [{username: u, keyauth_credentials: [{key: *s3cr3t}]}]", "an alias without its anchor"},
		"secret tag":   {"_format_version: !!int s3cr3t", "line 1: expected a number"},
		"many aliases": {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]", "too many values"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := entity.ParseDeclarative([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v, want an error with %s", err, c.want)
			}
		})
	}
}

func TestParseDeclarativeReadsAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	table, err := entity.ParseDeclarative([]byte(`
_format_version: "3.0"
_info: {defaults: {}}
services:
- &base {name: a, host: h, port: 0x50, tags: [x]}
- {<<: *base, name: b, port: 81}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Services[1]; got.Name() != "b" || got.Text("host") != "h" || got.Integer("port") != 81 || len(got.Texts("tags")) != 1 {
		t.Errorf("got %v", got)
	}
	if table.Services[0].Integer("port") != 80 {
		t.Errorf("got %v", table.Services[0])
	}
}

func TestRecordedRouterConfigurations(t *testing.T) {
	t.Parallel()
	type routerCase struct {
		Case   string
		Config json.RawMessage
		Status int            `json:"load_status"`
		Error  map[string]any `json:"load_error"`
	}
	for _, c := range lines[routerCase](t, corpusFile(t, "router.jsonl")) {
		table, err := entity.ParseDeclarative(c.Config)
		if c.Status == 201 {
			if err != nil {
				t.Errorf("%s: got %v, was accepted", c.Case, err)
				continue
			}
			if _, err := entity.ParseTable(table.Raw); err != nil {
				t.Errorf("%s: flattened it is refused: %v", c.Case, err)
			}
			continue
		}
		var refusal *entity.Error
		if !errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want %v", c.Case, err, c.Error["message"])
			continue
		}
		got := map[string]any{"code": float64(refusal.Code), "name": refusal.Name(), "message": refusal.Message, "fields": refusal.Fields}
		if !reflect.DeepEqual(got, c.Error) {
			t.Errorf("%s:\n got %v\nwant %v", c.Case, got, c.Error)
		}
	}
}

func FuzzParseDeclarative(f *testing.F) {
	f.Add([]byte(nested))
	f.Add([]byte(`{"_format_version":"3.0","certificates":[{"cert":"c","key":"k","snis":["a.example",{"name":"b"}]}]}`))
	f.Add([]byte("_format_version: \"3.0\"\na: &a [*a]\n<<: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := entity.ParseDeclarative(text)
		if err != nil || table.IsEmpty() {
			return
		}
		if _, err := entity.ParseTable(table.Raw); err != nil {
			t.Fatalf("an accepted file is refused as a config_table: %v\n%s", err, table.Raw)
		}
	})
}

// TestNoURL: a url of null says nothing, in a file as in the Admin API.
func TestNoURL(t *testing.T) {
	t.Parallel()
	table, err := entity.ParseDeclarative([]byte(`{"_format_version":"3.0","services":[{"name":"s","host":"h","url":null}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Services[0].Text("host"); got != "h" {
		t.Errorf("got the host %q", got)
	}
}
