// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// DefaultVersion is the gateway version that a node stands for unless
// blackout_version says otherwise.
const DefaultVersion = "3.9.1"

// parameter is one line of the table of what can be set.
type parameter struct {
	name  string
	value string // default, as it would be written in the file
	set   func(c *Config, value string) error
}

// parameters are set in this order; one may look at those before it. The
// defaults are Kong 3.9's, apart from the TLS listeners, which are not served.
var parameters = []parameter{
	{"role", "traditional", setRole},
	{"prefix", "/usr/local/kong", func(c *Config, v string) error { c.Prefix = filepath.Clean(v); return nil }},
	{"database", "postgres", oneOf(nil, "postgres", "off", "sqlite")},
	{"node_id", "", setNodeID},
	{"log_level", "notice", oneOf(func(c *Config) *string { return &c.LogLevel },
		"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")},
	{"proxy_listen", "0.0.0.0:8000", listen(func(c *Config) *[]string { return &c.ProxyListen })},
	{"admin_listen", "127.0.0.1:8001", listen(func(c *Config) *[]string { return &c.AdminListen })},
	{"status_listen", "127.0.0.1:8007", listen(func(c *Config) *[]string { return &c.StatusListen })},
	{"cluster_listen", "0.0.0.0:8005", listen(func(c *Config) *[]string { return &c.Cluster.Listen })},
	{"cluster_control_plane", "127.0.0.1:8005", setControlPlane},
	{"cluster_mtls", "shared", setMTLS},
	{"cluster_server_name", "", func(*Config, string) error { return nil }}, // shared mode always uses kong_clustering
	{"cluster_cert", "", pemText(func(c *Config) *[]byte { return &c.Cluster.Certificate })},
	{"cluster_cert_key", "", pemText(func(c *Config) *[]byte { return &c.Cluster.Key })},
	{"cluster_max_payload", "16777216", setMaxPayload},
	{"cluster_data_plane_purge_delay", "1209600", setPurgeDelay},
	{"cluster_dp_labels", "", setLabels},
	{"db_update_frequency", "5", seconds(func(c *Config) *time.Duration { return &c.DBUpdateFrequency })},
	{"cluster_fallback_config_import", "off", flag(func(c *Config) *bool { return &c.Fallback.Import })},
	{"cluster_fallback_config_export", "off", flag(func(c *Config) *bool { return &c.Fallback.Export })},
	{"cluster_fallback_config_storage", "", text(func(c *Config) *string { return &c.Fallback.Storage })},
	{"cluster_fallback_config_export_delay", "60", seconds(func(c *Config) *time.Duration { return &c.Fallback.ExportDelay })},
	{"cluster_fallback_export_s3_config", "", text(func(c *Config) *string { return &c.Fallback.S3Config })},
	{"blackout_fallback_read_attempts", "1", setReadAttempts},
	{"blackout_fallback_read_timeout", "30s", duration(func(c *Config) *time.Duration { return &c.Fallback.ReadTimeout })},
	{"blackout_reconnect_min", "5s", duration(func(c *Config) *time.Duration { return &c.Timing.ReconnectMin })},
	{"blackout_reconnect_max", "10s", duration(func(c *Config) *time.Duration { return &c.Timing.ReconnectMax })},
	{"blackout_ping_interval", "30s", duration(func(c *Config) *time.Duration { return &c.Timing.PingInterval })},
	{"blackout_silence", "45s", duration(func(c *Config) *time.Duration { return &c.Timing.Silence })},
	{"blackout_dial_timeout", "5s", duration(func(c *Config) *time.Duration { return &c.Timing.DialTimeout })},
	{"blackout_no_configuration_wait", "10s", duration(func(c *Config) *time.Duration { return &c.Timing.NoConfigurationWait })},
	{"blackout_version", DefaultVersion, setVersion},
	{"blackout_bucket_version", "", setBucketVersion},
	{"blackout_sqlite_path", "", setSQLitePath},
}

// ignored are parameters that Kong knows and that change nothing here; a name
// ending in * stands for all that start so.
var ignored = []string{
	"admin_access_log", "admin_error_log", "admin_gui_*", "allow_debug_header", "anonymous_reports",
	"cluster_allowed_common_names", "cluster_ca_cert", "cluster_incremental_sync", "cluster_ocsp", "cluster_rpc*",
	"cluster_telemetry_*", "cluster_use_proxy", "db_cache_*", "db_resurrect_ttl", "db_update_propagation",
	"declarative_config", "declarative_config_string", "dedicated_config_processing", "dns_*", "error_default_type",
	"headers", "headers_upstream", "incremental_sync", "konnect_mode", "license_data", "license_path",
	"lmdb_environment_path", "lmdb_map_size", "lua_*", "mem_cache_size", "nginx_*", "password", "pg_*", "plugins",
	"pluginserver_*", "portal*", "proxy_access_log", "proxy_error_log", "proxy_server", "proxy_server_ssl_verify",
	"proxy_stream_*", "real_ip_*", "request_debug*", "router_flavor", "ssl_*", "status_access_log", "status_error_log",
	"stream_listen", "tracing_*", "trusted_ips", "untrusted_lua*", "upstream_keepalive_*", "vault*", "vitals*",
	"wasm*", "worker_*",
}

func isParameter(name string) bool {
	return slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name })
}

func isIgnored(name string) bool {
	return slices.ContainsFunc(ignored, func(known string) bool {
		prefix, wild := strings.CutSuffix(known, "*")
		return known == name || wild && strings.HasPrefix(name, prefix)
	})
}

func setRole(c *Config, value string) error {
	c.Role = Role(value)
	if c.Role != ControlPlane && c.Role != DataPlane {
		return fmt.Errorf("%q is not supported; set control_plane or data_plane", value)
	}
	return nil
}

func setNodeID(c *Config, value string) error {
	if value != "" && uuid.Validate(value) != nil {
		return errors.New("must be a valid UUID")
	}
	c.NodeID = value
	return nil
}

func setMTLS(_ *Config, value string) error {
	if value != "shared" {
		return fmt.Errorf("%s is not supported yet; set cluster_mtls = shared", value)
	}
	return nil
}

func setMaxPayload(c *Config, value string) error {
	bytes, err := wholeNumber(value)
	if err != nil {
		return err
	}
	if bytes < 4194304 {
		return errors.New("cluster_max_payload must be 4194304 (4MB) or greater")
	}
	c.Cluster.MaxPayload = bytes
	return nil
}

func setPurgeDelay(c *Config, value string) error {
	if err := seconds(func(c *Config) *time.Duration { return &c.Cluster.PurgeDelay })(c, value); err != nil {
		return err
	}
	if c.Cluster.PurgeDelay < time.Minute {
		return errors.New("cluster_data_plane_purge_delay must be 60 or greater")
	}
	return nil
}

func setLabels(c *Config, value string) error {
	c.Cluster.Labels = map[string]string{}
	for _, label := range list(value) {
		key, text, ok := strings.Cut(label, ":")
		if !ok || key == "" || text == "" {
			return fmt.Errorf("label %q must be key:value", label)
		}
		c.Cluster.Labels[key] = text
	}
	return nil
}

func setReadAttempts(c *Config, value string) error {
	attempts, err := wholeNumber(value)
	if err != nil {
		return err
	}
	if attempts < 1 || attempts > 100 {
		return errors.New("must be between 1 and 100")
	}
	c.Fallback.ReadAttempts = int(attempts)
	return nil
}

func setVersion(c *Config, value string) error {
	parts := strings.Split(value, ".")
	for _, part := range parts {
		if _, err := wholeNumber(part); err != nil {
			return fmt.Errorf("%q is no version like 3.9.1", value)
		}
	}
	if len(parts) < 3 {
		return fmt.Errorf("%q is no version like 3.9.1", value)
	}
	c.Version = value
	return nil
}

func setBucketVersion(c *Config, value string) error {
	c.BucketVersion = value
	if value == "" {
		c.BucketVersion = c.Version
	}
	return nil
}

func setSQLitePath(c *Config, value string) error {
	c.SQLitePath = value
	if value == "" {
		c.SQLitePath = filepath.Join(c.Prefix, "blackout.db")
	}
	return nil
}
