// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

var (
	consumerIdentifiers  = anys("consumer_id", "custom_id", "username")
	serviceIdentifiers   = anys("service_id", "service_name", "service_host", "service_name_or_host")
	workspaceIdentifiers = anys("workspace_id", "workspace_name")
)

// measured is one of a metrics plugin's defaults; a rate of 0 is none.
func measured(name, kind string, rate float64, more map[string]any) any {
	metric := map[string]any{"name": name, "stat_type": kind, "sample_rate": nil}
	if rate > 0 {
		metric["sample_rate"] = rate
	}
	for key, value := range more {
		metric[key] = value
	}
	return metric
}

func statsdMetric(name, kind string, rate float64) any {
	return measured(name, kind, rate, map[string]any{"consumer_identifier": nil, "service_identifier": nil, "workspace_identifier": nil})
}

var statsd = newPlugin("statsd", 11, Field{Fields: []Field{
	{Name: "host", Kind: Text, Default: "localhost", Check: checkHost}, port("port", 8125), word("prefix", "kong"),
	list("metrics", []any{
		statsdMetric("request_count", "counter", 1), statsdMetric("latency", "timer", 0), statsdMetric("request_size", "counter", 1),
		statsdMetric("status_count", "counter", 1), statsdMetric("response_size", "counter", 1), statsdMetric("unique_users", "set", 0),
		statsdMetric("request_per_user", "counter", 1), statsdMetric("upstream_latency", "timer", 0), statsdMetric("kong_latency", "timer", 0),
		statsdMetric("status_count_per_user", "counter", 1), statsdMetric("status_count_per_workspace", "counter", 1),
		statsdMetric("status_count_per_user_per_route", "counter", 1), statsdMetric("shdict_usage", "gauge", 1),
	}, Field{Kind: Object, Fields: []Field{
		needed(word("name", nil)), needed(choice("stat_type", nil, anys("counter", "gauge", "histogram", "meter", "set", "timer")...)),
		{Name: "sample_rate", Kind: Number, Above: true}, choice("consumer_identifier", nil, consumerIdentifiers...),
		choice("service_identifier", nil, serviceIdentifiers...), choice("workspace_identifier", nil, workspaceIdentifiers...),
	}}),
	list("allow_status_codes", nil, anyText), {Name: "udp_packet_size", Kind: Number, Default: 0.0, Min: 0, Max: 65507},
	flagWithDefault("use_tcp", false), flagWithDefault("hostname_in_prefix", false),
	needed(choice("consumer_identifier_default", "custom_id", consumerIdentifiers...)),
	needed(choice("service_identifier_default", "service_name_or_host", serviceIdentifiers...)),
	needed(choice("workspace_identifier_default", "workspace_id", workspaceIdentifiers...)),
	whole("retry_count", nil), whole("queue_size", nil), number("flush_timeout", nil),
	choice("tag_style", nil, anys("dogstatsd", "influxdb", "librato", "signalfx")...), queue(1),
}}, nil)

func datadogMetric(name, kind string, rate float64) any {
	return measured(name, kind, rate, map[string]any{"consumer_identifier": "custom_id", "tags": []any{"app:kong"}})
}

var datadog = newPlugin("datadog", 10, Field{Fields: []Field{
	{Name: "host", Kind: Text, Default: "localhost", Secret: true, Check: checkHost}, port("port", 8125), word("prefix", "kong"),
	word("service_name_tag", "name"), word("status_tag", "status"), word("consumer_tag", "consumer"),
	whole("retry_count", nil), whole("queue_size", nil), number("flush_timeout", nil), queue(1),
	needed(list("metrics", []any{
		datadogMetric("request_count", "counter", 1), datadogMetric("latency", "timer", 0), datadogMetric("request_size", "timer", 0),
		datadogMetric("response_size", "timer", 0), datadogMetric("upstream_latency", "timer", 0), datadogMetric("kong_latency", "timer", 0),
	}, Field{Kind: Object, Fields: []Field{
		needed(word("name", nil)), needed(choice("stat_type", nil, anys("counter", "gauge", "histogram", "meter", "set", "timer", "distribution")...)),
		list("tags", nil, anyText), {Name: "sample_rate", Kind: Number, Min: 0, Max: 1}, choice("consumer_identifier", nil, consumerIdentifiers...),
	}})),
}}, nil)
