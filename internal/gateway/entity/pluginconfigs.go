// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// noConsumer is the field of a plugin that finds the consumer out.
var noConsumer = Field{Name: "consumer", Kind: Foreign, Reference: "consumers", Null: "value must be null"}

var keyAuth = newPlugin("key-auth", 1250, Field{Fields: []Field{
	{Name: "key_names", Kind: Array, Required: true, Default: []any{"apikey"}, Element: &Field{Kind: Text, Check: checkHeaderName}},
	flag("hide_credentials", false),
	{Name: "anonymous", Kind: Text},
	flag("key_in_header", true), flag("key_in_query", true), flag("key_in_body", false),
	flag("run_on_preflight", true),
	{Name: "realm", Kind: Text},
}}, []Field{noConsumer})

var ipRestriction = newPlugin("ip-restriction", 990, Field{Fields: []Field{
	{Name: "allow", Kind: Array, Element: &Field{Kind: Text, Check: checkIPOrCIDR}},
	{Name: "deny", Kind: Array, Element: &Field{Kind: Text, Check: checkIPOrCIDR}},
	{Name: "status", Kind: Number},
	{Name: "message", Kind: Text},
}}, []Field{
	{Name: "protocols", Kind: Set, Required: true, Default: []any{"http", "https", "tcp", "tls", "grpc", "grpcs"},
		Element: &Field{Kind: Text, OneOf: []any{"http", "https", "tcp", "tls", "grpc", "grpcs"}}},
}, atLeastOneOf("config.allow", "config.deny"))

// Periods are the windows of the plugin rate-limiting, shortest first.
var Periods = [...]string{"second", "minute", "hour", "day", "month", "year"}

func limit(name string) Field { return Field{Name: name, Kind: Number, Above: true} }

var rateLimiting = newPlugin("rate-limiting", 910, Field{Fields: []Field{
	limit("second"), limit("minute"), limit("hour"), limit("day"), limit("month"), limit("year"),
	{Name: "limit_by", Kind: Text, Default: "consumer", OneOf: []any{"consumer", "credential", "ip", "service", "header", "path"}},
	{Name: "header_name", Kind: Text, Check: checkHeaderName},
	{Name: "path", Kind: Text, Check: checkPath},
	{Name: "policy", Kind: Text, Default: "local", OneOf: []any{"local", "redis"}}, // no "cluster" in hybrid mode
	flag("fault_tolerant", true),
	{Name: "redis", Kind: Object, Required: true, Fields: redisFields},
	flag("hide_client_headers", false),
	{Name: "error_code", Kind: Number, Default: 429.0, Above: true},
	{Name: "error_message", Kind: Text, Default: "API rate limit exceeded"},
	{Name: "sync_rate", Kind: Number, Required: true, Default: -1.0},
	redisAlias("host", Text), redisAlias("port", Integer), redisAlias("password", Text), redisAlias("username", Text),
	redisAlias("ssl", Boolean), redisAlias("ssl_verify", Boolean), redisAlias("server_name", Text),
	redisAlias("timeout", Integer), redisAlias("database", Integer),
}, Check: checkPeriods}, nil,
	atLeastOneOf("config.second", "config.minute", "config.hour", "config.day", "config.month", "config.year"),
	required("config.redis.host", when("config.policy", "redis")),
	required("config.redis.port", when("config.policy", "redis")),
	required("config.redis.timeout", when("config.policy", "redis")),
	required("config.header_name", when("config.limit_by", "header")),
	required("config.path", when("config.limit_by", "path")),
)

var redisFields = []Field{
	{Name: "host", Kind: Text, Check: checkHost},
	port("port", 6379),
	{Name: "timeout", Kind: Integer, Default: 2000.0, Min: 0, Max: maxInt32 - 1},
	{Name: "username", Kind: Text, Secret: true},
	{Name: "password", Kind: Text, Blank: true, Secret: true},
	{Name: "database", Kind: Integer, Default: 0.0},
	flagWithDefault("ssl", false), flagWithDefault("ssl_verify", false),
	{Name: "server_name", Kind: Text, Check: checkSNI},
}

// redisAlias is the older, flat name of a field of "redis".
func redisAlias(name string, kind Kind) Field {
	return Field{Name: "redis_" + name, Kind: kind, Blank: true, Alias: []string{"redis", name}, Hidden: true,
		Secret: name == "password" || name == "username"}
}

// texts is a list of what a transformer works on; pairs are "name:value".
func texts(name string, check func(any) string) Field {
	return Field{Name: name, Kind: Array, Default: []any{}, Element: &Field{Kind: Text, Check: check}}
}

// change is one of the five changes that a transformer makes.
func change(name string, fields ...Field) Field {
	return Field{Name: name, Kind: Object, Required: true, Fields: fields}
}

var requestTransformer = newPlugin("request-transformer", 801, Field{Fields: []Field{
	{Name: "http_method", Kind: Text, Check: checkMethod},
	change("remove", texts("body", nil), texts("headers", nil), texts("querystring", nil)),
	change("rename", texts("body", checkPair), texts("headers", checkHeaderPair), texts("querystring", checkPair)),
	change("replace", texts("body", checkPair), texts("headers", checkHeaderPair), texts("querystring", checkPair), Field{Name: "uri", Kind: Text}),
	change("add", texts("body", checkPair), texts("headers", checkHeaderPair), texts("querystring", checkPair)),
	change("append", texts("body", checkPair), texts("headers", checkHeaderPair), texts("querystring", checkPair)),
}}, nil)

func jsonTypes() Field {
	return Field{Name: "json_types", Kind: Array, Default: []any{}, Element: &Field{Kind: Text, OneOf: []any{"boolean", "number", "string"}}}
}

var responseTransformer = newPlugin("response-transformer", 800, Field{Fields: []Field{
	change("remove", texts("json", nil), texts("headers", nil)),
	change("rename", texts("headers", checkHeaderPair), texts("json", checkPair)),
	change("replace", texts("json", checkPair), jsonTypes(), texts("headers", checkHeaderPair)),
	change("add", texts("json", checkPair), jsonTypes(), texts("headers", checkHeaderPair)),
	change("append", texts("json", checkPair), jsonTypes(), texts("headers", checkHeaderPair)),
}}, nil)

var requestTermination = newPlugin("request-termination", 2, Field{Fields: []Field{
	{Name: "status_code", Kind: Integer, Required: true, Default: 503.0, Min: 100, Max: 599},
	{Name: "message", Kind: Text},
	{Name: "content_type", Kind: Text},
	{Name: "body", Kind: Text},
	flag("echo", false),
	{Name: "trigger", Kind: Text, Check: checkHeaderName},
}, Check: checkTermination}, nil)
