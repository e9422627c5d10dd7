// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entitytest

import (
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// Probe is a request, and what a data plane has to make of it.
type Probe struct {
	What               string // for messages
	Method, Host, Path string
	Header             map[string]string

	Status   int
	Route    string // id; "" where none matches
	Upstream string // how the path begins that the upstream is asked for; "" where it is not asked
	Consumer string // id of who the upstream is told; "" for nobody
	HostSent string // how the Host begins that the upstream gets
}

// judge knows what a data plane has to answer, from a config_table alone.
type judge struct {
	services map[string]entity.Record
	plugins  map[bound]entity.Record
	keys     map[[2]string]entity.Record // by workspace and key
	some     [][2]string                 // of the keys
	hosts    map[[2]string]string        // host_header of upstreams, by workspace and name
	now      time.Time
}

// bound is a plugin's name with what it is for.
type bound struct{ name, workspace, route, service, consumer string }

// Probes returns requests to the routes of a config_table made by this package:
// one that matches, one that misses, and where a key is asked for those with the
// right key, without one, and with wrong ones. Routes of services that are not
// HTTP are left out. Kong's rules are written down here anew, in the plainest way.
func Probes(table map[string]any, now time.Time) []Probe {
	j := newJudge(table, now)
	var probes []Probe
	for _, row := range rowsOf(table, "routes") {
		route := entity.Record(row)
		service := j.services[route.Text("service")]
		if service == nil || service.Text("protocol") != "http" {
			continue
		}
		probes = append(probes, j.hit(route, service)...)
		probes = append(probes, miss(route)...)
	}
	return probes
}

// Absent returns requests for what must not be served: routes of the database that
// are not in the config_table.
func Absent(database *Database, table map[string]any) []Probe {
	served := map[any]bool{}
	for _, row := range rowsOf(table, "routes") {
		served[row["id"]] = true
	}
	var probes []Probe
	for _, route := range database.Rows["routes"] {
		if !served[route.ID()] && route["paths"] != nil {
			probe := request(route)
			probe.What, probe.Status, probe.Route = "a route that is not handed out", 404, ""
			probes = append(probes, probe)
		}
	}
	return probes
}

func newJudge(table map[string]any, now time.Time) *judge {
	j := &judge{services: map[string]entity.Record{}, plugins: map[bound]entity.Record{}, keys: map[[2]string]entity.Record{},
		hosts: map[[2]string]string{}, now: now}
	for _, row := range rowsOf(table, "services") {
		j.services[entity.Record(row).ID()] = row
	}
	for _, row := range rowsOf(table, "upstreams") {
		j.hosts[[2]string{workspace(row), entity.Record(row).Name()}] = entity.Record(row).Text("host_header")
	}
	for _, row := range rowsOf(table, "plugins") {
		plugin := entity.Record(row)
		of := bound{plugin.Name(), "", plugin.Text("route"), plugin.Text("service"), plugin.Text("consumer")}
		if of.route == "" && of.service == "" && of.consumer == "" {
			of.workspace = workspace(plugin)
		}
		j.plugins[of] = plugin
	}
	for _, row := range rowsOf(table, "keyauth_credentials") {
		j.keys[[2]string{workspace(row), entity.Record(row).Text("key")}] = row
	}
	j.some = sortedKeys(j.keys)
	j.some = j.some[:min(4, len(j.some))]
	return j
}

// workspace is a row's; "" stands for the default one.
func workspace(row entity.Record) string {
	if id := row.Text("ws_id"); id != DefaultWorkspace {
		return id
	}
	return ""
}

// request is one that the route matches.
func request(route entity.Record) Probe {
	probe := Probe{Method: "GET", Host: "nobody.example", Path: route.Texts("paths")[len(route.Texts("paths"))-1] + "/rest", Header: map[string]string{}, Route: route.ID()}
	if pattern, regex := strings.CutPrefix(strings.TrimSuffix(probe.Path, "/rest"), "~"); regex {
		probe.Path = strings.ReplaceAll(pattern, `(?<id>\d+)$`, "42")
	}
	if hosts := route.Texts("hosts"); len(hosts) > 0 {
		probe.Host = strings.Replace(hosts[len(hosts)-1], "*", "any", 1)
	}
	if methods := route.Texts("methods"); len(methods) > 0 {
		probe.Method = methods[0]
	}
	for name, values := range route.Sub("headers") {
		probe.Header[name] = values.([]any)[0].(string)
	}
	return probe
}

// miss returns requests that lack one thing that the route asks for.
func miss(route entity.Record) []Probe {
	var probes []Probe
	add := func(what string, change func(*Probe)) {
		probe := request(route)
		probe.What, probe.Status, probe.Route = what, 404, ""
		change(&probe)
		probes = append(probes, probe)
	}
	if len(route.Texts("hosts")) > 0 {
		add("another host", func(p *Probe) { p.Host = "nobody.example" })
	}
	if len(route.Texts("methods")) > 0 {
		add("another method", func(p *Probe) { p.Method = "GET" })
	}
	if route["headers"] != nil {
		add("without the header", func(p *Probe) { p.Header = map[string]string{} })
	}
	return probes
}

// hit returns requests that the route matches.
func (j *judge) hit(route, service entity.Record) []Probe {
	in := workspace(route)
	if !slices.Contains(route.Texts("protocols"), "http") {
		probe := request(route)
		probe.What, probe.Status = "a request that must come over TLS", route.Integer("https_redirect_status_code")
		return []Probe{probe}
	}
	if j.find("key-auth", in, route, service, "") == nil {
		return []Probe{j.outcome("a request", in, route, service, nil, "")}
	}
	probes := []Probe{
		j.outcome("without a key", in, route, service, nil, ""),
		j.outcome("with a wrong key", in, route, service, nil, "no such key"),
	}
	for _, at := range j.some {
		found := j.keys[[2]string{in, at[1]}]
		what := "with a key"
		if found == nil {
			what = "with a key of another workspace"
		}
		probes = append(probes, j.outcome(what, in, route, service, found, at[1]))
	}
	return probes
}

func sortedKeys(keys map[[2]string]entity.Record) [][2]string {
	all := make([][2]string, 0, len(keys))
	for key := range keys {
		all = append(all, key)
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[1]+"\x00"+a[0], b[1]+"\x00"+b[0]) })
	return all
}

// outcome is what becomes of a request with a key, whose credential is found, or
// without one.
func (j *judge) outcome(what, in string, route, service, credential entity.Record, key string) Probe {
	probe := request(route)
	probe.What = what
	if key != "" {
		probe.Header["apikey"] = key
	}
	consumer := ""
	if j.find("key-auth", in, route, service, "") != nil {
		expires := credential.Integer("ttl")
		if credential == nil || expires > 0 && int64(expires) <= j.now.Unix() {
			probe.Status = 401
			return probe
		}
		consumer = credential.Text("consumer")
	}
	if plugin := j.find("ip-restriction", in, route, service, consumer); plugin != nil && len(plugin.Sub("config").Texts("deny")) > 0 {
		probe.Status = 403
		return probe
	}
	if plugin := j.find("request-termination", in, route, service, consumer); plugin != nil {
		probe.Status = plugin.Sub("config").Integer("status_code")
		return probe
	}
	probe.Status, probe.Upstream, probe.Consumer = 200, service.Text("path"), consumer
	if !route.Flag("preserve_host") {
		probe.HostSent = j.hosts[[2]string{in, service.Text("host")}]
	}
	return probe
}

// find returns the plugin of a name that a request gets: of the consumer, the
// route, the service, or everything in the workspace (Kong 3.9's order).
func (j *judge) find(name, in string, route, service entity.Record, consumer string) entity.Record {
	order := []bound{{name: name, route: route.ID()}, {name: name, service: service.ID()}, {name: name, workspace: in}}
	if consumer != "" {
		order = append([]bound{{name: name, consumer: consumer}}, order...)
	}
	for _, of := range order {
		if plugin := j.plugins[of]; plugin != nil {
			return plugin
		}
	}
	return nil
}
