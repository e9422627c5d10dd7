// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// hashInputs are what requests can be hashed by.
var hashInputs = []any{"none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"}

// Upstreams is the schema of Kong 3.9 upstreams.
var Upstreams = &Schema{
	Name: "upstreams", Path: "upstreams", Key: "name",
	Fields: []Field{
		idField, createdField, updatedField,
		{Name: "name", Kind: Text, Required: true, Unique: true, Check: checkUpstreamName},
		{Name: "algorithm", Kind: Text, Default: "round-robin", OneOf: []any{"consistent-hashing", "least-connections", "round-robin", "latency"}},
		{Name: "hash_on", Kind: Text, Default: "none", OneOf: hashInputs},
		{Name: "hash_fallback", Kind: Text, Default: "none", OneOf: hashInputs},
		{Name: "hash_on_header", Kind: Text, Check: checkHeaderName},
		{Name: "hash_fallback_header", Kind: Text, Check: checkHeaderName},
		{Name: "hash_on_cookie", Kind: Text, Check: checkCookieName},
		{Name: "hash_on_cookie_path", Kind: Text, Default: "/", Check: checkPath},
		{Name: "hash_on_query_arg", Kind: Text},
		{Name: "hash_fallback_query_arg", Kind: Text},
		{Name: "hash_on_uri_capture", Kind: Text},
		{Name: "hash_fallback_uri_capture", Kind: Text},
		{Name: "slots", Kind: Integer, Default: 10000.0, Min: 10, Max: 1 << 16},
		{Name: "healthchecks", Kind: Object, Required: true, Fields: healthchecks},
		tagsField,
		{Name: "host_header", Kind: Text, Check: checkHostWithPort},
		{Name: "client_certificate", Kind: Foreign, Reference: "certificates"},
		{Name: "use_srv_name", Kind: Boolean, Default: false},
	},
	Checks: hashChecks,
}

// healthchecks is what of an upstream says when a target is taken out and put
// back. Intervals and timeouts are in seconds; 0 turns a count or probing off.
var healthchecks = []Field{
	{Name: "active", Kind: Object, Required: true, Fields: []Field{
		probeType, seconds("timeout", 1),
		{Name: "concurrency", Kind: Integer, Default: 10.0, Min: 1, Max: 1 << 31},
		{Name: "http_path", Kind: Text, Default: "/", Check: checkPath},
		{Name: "https_sni", Kind: Text, Check: checkSNI},
		flagWithDefault("https_verify_certificate", true),
		{Name: "headers", Kind: Map, Keys: &Field{Kind: Text, Check: checkHeaderName}, Element: &Field{Kind: Array, Element: &Field{Kind: Text}}},
		{Name: "healthy", Kind: Object, Required: true, Fields: []Field{
			seconds("interval", 0), statuses(200, 302), failures("successes")}},
		{Name: "unhealthy", Kind: Object, Required: true, Fields: []Field{
			seconds("interval", 0), statuses(429, 404, 500, 501, 502, 503, 504, 505),
			failures("tcp_failures"), failures("timeouts"), failures("http_failures")}},
	}},
	{Name: "passive", Kind: Object, Required: true, Fields: []Field{
		probeType,
		{Name: "healthy", Kind: Object, Required: true, Fields: []Field{
			statuses(200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308), failures("successes")}},
		{Name: "unhealthy", Kind: Object, Required: true, Fields: []Field{
			statuses(429, 500, 503), failures("tcp_failures"), failures("timeouts"), failures("http_failures")}},
	}},
	{Name: "threshold", Kind: Number, Default: 0.0, Min: 0, Max: 100},
}

var probeType = Field{Name: "type", Kind: Text, Default: "http", OneOf: []any{"tcp", "http", "https", "grpc", "grpcs"}}

func seconds(name string, value float64) Field {
	return Field{Name: name, Kind: Number, Default: value, Min: 0, Max: 65535}
}

func failures(name string) Field {
	return Field{Name: name, Kind: Integer, Default: 0.0, Min: 0, Max: 255}
}

func flagWithDefault(name string, value bool) Field {
	return Field{Name: name, Kind: Boolean, Default: value}
}

func statuses(codes ...float64) Field {
	list := make([]any, len(codes))
	for i, code := range codes {
		list[i] = code
	}
	return Field{Name: "http_statuses", Kind: Array, Default: list, Element: &Field{Kind: Integer, Min: 100, Max: 999}}
}

// Targets is the schema of Kong 3.9 targets. Their times have fractions of a
// second.
var Targets = &Schema{
	Name: "targets", Path: "targets", Key: "target", Below: true,
	Fields: []Field{
		idField,
		{Name: "created_at", Kind: Number, Auto: true, Check: checkTime},
		{Name: "updated_at", Kind: Number, Auto: true, Loose: true},
		{Name: "upstream", Kind: Foreign, Reference: "upstreams", Required: true, Cascade: true},
		{Name: "target", Kind: Text, Required: true, Check: checkTarget},
		{Name: "weight", Kind: Integer, Default: 100.0, Min: 0, Max: 65535},
		tagsField,
	},
	Together: [][]string{{"upstream", "target"}},
	derive:   func(record Record) { record["target"] = NormalizeTarget(record.Text("target")) },
}

// hashChecks are the rules among the fields that say what requests are hashed by.
var hashChecks = []Check{
	required("hash_on_header", when("hash_on", "header")),
	required("hash_fallback_header", when("hash_fallback", "header")),
	required("hash_on_cookie", when("hash_on", "cookie")),
	required("hash_on_cookie", when("hash_fallback", "cookie")),
	required("hash_on_query_arg", when("hash_on", "query_arg")),
	required("hash_fallback_query_arg", when("hash_fallback", "query_arg")),
	required("hash_on_uri_capture", when("hash_on", "uri_capture")),
	required("hash_fallback_uri_capture", when("hash_fallback", "uri_capture")),
	oneOf("hash_fallback", []any{"none"}, when("hash_on", "none")),
	oneOf("hash_fallback", []any{"none"}, when("hash_on", "cookie")),
	oneOf("hash_fallback", []any{"none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"}, when("hash_on", "consumer")),
	oneOf("hash_fallback", []any{"none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"}, when("hash_on", "ip")),
	oneOf("hash_fallback", []any{"none", "consumer", "ip", "header", "cookie", "query_arg", "uri_capture"}, when("hash_on", "path")),
	distinct("hash_on_header", "hash_fallback_header"),
	distinct("hash_on_query_arg", "hash_fallback_query_arg"),
	distinct("hash_on_uri_capture", "hash_fallback_uri_capture"),
}
