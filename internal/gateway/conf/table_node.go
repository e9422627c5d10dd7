// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultVersion is the gateway version that a node stands for unless
// blackout_version says otherwise.
const DefaultVersion = "3.9.1"

func nodeParameters() []parameter {
	return []parameter{
		{name: "role", kind: enum, value: "traditional", enum: []string{"data_plane", "control_plane", "traditional"}, set: setRole,
			about: "What the node does in hybrid mode. `traditional`, a node that does both, is refused."},
		{name: "prefix", value: "/usr/local/kong/", about: "Directory that the node may write to; each node needs its own.",
			set: setPrefix},
		{name: "node_id", set: setNodeID,
			about: "The node's UUID. Unset: a data plane makes one and keeps it in `<prefix>/kong.id`, a control plane makes a new one at each start."},
		{name: "log_level", kind: enum, value: "notice", enum: []string{"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"},
			set: text(func(c *Config) *string { return &c.LogLevel }), about: "The least important lines that are logged; `notice` logs like `info` here."},
		{name: "anonymous_reports", kind: boolean, value: "on", set: accept, about: "Whether usage is reported to Kong. Nothing is ever reported here."},
		{name: "plugins", kind: listKind, value: "bundled", set: setPlugins,
			about: "The plugins that may be used: names, `bundled` for all of Kong's, or `off`. A control plane takes the configuration of no others, and a data plane refuses one with others; of Kong's a data plane has six here."},
	}
}

func clusterParameters() []parameter {
	return []parameter{
		{name: "cluster_mtls", kind: enum, value: "shared", enum: []string{"shared", "pki"},
			set:   func(c *Config, v string) error { c.Cluster.MTLS = MTLS(v); return nil },
			about: "How nodes know each other: by the same certificate, or by certificates of the same authority. `pki_check_cn` is Enterprise's."},
		{name: "cluster_cert", kind: pemKind, set: pemText(func(c *Config) *[]byte { return &c.Cluster.Certificate }),
			about: "The node's certificate in the cluster: a path, PEM text, or PEM text in base64."},
		{name: "cluster_cert_key", kind: pemKind, secret: true, set: pemText(func(c *Config) *[]byte { return &c.Cluster.Key }),
			about: "Its private key, in the same forms."},
		{name: "cluster_ca_cert", kind: pemKind, set: pemText(func(c *Config) *[]byte { return &c.Cluster.CA }),
			about: "With `pki`: the authority that the peers' certificates must come from. A data plane without it trusts `lua_ssl_trusted_certificate`."},
		{name: "cluster_control_plane", value: "127.0.0.1:8005", set: setControlPlane,
			about: "`host:port` of the control plane that a data plane connects to."},
		{name: "cluster_server_name", set: text(func(c *Config) *string { return &c.Cluster.ServerName }),
			about: "With `pki`: the name in the control plane's certificate. Unset: the host of `cluster_control_plane`. With `shared` the name is always kong_clustering."},
		{name: "cluster_listen", kind: listenKind, value: "0.0.0.0:8005", set: setClusterListen,
			about: "Where a control plane waits for its data planes, always with TLS."},
		{name: "cluster_data_plane_purge_delay", kind: number, value: "1209600", set: setPurgeDelay,
			about: "Seconds after which a data plane that was not heard of is forgotten; at least 60."},
		{name: "cluster_max_payload", kind: number, value: "16777216", set: setMaxPayload,
			about: "Bytes of a compressed configuration that may be sent and taken; at least 4194304. Both ends check it."},
		{name: "cluster_dp_labels", kind: listKind, set: setLabels, about: "Labels of a data plane, `key:value`, at most ten."},
		{name: "db_update_frequency", kind: number, value: "5", set: seconds(func(c *Config) *time.Duration { return &c.DBUpdateFrequency }),
			about: "Seconds that two pushes to the data planes are apart at least."},
		{name: "cluster_ocsp", kind: enum, value: "off", enum: []string{"on", "off", "optional"},
			about: "Whether a control plane asks for the revocation of a data plane's certificate. It never does here."},
		{name: "cluster_use_proxy", kind: boolean, value: "off", about: "Whether a data plane reaches its control plane through `proxy_server`. It always connects directly here."},
		{name: "proxy_server", secret: true, about: "URL of an HTTP proxy; it may hold a password."},
		{name: "proxy_server_ssl_verify", kind: boolean, value: "on", about: "Whether that proxy's certificate is checked."},
		{name: "cluster_rpc", kind: boolean, value: "off", about: "The second version of the protocol. Only the first is spoken here, which every Kong 3.x takes too."},
		{name: "cluster_incremental_sync", kind: boolean, value: "off", about: "Sends changes instead of the whole configuration; needs `cluster_rpc`."},
		{name: "cluster_rpc_sync", kind: boolean, value: "off", about: "The same under its later name."},
		{name: "dedicated_config_processing", kind: boolean, value: "on", about: "Whether a process of its own takes the configuration. There are no worker processes here."},
		{name: "privileged_worker", kind: boolean, value: "off", about: "Its old name."},
	}
}

func fallbackParameters() []parameter {
	return []parameter{
		{name: "cluster_fallback_config_import", kind: boolean, value: "off", enterprise: true, set: truth(func(c *Config) *bool { return &c.Fallback.Import }),
			about: "Whether a new data plane may take the configuration from the storage when the control plane gives it none."},
		{name: "cluster_fallback_config_export", kind: boolean, value: "off", enterprise: true, set: truth(func(c *Config) *bool { return &c.Fallback.Export }),
			about: "Whether the node keeps a copy of the configuration in the storage."},
		{name: "cluster_fallback_config_storage", enterprise: true, set: text(func(c *Config) *string { return &c.Fallback.Storage }),
			about: "The storage: `s3://bucket/prefix`, with credentials from the variables `AWS_*`; `gcs://bucket/prefix` or `gs://bucket/prefix`, with a service account's key as JSON text in `GCP_SERVICE_ACCOUNT`, or on Google's cloud without it; or `file:///directory`, a mounted volume."},
		{name: "cluster_fallback_config_export_delay", kind: number, value: "60", enterprise: true, set: seconds(func(c *Config) *time.Duration { return &c.Fallback.ExportDelay }),
			about: "Seconds between two exports; of the configurations in between only the last is exported."},
		{name: "cluster_fallback_export_s3_config", enterprise: true, secret: true, set: text(func(c *Config) *string { return &c.Fallback.S3Config }),
			about: "JSON object of further S3 PutObject settings; refused with other storage than `s3://`. Its values may be keys, so none is shown."},
	}
}

func ownParameters() []parameter {
	return []parameter{
		{name: "blackout_sqlite_path", set: setSQLitePath, about: "File of a control plane's SQLite database. Unset: `<prefix>/blackout.db`."},
		{name: "blackout_push_empty", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.PushEmpty }),
			about: "Whether a control plane that has published entities publishes a database that is found empty although nobody deleted them, as Kong does. Off: it says so and pushes nothing."},
		{name: "blackout_take_empty", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.TakeEmpty }),
			about: "Whether a data plane that serves takes an empty configuration that is the first of a connection, as Kong does: that of a control plane that came back without its database. Off: it says so and serves on. What is emptied while it is connected it takes."},
		{name: "blackout_version", value: DefaultVersion, set: setVersion, about: "The gateway version that the node stands for in the handshake and in headers."},
		{name: "blackout_advertised_plugins", kind: listKind, value: ownAdvertised, set: setAdvertised,
			about: "The plugins that a data plane tells its control plane of, with `blackout_version` or as `name=1.2.3`: names, `own` for those that it runs, `kong-3.9` for all that Kong 3.9 bundles. With one that it cannot run it must be a backup node, keeps the configuration and proxies nothing; see [pairing](pairing.md#a-backup-node-beside-your-kong)."},
		{name: "blackout_bucket_version", set: setBucketVersion, about: "The version in the key of the fallback object. Unset: `blackout_version`."},
		{name: "blackout_declarative_config_order", kind: enum, value: string(CacheFirst), enum: []string{string(CacheFirst), string(FileFirst)},
			set:   func(c *Config, v string) error { c.DeclarativeOrder = DeclarativeOrder(v); return nil },
			about: "What a data plane with a usable cache and a `declarative_config` starts with. `cache-first`: the cache, and the file stays unread, as Kong documents it; `file-first`: the file, at each start, as Kong 3.9 does it."},
		{name: "blackout_fallback_read_attempts", kind: number, value: "1", set: within(func(c *Config) *int { return &c.Fallback.ReadAttempts }, 1, 100),
			about: "Attempts to read the fallback object; Kong makes one."},
		{name: "blackout_fallback_read_timeout", kind: spanKind, value: "30s", set: duration(func(c *Config) *time.Duration { return &c.Fallback.ReadTimeout }),
			about: "How long one attempt may take."},
		{name: "blackout_fallback_election", kind: boolean, value: "on", set: truth(func(c *Config) *bool { return &c.Fallback.Election }),
			about: "Whether nodes that export to the same place elect the one that writes, through objects below `election/` beside the fallback object. Off, or where the storage ignores conditions of writes: only one node may export."},
		{name: "blackout_fallback_lease", kind: spanKind, value: "20s", set: durationFrom(func(c *Config) *time.Duration { return &c.Fallback.Lease }, time.Second),
			about: "How long the elected node may be silent before another takes over; the same on all of them. At least 1 s."},
		{name: "blackout_fallback_check", kind: spanKind, value: "1m", set: duration(func(c *Config) *time.Duration { return &c.Fallback.Check }),
			about: "How often the elected node looks at the fallback object, and puts its own back if it was deleted or overwritten."},
		{name: "blackout_fallback_max_size", kind: number, value: "268435456", set: within(func(c *Config) *int { return &c.Fallback.MaxSize }, 1, 1<<30),
			about: "Bytes of the largest fallback object that a data plane takes, as stored and, if it is compressed, as expanded. A larger one is not read to its end. A backup node checks no larger one."},
		{name: "blackout_reconnect_min", kind: spanKind, value: "5s", set: duration(func(c *Config) *time.Duration { return &c.Timing.ReconnectMin }),
			about: "The shortest wait before a data plane connects again."},
		{name: "blackout_reconnect_max", kind: spanKind, value: "10s", set: duration(func(c *Config) *time.Duration { return &c.Timing.ReconnectMax }),
			about: "The longest; each wait is drawn anew."},
		{name: "blackout_reconnect_spread", kind: spanKind, value: "0", set: durationOrZero(func(c *Config) *time.Duration { return &c.Timing.ReconnectSpread }),
			about: "A further wait, drawn from 0 to this, before the first attempt after an established connection was lost. Kong has none."},
		{name: "blackout_honour_retry_after", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.Timing.HonourRetryAfter }),
			about: "Whether a data plane waits as long as a control plane that answers 429 or 503 asks for. Open-source Kong 3.9 does not."},
		{name: "blackout_ping_interval", kind: spanKind, value: "30s", set: duration(func(c *Config) *time.Duration { return &c.Timing.PingInterval }),
			about: "Between two pings of a data plane."},
		{name: "blackout_silence", kind: spanKind, value: "45s", set: duration(func(c *Config) *time.Duration { return &c.Timing.Silence }),
			about: "Without a frame from the peer before either side gives the connection up."},
		{name: "blackout_dial_timeout", kind: spanKind, value: "5s", set: duration(func(c *Config) *time.Duration { return &c.Timing.DialTimeout }),
			about: "For TCP, TLS and upgrade together."},
		{name: "blackout_handshake_timeout", kind: spanKind, value: "60s", set: duration(func(c *Config) *time.Duration { return &c.Timing.HandshakeTimeout }),
			about: "How long a control plane waits for a client's TLS handshake, and for the header of its request."},
		{name: "blackout_no_configuration_wait", kind: spanKind, value: "10s", set: duration(func(c *Config) *time.Duration { return &c.Timing.NoConfigurationWait }),
			about: "How long a connected control plane may send no configuration before it counts as one that cannot."},
	}
}

// setPrefix makes the path absolute, as Kong does.
func setPrefix(c *Config, value string) error {
	path, err := filepath.Abs(value)
	c.Prefix = path
	return err
}

func setRole(c *Config, value string) error {
	c.Role = Role(value)
	if c.Role != ControlPlane && c.Role != DataPlane {
		return fmt.Errorf("%s is not supported; set role to control_plane or data_plane", value)
	}
	return nil
}

func setControlPlane(c *Config, value string) error {
	address, err := hostPort(value)
	c.Cluster.ControlPlane = address
	return err
}

// setClusterListen implies ssl: these listeners have the cluster's TLS anyway.
func setClusterListen(c *Config, value string) error {
	err := listen(func(c *Config) *[]Listener { return &c.Cluster.Listen })(c, value)
	for i := range c.Cluster.Listen {
		c.Cluster.Listen[i].TLS = true
	}
	return err
}

func setMaxPayload(c *Config, value string) error {
	bytes, err := wholeNumber(value)
	if err != nil {
		return err
	}
	if bytes < 4194304 {
		return sentence("cluster_max_payload must be 4194304 (4MB) or greater")
	}
	c.Cluster.MaxPayload = bytes
	return nil
}

func setPurgeDelay(c *Config, value string) error {
	if err := seconds(func(c *Config) *time.Duration { return &c.Cluster.PurgeDelay })(c, value); err != nil {
		return err
	}
	if c.Cluster.PurgeDelay < time.Minute {
		return sentence("cluster_data_plane_purge_delay must be 60 or greater")
	}
	return nil
}

// What labels may be (Kong 3.9): starting and ending with a letter or digit, at
// most 63 long; some beginnings of keys are Kong's own.
var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$`)

const maxLabels = 10

func setLabels(c *Config, value string) error {
	c.Cluster.Labels = map[string]string{}
	for _, label := range list(value) {
		key, text, ok := strings.Cut(label, ":")
		switch {
		case !ok:
			return fmt.Errorf("label %q must be key:value", short(label))
		case !labelPattern.MatchString(key) || !labelPattern.MatchString(text):
			return fmt.Errorf("label %q must be of 1 to 63 letters, digits, dots, hyphens and underscores on each side, with a letter or digit at both ends", short(label))
		case slices.ContainsFunc([]string{"kong", "konnect", "insomnia", "mesh", "kic"}, func(own string) bool { return strings.HasPrefix(key, own) }):
			return fmt.Errorf("label %q starts with a word that is Kong's own", short(label))
		}
		c.Cluster.Labels[key] = text
	}
	if len(c.Cluster.Labels) > maxLabels {
		return errors.New("there are more than 10 labels")
	}
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
