// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// queue is how a plugin that sends things off gathers them.
func queue(batch float64) Field {
	return Field{Name: "queue", Kind: Object, Required: true, Fields: []Field{
		{Name: "max_batch_size", Kind: Integer, Default: batch, Min: 1, Max: 1000000},
		{Name: "max_coalescing_delay", Kind: Number, Default: 1.0, Min: 0, Max: 3600},
		{Name: "max_entries", Kind: Integer, Default: 10000.0, Min: 1, Max: 1000000},
		whole("max_bytes", nil), number("max_retry_time", 60.0),
		{Name: "initial_retry_delay", Kind: Number, Default: 0.01, Min: 0, Max: 1000000},
		{Name: "max_retry_delay", Kind: Number, Default: 60.0, Min: 0, Max: 1000000},
		{Name: "concurrency_limit", Kind: Integer, Default: 1.0, OneOf: []any{-1.0, 1.0}},
	}}
}

// propagation is how a tracing plugin reads and writes trace headers.
func propagation(format string) Field {
	kinds := Field{Kind: Text, OneOf: anys("w3c", "b3", "jaeger", "ot", "datadog", "aws", "gcp", "instana")}
	writes := Field{Kind: Text, OneOf: anys("preserve", "w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana")}
	return Field{Name: "propagation", Kind: Object, Required: true, Fields: []Field{
		list("extract", nil, kinds), list("clear", nil, anyText), list("inject", nil, writes), needed(word("default_format", format)),
	}}
}

var severities = anys("debug", "info", "notice", "warning", "err", "crit", "alert", "emerg")

func severity(name string) Field { return choice(name, "info", severities...) }

var httpLog = newPlugin("http-log", 12, Field{Fields: []Field{
	{Name: "http_endpoint", Kind: Text, Required: true, Secret: true}, choice("method", "POST", "POST", "PUT", "PATCH"),
	choice("content_type", "application/json", "application/json", "application/json; charset=utf-8"),
	number("timeout", 10000.0), number("keepalive", 60000.0), whole("retry_count", nil), whole("queue_size", nil), number("flush_timeout", nil),
	{Name: "headers", Kind: Map, Keys: &headerText, Element: &anyText}, queue(1), luaFields,
}}, nil)

var fileLog = newPlugin("file-log", 9, Field{Fields: []Field{
	needed(word("path", nil)), flag("reopen", false), luaFields,
}}, nil)

var tcpLog = newPlugin("tcp-log", 7, Field{Fields: []Field{
	needed(Field{Name: "host", Kind: Text, Check: checkHost}), needed(Field{Name: "port", Kind: Integer, Min: 0, Max: 65535}),
	number("timeout", 10000.0), number("keepalive", 60000.0), flag("tls", false), word("tls_sni", nil), luaFields,
}}, nil)

var udpLog = newPlugin("udp-log", 8, Field{Fields: []Field{
	needed(Field{Name: "host", Kind: Text, Check: checkHost}), needed(Field{Name: "port", Kind: Integer, Min: 0, Max: 65535}),
	number("timeout", 10000.0), luaFields,
}}, nil)

var syslog = newPlugin("syslog", 4, Field{Fields: []Field{
	severity("log_level"), severity("successful_severity"), severity("client_errors_severity"), severity("server_errors_severity"), luaFields,
	choice("facility", "user", anys("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")...),
}}, nil)

var loggly = newPlugin("loggly", 6, Field{Fields: []Field{
	{Name: "host", Kind: Text, Default: "logs-01.loggly.com", Check: checkHost}, port("port", 514), {Name: "key", Kind: Text, Required: true, Secret: true},
	{Name: "tags", Kind: Set, Default: []any{"kong"}, Element: &anyText}, severity("log_level"), severity("successful_severity"),
	severity("client_errors_severity"), severity("server_errors_severity"), number("timeout", 10000.0), luaFields,
}}, nil)

var zipkin = newPlugin("zipkin", 100000, Field{Fields: []Field{
	word("local_service_name", "kong"), word("http_endpoint", nil), {Name: "sample_ratio", Kind: Number, Default: 0.001, Min: 0, Max: 1},
	word("default_service_name", nil), flag("include_credential", true), whole("traceid_byte_count", 16.0),
	choice("header_type", "preserve", anys("preserve", "ignore", "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp", "instana")...),
	choice("default_header_type", "b3", anys("b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp", "instana")...),
	word("tags_header", "Zipkin-Tags"), list("static_tags", nil, Field{Kind: Object, Fields: []Field{needed(word("name", nil)), needed(word("value", nil))}}),
	choice("http_span_name", "method", "method", "method_path"), millis("connect_timeout", 2000.0), millis("send_timeout", 5000.0), millis("read_timeout", 5000.0),
	word("http_response_header_for_traceid", nil), choice("phase_duration_flavor", "annotations", "annotations", "tags"), queue(1), propagation("b3"),
}}, nil)

var openTelemetry = newPlugin("opentelemetry", 14, Field{Fields: []Field{
	word("traces_endpoint", nil), word("logs_endpoint", nil), {Name: "headers", Kind: Map, Keys: &headerText, Element: &anyText},
	{Name: "resource_attributes", Kind: Map, Keys: &anyText, Element: &anyText}, queue(200), whole("batch_span_count", nil), whole("batch_flush_delay", nil),
	millis("connect_timeout", 1000.0), millis("send_timeout", 5000.0), millis("read_timeout", 5000.0), word("http_response_header_for_traceid", nil),
	choice("header_type", "preserve", anys("preserve", "ignore", "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp", "instana")...),
	{Name: "sampling_rate", Kind: Number, Min: 0, Max: 1}, propagation("w3c"),
}}, nil, atLeastOneOf("config.traces_endpoint", "config.logs_endpoint"))

// functions are what a function plugin runs in each phase. Lua is not compiled
// here: that it can be is for the data planes to find out.
func functions() []Field {
	var phases []Field
	for _, phase := range []string{"certificate", "rewrite", "access", "header_filter", "body_filter", "log"} {
		phases = append(phases, list(phase, []any{}, anyText))
	}
	return phases
}

var phases = []string{"config.certificate", "config.rewrite", "config.access", "config.header_filter", "config.body_filter", "config.log"}

var preFunction = newPlugin("pre-function", 1000000, Field{Fields: functions()}, []Field{noConsumer}, atLeastOneOf(phases...))

var postFunction = newPlugin("post-function", -1000, Field{Fields: functions()}, []Field{noConsumer}, atLeastOneOf(phases...))
