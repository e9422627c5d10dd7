// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"regexp"
	"slices"
)

// keptPlugins are bundled plugins of Kong 3.9 that this gateway does not run. A
// control plane takes and hands out their configuration for real data planes; to
// those of this gateway it sends nothing then, because they lack the plugin.
var keptPlugins = []*Plugin{
	preFunction, correlationID, zipkin, botDetection, cors, session, jwt, ldapAuth, basicAuth, hmacAuth, grpcWeb, requestSizeLimiting,
	acl, responseRateLimiting, redirect, standardWebhooks, proxyCache, openTelemetry, prometheus, httpLog, statsd, datadog, fileLog, udpLog, tcpLog,
	loggly, syslog, postFunction,
}

// KeptPlugins returns the plugins that can be configured here and that only data
// planes of Kong run, by falling priority as far as it is known.
func KeptPlugins() []*Plugin { return slices.Clone(keptPlugins) }

// KnownPlugin returns the plugin of that name, one of [KeptPlugins] too, or nil.
func KnownPlugin(name string) *Plugin {
	if plugin := PluginSchema(name); plugin != nil {
		return plugin
	}
	if i := slices.IndexFunc(keptPlugins, func(plugin *Plugin) bool { return plugin.Name == name }); i >= 0 {
		return keptPlugins[i]
	}
	return nil
}

// The fields below are shorthands for the tables.

func word(name string, value any) Field { return Field{Name: name, Kind: Text, Default: value} }

func needed(field Field) Field {
	field.Required = true
	return field
}

func number(name string, value any) Field { return Field{Name: name, Kind: Number, Default: value} }

func whole(name string, value any) Field { return Field{Name: name, Kind: Integer, Default: value} }

func millis(name string, value any) Field {
	return Field{Name: name, Kind: Integer, Default: value, Min: 0, Max: maxInt32 - 1}
}

func choice(name string, value any, values ...any) Field {
	return Field{Name: name, Kind: Text, Default: value, OneOf: values}
}

func list(name string, value any, element Field) Field {
	return Field{Name: name, Kind: Array, Default: value, Element: &element}
}

var (
	anyText    = Field{Kind: Text}
	headerText = Field{Kind: Text, Check: checkHeaderName}
	luaFields  = Field{Name: "custom_fields_by_lua", Kind: Map, Keys: &anyText, Element: &anyText}
)

var cors = newPlugin("cors", 2000, Field{Fields: []Field{
	list("origins", nil, Field{Kind: Text, Check: checkOrigin}),
	list("headers", nil, anyText), list("exposed_headers", nil, anyText),
	list("methods", anys(httpMethods...), Field{Kind: Text, OneOf: anys(httpMethods...)}),
	number("max_age", nil), flag("credentials", false), flag("private_network", false), flag("preflight_continue", false),
}}, []Field{noConsumer})

var httpMethods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

func anys(texts ...string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

func checkOrigin(value any) string {
	text, _ := value.(string)
	if text == "*" {
		return ""
	}
	if _, err := regexp.Compile(text); err != nil {
		return "'" + text + "' is not a valid regex"
	}
	return ""
}

var correlationID = newPlugin("correlation-id", 100001, Field{Fields: []Field{
	word("header_name", "Kong-Request-ID"), needed(choice("generator", "uuid#counter", "uuid", "uuid#counter", "tracker")),
	flag("echo_downstream", false),
}}, nil)

var prometheus = newPlugin("prometheus", 13, Field{Fields: []Field{
	flag("per_consumer", false), flag("status_code_metrics", false), flag("ai_metrics", false),
	flag("latency_metrics", false), flag("bandwidth_metrics", false), flag("upstream_health_metrics", false),
}}, nil)

var proxyCache = newPlugin("proxy-cache", 100, Field{Fields: []Field{
	needed(list("response_code", []any{200.0, 301.0, 404.0}, Field{Kind: Integer, Min: 100, Max: 900})),
	needed(list("request_method", []any{"GET", "HEAD"}, Field{Kind: Text, OneOf: []any{"HEAD", "GET", "POST", "PATCH", "PUT"}})),
	needed(list("content_type", []any{"text/plain", "application/json"}, anyText)),
	whole("cache_ttl", 300.0), needed(choice("strategy", nil, "memory")), flag("cache_control", false), flag("ignore_uri_case", false),
	whole("storage_ttl", nil),
	{Name: "memory", Kind: Object, Required: true, Fields: []Field{needed(word("dictionary_name", "kong_db_cache"))}},
	list("vary_query_params", nil, anyText), list("vary_headers", nil, anyText),
	{Name: "response_headers", Kind: Object, Required: true, Fields: []Field{
		flagWithDefault("age", true), flagWithDefault("X-Cache-Status", true), flagWithDefault("X-Cache-Key", true)}},
}}, nil)

var basicAuth = newPlugin("basic-auth", 1100, Field{Fields: []Field{
	word("anonymous", nil), flag("hide_credentials", false), needed(word("realm", "service")),
}}, []Field{noConsumer})

var acl = newPlugin("acl", 950, Field{Fields: []Field{
	list("allow", nil, anyText), list("deny", nil, anyText), flag("hide_groups_header", false), flag("always_use_authenticated_groups", false),
}}, []Field{noConsumer}, exactlyOneOf("config.allow", "config.deny"), atLeastOneOf("config.allow", "config.deny"))

// exactlyOneOf is the rule that one of two fields is set, and not both.
func exactlyOneOf(one, other string) Check {
	return func(record Record, wrong *Violations) {
		if isEmpty(at(record, one)) == isEmpty(at(record, other)) {
			wrong.addEntity("exactly one of these fields must be non-empty: " + quoted([]string{one, other}))
		}
	}
}

var jwt = newPlugin("jwt", 1450, Field{Fields: []Field{
	{Name: "uri_param_names", Kind: Set, Default: []any{"jwt"}, Element: &anyText}, {Name: "cookie_names", Kind: Set, Default: []any{}, Element: &anyText},
	word("key_claim_name", "iss"), flag("secret_is_base64", false),
	{Name: "claims_to_verify", Kind: Set, Element: &Field{Kind: Text, OneOf: []any{"exp", "nbf"}}},
	word("anonymous", nil), flag("run_on_preflight", true), {Name: "maximum_expiration", Kind: Number, Default: 0.0, Min: 0, Max: 31536000},
	{Name: "header_names", Kind: Set, Default: []any{"authorization"}, Element: &anyText}, word("realm", nil),
}}, []Field{noConsumer})

var hmacAuth = newPlugin("hmac-auth", 1030, Field{Fields: []Field{
	flag("hide_credentials", false), {Name: "clock_skew", Kind: Number, Default: 300.0, Above: true}, word("anonymous", nil),
	flag("validate_request_body", false), list("enforce_headers", []any{}, anyText),
	list("algorithms", anys(hmacAlgorithms...), Field{Kind: Text, OneOf: anys(hmacAlgorithms...)}), word("realm", nil),
}}, []Field{noConsumer})

var hmacAlgorithms = []string{"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"}

var ldapAuth = newPlugin("ldap-auth", 1200, Field{Fields: []Field{
	needed(Field{Name: "ldap_host", Kind: Text, Check: checkHost}), needed(port("ldap_port", 389)), flag("ldaps", false), flag("start_tls", false),
	flag("verify_ldap_host", false), needed(word("base_dn", nil)), needed(word("attribute", nil)), needed(number("cache_ttl", 60.0)),
	flag("hide_credentials", false), number("timeout", 10000.0), number("keepalive", 60000.0), word("anonymous", nil),
	word("header_type", "ldap"), word("realm", nil),
}}, []Field{noConsumer})

var session = newPlugin("session", 1900, Field{Fields: []Field{
	{Name: "secret", Kind: Text, Auto: true, Secret: true}, choice("storage", "cookie", "cookie", "kong"), word("audience", "default"),
	number("idling_timeout", 900.0), number("rolling_timeout", 3600.0), number("absolute_timeout", 86400.0), number("stale_ttl", 10.0),
	word("cookie_name", "session"), word("cookie_path", "/"), word("cookie_domain", nil),
	choice("cookie_same_site", "Strict", "Strict", "Lax", "None", "Default"), flagWithDefault("cookie_http_only", true), flagWithDefault("cookie_secure", true),
	flagWithDefault("remember", false), word("remember_cookie_name", "remember"), number("remember_rolling_timeout", 604800.0),
	number("remember_absolute_timeout", 2592000.0),
	{Name: "response_headers", Kind: Set, Element: &Field{Kind: Text, OneOf: sessionHeaders}}, {Name: "request_headers", Kind: Set, Element: &Field{Kind: Text, OneOf: sessionHeaders}},
	flagWithDefault("read_body_for_logout", false), word("logout_query_arg", "session_logout"), word("logout_post_arg", "session_logout"),
	{Name: "logout_methods", Kind: Set, Default: []any{"POST", "DELETE"}, Element: &Field{Kind: Text, OneOf: []any{"GET", "POST", "DELETE"}}},
}}, []Field{noConsumer})

var sessionHeaders = []any{"id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout"}

var grpcWeb = newPlugin("grpc-web", 3, Field{Fields: []Field{
	word("proto", nil), flagOrUnset("pass_stripped_path"), word("allow_origin_header", "*"),
}}, nil)

func flagOrUnset(name string) Field { return Field{Name: name, Kind: Boolean} }

var requestSizeLimiting = newPlugin("request-size-limiting", 951, Field{Fields: []Field{
	whole("allowed_payload_size", 128.0), needed(choice("size_unit", "megabytes", "megabytes", "kilobytes", "bytes")), flag("require_content_length", false),
}}, nil)

var botDetection = newPlugin("bot-detection", 2500, Field{Fields: []Field{
	list("allow", []any{}, Field{Kind: Text, Check: checkOrigin}), list("deny", []any{}, Field{Kind: Text, Check: checkOrigin}),
}}, []Field{noConsumer})

var responseRateLimiting = newPlugin("response-ratelimiting", 900, Field{Fields: []Field{
	word("header_name", "x-kong-limit"), choice("limit_by", "consumer", "consumer", "credential", "ip"), choice("policy", "local", "local", "redis"),
	flag("fault_tolerant", true), {Name: "redis", Kind: Object, Required: true, Fields: redisFields},
	flag("block_on_first_violation", false), flag("hide_client_headers", false),
	{Name: "limits", Kind: Map, Required: true, MinLen: 1, Keys: &anyText, Element: &Field{Kind: Object, Required: true, Fields: []Field{
		limit("second"), limit("minute"), limit("hour"), limit("day"), limit("month"), limit("year")}}},
	redisAlias("host", Text), redisAlias("port", Integer), redisAlias("password", Text), redisAlias("username", Text),
	redisAlias("ssl", Boolean), redisAlias("ssl_verify", Boolean), redisAlias("server_name", Text),
	redisAlias("timeout", Integer), redisAlias("database", Integer),
}}, nil)

var redirect = newPlugin("redirect", 779, Field{Fields: []Field{
	{Name: "status_code", Kind: Integer, Required: true, Default: 301.0, Min: 100, Max: 599}, needed(word("location", nil)), flagWithDefault("keep_incoming_path", false),
}}, nil)

var standardWebhooks = newPlugin("standard-webhooks", 760, Field{Fields: []Field{
	{Name: "secret_v1", Kind: Text, Required: true, Secret: true}, needed(whole("tolerance_second", 300.0)),
}}, []Field{noConsumer})
