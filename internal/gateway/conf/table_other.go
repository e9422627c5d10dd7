// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"fmt"
	"slices"
)

// ownPlugins are the plugins that this gateway has.
func ownPlugins() []string {
	return []string{"ip-restriction", "key-auth", "rate-limiting", "request-termination", "request-transformer", "response-transformer"}
}

// kongsPlugins are those that come with Kong 3.9 and not with this gateway.
func kongsPlugins() []string {
	return []string{
		"acl", "acme", "ai-prompt-decorator", "ai-prompt-guard", "ai-prompt-template", "ai-proxy", "ai-request-transformer", "ai-response-transformer",
		"aws-lambda", "azure-functions", "basic-auth", "bot-detection", "correlation-id", "cors", "datadog", "file-log", "grpc-gateway", "grpc-web",
		"hmac-auth", "http-log", "jwt", "ldap-auth", "loggly", "oauth2", "opentelemetry", "post-function", "pre-function", "prometheus", "proxy-cache",
		"redirect", "request-size-limiting", "response-ratelimiting", "session", "standard-webhooks", "statsd", "syslog", "tcp-log", "udp-log", "zipkin",
	}
}

// setPlugins keeps those of Kong's apart that are not here: a control plane takes
// their configuration, and sees that a data plane of this gateway lacks them. One that Kong does not have either is an
// error, as it is there.
func setPlugins(c *Config, value string) error {
	names := list(value)
	c.Plugins, c.OtherPlugins = []string{}, []string{}
	for _, name := range names {
		switch {
		case name == "off" && len(names) > 1:
			return fmt.Errorf("off must stand alone")
		case name == "off":
		case name == "bundled":
			c.Plugins = append(c.Plugins, ownPlugins()...)
			c.OtherPlugins = append(c.OtherPlugins, kongsPlugins()...)
		case slices.Contains(kongsPlugins(), name):
			c.OtherPlugins = append(c.OtherPlugins, name)
		case slices.Contains(ownPlugins(), name):
			c.Plugins = append(c.Plugins, name)
		default:
			return fmt.Errorf("%s plugin is enabled but not installed", short(name))
		}
	}
	for _, enabled := range []*[]string{&c.Plugins, &c.OtherPlugins} {
		slices.Sort(*enabled)
		*enabled = slices.Compact(*enabled)
	}
	return nil
}

func resolverParameters() []parameter {
	return []parameter{
		{name: "dns_resolver", kind: listKind, about: "Name servers. The host's own are asked here."},
		{name: "dns_hostsfile", value: "/etc/hosts", about: "The hosts file."},
		{name: "dns_order", kind: listKind, value: "LAST,SRV,A,CNAME", about: "The order of record types."},
		{name: "dns_valid_ttl", kind: number, about: "Seconds that every answer is cached."},
		{name: "dns_stale_ttl", kind: number, value: "3600", about: "Seconds that an outdated answer is used while a new one is asked for."},
		{name: "dns_cache_size", kind: number, value: "10000", about: "Answers that are cached."},
		{name: "dns_not_found_ttl", kind: number, value: "30", about: "Seconds that a missing name is cached."},
		{name: "dns_error_ttl", kind: number, value: "1", about: "Seconds that an error is cached."},
		{name: "dns_no_sync", kind: boolean, value: "off", about: "Whether each request asks for itself."},
		{name: "new_dns_client", kind: boolean, value: "off", about: "Kong's newer DNS client, with the `resolver_*` below."},
		{name: "legacy_dns_client", kind: boolean, value: "on", about: "An earlier switch between the two."},
		{name: "resolver_address", kind: listKind, about: "Its name servers."},
		{name: "resolver_hosts_file", value: "/etc/hosts", about: "Its hosts file."},
		{name: "resolver_family", kind: listKind, value: "A,SRV", about: "Its record types."},
		{name: "resolver_valid_ttl", kind: number, about: "As `dns_valid_ttl`."},
		{name: "resolver_error_ttl", kind: number, value: "1", about: "As `dns_error_ttl`."},
		{name: "resolver_stale_ttl", kind: number, value: "3600", about: "As `dns_stale_ttl`."},
		{name: "resolver_lru_cache_size", kind: number, value: "10000", about: "As `dns_cache_size`."},
		{name: "resolver_mem_cache_size", value: "5m", about: "Memory for answers."},
	}
}

func vaultParameters() []parameter {
	return []parameter{
		{name: "vaults", kind: listKind, value: "bundled", about: "The vaults that may be used. Only `env` is here, for the parameters of this page."},
		{name: "vault_env_prefix", set: accept, about: "What the variables of `{vault://env/…}` start with."}, // see newVault
	}
}

func runtimeParameters() []parameter {
	return []parameter{
		{name: "nginx_user", value: "kong kong", about: "User and group of nginx's workers. The node keeps its own."},
		{name: "nginx_worker_processes", value: "auto", about: "Number of workers. The node is one process that uses all processors that `GOMAXPROCS` allows."},
		{name: "nginx_daemon", kind: directive, value: "on", about: "Whether the node goes into the background. It never does."},
		{name: "client_body_buffer_size", value: "8k", about: "Old name of `nginx_http_client_body_buffer_size`."},
		{name: "client_max_body_size", value: "0", about: "Old name of `nginx_http_client_max_body_size`."},
		{name: "openresty_path", about: "Where OpenResty is."},
		{name: "worker_events_max_payload", kind: number, value: "65535", about: "Bytes of an event between workers."},
		{name: "pluginserver_names", kind: listKind, about: "External plugin servers. There are none here."},
		{name: "lua_socket_pool_size", kind: number, value: "256", about: "Idle connections of Lua code."},
		{name: "lua_package_path", value: "./?.lua;./?/init.lua;", about: "Where Lua code is."},
		{name: "lua_package_cpath", about: "Where C code for Lua is."},
		{name: "lua_max_req_headers", kind: number, value: "100", about: "Request headers that plugins see."},
		{name: "lua_max_resp_headers", kind: number, value: "100", about: "Answer headers that plugins see."},
		{name: "lua_max_uri_args", kind: number, value: "100", about: "Query arguments that plugins see."},
		{name: "lua_max_post_args", kind: number, value: "100", about: "Form fields that plugins see."},
		{name: "untrusted_lua", kind: enum, value: "sandbox", enum: []string{"on", "off", "sandbox"}, about: "What Lua code of the configuration may do. None is run here."},
		{name: "untrusted_lua_sandbox_requires", kind: listKind, about: "Modules that it may load."},
		{name: "untrusted_lua_sandbox_environment", kind: listKind, about: "Globals that it may see."},
		{name: "wasm", kind: boolean, value: "off", about: "Whether WebAssembly filters are run. None is, here."},
		{name: "wasm_filters_path", about: "Where they are."},
		{name: "wasm_filters", kind: listKind, value: "bundled,user", about: "Which of them may be used."},
		{name: "kic", kind: boolean, value: "off", about: "Whether Kong's ingress controller runs the node."},
	}
}

func logParameters() []parameter {
	return []parameter{
		{name: "proxy_access_log", value: "logs/access.log", about: "File of the proxy's requests. Everything is logged to standard error here, as JSON lines, and requests are not."},
		{name: "proxy_error_log", value: "logs/error.log", about: "File of its errors."},
		{name: "proxy_stream_access_log", value: "logs/access.log basic", about: "File of streams."},
		{name: "proxy_stream_error_log", value: "logs/error.log", about: "File of their errors."},
		{name: "admin_access_log", value: "logs/admin_access.log", about: "File of the Admin API's requests."},
		{name: "admin_error_log", value: "logs/error.log", about: "File of its errors."},
		{name: "status_access_log", value: "off", about: "File of the Status API's requests."},
		{name: "status_error_log", value: "logs/status_error.log", about: "File of its errors."},
		{name: "tracing_instrumentations", kind: listKind, value: "off", about: "What is traced. Nothing is, here."},
		{name: "tracing_sampling_rate", kind: number, value: "0.01", about: "The part of requests that is."},
		{name: "opentelemetry_tracing", kind: listKind, about: "Old name of `tracing_instrumentations`."},
		{name: "opentelemetry_tracing_sampling_rate", kind: number, about: "Old name of `tracing_sampling_rate`."},
	}
}

func managerParameters() []parameter {
	return []parameter{
		{name: "admin_gui_listen", kind: listenKind, value: "0.0.0.0:8002, 0.0.0.0:8445 ssl", about: "Where Kong Manager is. There is none here."},
		{name: "admin_gui_url", about: "Its URL."},
		{name: "admin_gui_path", value: "/", about: "Its path."},
		{name: "admin_gui_api_url", about: "The Admin API's URL as it sees it."},
		{name: "admin_api_uri", about: "Its old name."},
		{name: "admin_gui_ssl_cert", kind: pemListKind, about: "Its certificates."},
		{name: "admin_gui_ssl_cert_key", kind: pemListKind, secret: true, about: "Their keys."},
		{name: "admin_gui_access_log", value: "logs/admin_gui_access.log", about: "File of its requests."},
		{name: "admin_gui_error_log", value: "logs/admin_gui_error.log", about: "File of its errors."},
	}
}
