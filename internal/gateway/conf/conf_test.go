// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
)

// somePEM is PEM text; what is inside is of no concern to this package.
func somePEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func dataPlane(t *testing.T, more ...string) []string {
	t.Helper()
	text := somePEM(t)
	return append([]string{"PATH=/bin", "KONG_ROLE=data_plane", "KONG_DATABASE=off",
		"KONG_CLUSTER_CERT=" + text, "KONG_CLUSTER_CERT_KEY=" + text}, more...)
}

func controlPlane(t *testing.T, more ...string) []string {
	t.Helper()
	return dataPlane(t, append([]string{"KONG_ROLE=control_plane", "KONG_DATABASE=sqlite"}, more...)...)
}

func TestDefaultsAreKongs(t *testing.T) {
	t.Parallel()
	got, err := conf.Load(conf.Source{Environ: dataPlane(t)})
	if err != nil {
		t.Fatal(err)
	}
	got.Cluster.Certificate, got.Cluster.Key = nil, nil
	want := &conf.Config{
		Role: conf.DataPlane, Prefix: "/usr/local/kong", LogLevel: "notice",
		ProxyListen:  []conf.Listener{{Address: "0.0.0.0:8000", ReusePort: true, Backlog: 16384}, {Address: "0.0.0.0:8443", TLS: true, HTTP2: true, ReusePort: true, Backlog: 16384}},
		AdminListen:  []conf.Listener{{Address: "127.0.0.1:8001", ReusePort: true, Backlog: 16384}, {Address: "127.0.0.1:8444", TLS: true, HTTP2: true, ReusePort: true, Backlog: 16384}},
		StatusListen: []conf.Listener{{Address: "127.0.0.1:8007", ReusePort: true, Backlog: 16384}},
		Cluster: conf.Cluster{Listen: []conf.Listener{{Address: "0.0.0.0:8005", TLS: true}}, ControlPlane: "127.0.0.1:8005", MTLS: conf.SharedMTLS,
			MaxPayload: 16777216, PurgeDelay: 14 * 24 * time.Hour, Labels: map[string]string{}},
		Database: conf.NoDatabase, DBUpdateFrequency: 5 * time.Second, SQLitePath: "/usr/local/kong/blackout.db", AdminMaxBody: 10 << 20,
		Postgres: conf.Postgres{Host: "127.0.0.1", Port: 5432, User: "kong", Database: "kong", SSLVersion: "tlsv1_2",
			Timeout: 5 * time.Second, SemaphoreTimeout: time.Minute, PoolSize: 256, Backlog: -1},
		Proxy: conf.Proxy{
			Headers: []string{"server", "via", "x-kong-admin-latency", "x-kong-proxy-latency", "x-kong-request-id",
				"x-kong-response-latency", "x-kong-upstream-latency"},
			HeadersUpstream: []string{"x-kong-request-id"}, RealIPHeader: "X-Real-IP", KeepalivePoolSize: 512, KeepaliveMaxRequests: 10000,
			KeepaliveIdleTimeout: time.Minute},
		Trust:   conf.Trust{System: true, Depth: 1},
		Plugins: []string{"ip-restriction", "key-auth", "rate-limiting", "request-termination", "request-transformer", "response-transformer"},
		Version: "3.9.1", BucketVersion: "3.9.1", DeclarativeOrder: conf.CacheFirst,
		Fallback: conf.Fallback{ExportDelay: time.Minute, ReadAttempts: 1, ReadTimeout: 30 * time.Second, Election: true, Lease: 20 * time.Second, Check: time.Minute, MaxSize: 256 << 20},
		Timing: conf.Timing{ReconnectMin: 5 * time.Second, ReconnectMax: 10 * time.Second, PingInterval: 30 * time.Second,
			Silence: 45 * time.Second, DialTimeout: 5 * time.Second, HandshakeTimeout: time.Minute, NoConfigurationWait: 10 * time.Second},
	}
	if len(got.OtherPlugins) != 39 { // Kong 3.9 has 45
		t.Errorf("got %d plugins that are Kong's alone", len(got.OtherPlugins))
	}
	got.OtherPlugins = nil
	got.Forget() // what is shown of it has its own tests
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kong.conf")
	content := "# a comment\n" +
		"db_update_frequency = 0.5 # trailing\n" +
		"cluster_fallback_config_storage = s3://bucket/a\\#b\n" +
		"status_listen = off\n" +
		"proxy_listen = 127.0.0.1:1 reuseport backlog=16384, [::1]:2\n" +
		"cluster_dp_labels=a:1, b:2\n" +
		"cluster_fallback_config_import = on\n" +
		"pg_ro_host = db\nanonymous_reports = off\nvault_mine_ttl = 1\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := conf.Load(conf.Source{File: file, Environ: dataPlane(t,
		"KONG_DB_UPDATE_FREQUENCY=2", "KONG_BLACKOUT_VERSION=3.9.2", "KONG_BLACKOUT_SILENCE=1.5s", "KONG_NGINX_WORKER_PROCESSES=1")})
	if err != nil {
		t.Fatal(err)
	}
	checks := []struct {
		name      string
		got, want any
	}{
		{"variable", config.DBUpdateFrequency, 2 * time.Second},
		{"escaped hash", config.Fallback.Storage, "s3://bucket/a#b"},
		{"off", config.StatusListen, []conf.Listener(nil)},
		{"list", config.ProxyListen, []conf.Listener{{Address: "127.0.0.1:1", ReusePort: true, Backlog: 16384}, {Address: "[::1]:2"}}},
		{"labels", config.Cluster.Labels, map[string]string{"a": "1", "b": "2"}},
		{"flag", config.Fallback.Import, true},
		{"follows the version", config.BucketVersion, "3.9.2"},
		{"duration", config.Timing.Silence, 1500 * time.Millisecond},
		{"ignored", config.Ignored, []string{"nginx_worker_processes", "pg_ro_host", "vault_mine_ttl"}},
	}
	for _, c := range checks {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestCertificateForms(t *testing.T) {
	t.Parallel()
	text := somePEM(t)
	file := filepath.Join(t.TempDir(), "cluster.crt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"path": file, "text": text, "base64": base64.StdEncoding.EncodeToString([]byte(text)),
	} {
		config, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_CLUSTER_CERT="+value)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.TrimSpace(string(config.Cluster.Certificate)) != strings.TrimSpace(text) {
			t.Errorf("%s: got another certificate", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const hint = `only in-memory storage can be used when role = "data_plane" (Hint: set database = off in your kong.conf)`
	ca := "KONG_CLUSTER_MTLS=pki"
	cases := map[string]struct {
		environ []string
		want    string // the whole error
	}{
		"no certificate":     {dataPlane(t, "KONG_CLUSTER_CERT="), "cluster certificate and key must be provided to use Hybrid mode"},
		"no key":             {dataPlane(t, "KONG_CLUSTER_CERT_KEY="), "cluster certificate and key must be provided to use Hybrid mode"},
		"no admin":           {controlPlane(t, "KONG_ADMIN_LISTEN=off"), `admin_listen must be specified when role = "control_plane"`},
		"no cluster":         {controlPlane(t, "KONG_CLUSTER_LISTEN=off"), `cluster_listen must be specified when role = "control_plane"`},
		"control plane off":  {controlPlane(t, "KONG_DATABASE=off"), `in-memory storage can not be used when role = "control_plane"`},
		"no authority":       {controlPlane(t, ca), `cluster_ca_cert must be specified when cluster_mtls = "pki"`},
		"proxied":            {controlPlane(t, "KONG_CLUSTER_USE_PROXY=on"), `cluster_use_proxy can not be used when role = "control_plane"`},
		"labelled":           {controlPlane(t, "KONG_CLUSTER_DP_LABELS=a:b"), `cluster_dp_labels can not be used when role = "control_plane"`},
		"no proxy":           {dataPlane(t, "KONG_PROXY_LISTEN=off"), `proxy_listen must be specified when role = "data_plane"`},
		"data plane with db": {dataPlane(t, "KONG_DATABASE=postgres"), hint},
		"and with ours":      {dataPlane(t, "KONG_DATABASE=sqlite"), hint},
		"no proxy server":    {dataPlane(t, "KONG_CLUSTER_USE_PROXY=on"), "cluster_use_proxy is turned on but no proxy_server is configured"},
		"purge delay":        {dataPlane(t, "KONG_CLUSTER_DATA_PLANE_PURGE_DELAY=59"), "cluster_data_plane_purge_delay must be 60 or greater"},
		"payload":            {dataPlane(t, "KONG_CLUSTER_MAX_PAYLOAD=4194303"), "cluster_max_payload must be 4194304 (4MB) or greater"},
		"another pki":        {dataPlane(t, "KONG_CLUSTER_MTLS=pki_check_cn"), "cluster_mtls has an invalid value: 'pki_check_cn' (shared, pki)"},
		"enum":               {dataPlane(t, "KONG_LOG_LEVEL=loud"), "log_level has an invalid value: 'loud' (debug, info, notice, warn, error, crit, alert, emerg)"},
		"enum not used":      {dataPlane(t, "KONG_UNTRUSTED_LUA=maybe"), "untrusted_lua has an invalid value: 'maybe' (on, off, sandbox)"},
		"number":             {dataPlane(t, "KONG_PG_PORT=tcp"), "pg_port is not a number: 'tcp'"},
		"number not used":    {dataPlane(t, "KONG_DNS_STALE_TTL=long"), "dns_stale_ttl is not a number: 'long'"},
		"port number":        {dataPlane(t, "KONG_PG_PORT=65536"), "pg_port: must be between 0 and 65535"},
		"role":               {dataPlane(t, "KONG_ROLE=traditional"), "role: traditional is not supported; set role to control_plane or data_plane"},
		"port":               {dataPlane(t, "KONG_PROXY_LISTEN=0.0.0.0:x"), `proxy_listen: "0.0.0.0:x" has no valid port`},
		"off in a list":      {dataPlane(t, "KONG_PROXY_LISTEN=0.0.0.0:1, off"), `proxy_listen: "off" must stand alone`},
		"control plane":      {dataPlane(t, "KONG_CLUSTER_CONTROL_PLANE=cp"), `cluster_control_plane: "cp" is no host:port`},
		"unknown":            {dataPlane(t, "KONG_PROXY_LISTENN=x"), "unknown parameter proxy_listenn (KONG_PROXY_LISTENN); did you mean proxy_listen?"},
		"unknown of ours":    {dataPlane(t, "KONG_BLACKOUT_PING_INTERVALL=1s"), "unknown parameter blackout_ping_intervall (KONG_BLACKOUT_PING_INTERVALL); did you mean blackout_ping_interval?"},
		"very unknown":       {dataPlane(t, "KONG_XYZZY=1"), "unknown parameter xyzzy (KONG_XYZZY); correct its name or remove it"},
		"duration":           {dataPlane(t, "KONG_BLACKOUT_SILENCE=5"), `blackout_silence: "5" is no positive duration like 500ms or 5s`},
		"lease":              {dataPlane(t, "KONG_BLACKOUT_FALLBACK_LEASE=999ms"), `blackout_fallback_lease: "999ms" is less than 1s, the least that is taken`},
		"seconds":            {dataPlane(t, "KONG_DB_UPDATE_FREQUENCY=NaN"), `db_update_frequency: "NaN" is no number of seconds`},
		"reconnect":          {dataPlane(t, "KONG_BLACKOUT_RECONNECT_MIN=11s"), "blackout_reconnect_min must not be greater than blackout_reconnect_max"},
		"node id":            {dataPlane(t, "KONG_NODE_ID={2f5e9c3a-5f1e-4c7c-9f1b-2a3b4c5d6e7f}"), "node_id: must be a valid UUID"},
		"labels":             {dataPlane(t, "KONG_CLUSTER_DP_LABELS=x"), `cluster_dp_labels: label "x" must be key:value`},
		"label of Kong's":    {dataPlane(t, "KONG_CLUSTER_DP_LABELS=kong-x:1"), `cluster_dp_labels: label "kong-x:1" starts with a word that is Kong's own`},
		"version":            {dataPlane(t, "KONG_BLACKOUT_VERSION=3.x"), `blackout_version: "3.x" is no version like 3.9.1`},
		"missing file":       {dataPlane(t, "KONG_CLUSTER_CERT=/nowhere/cluster.crt"), "cluster_cert: read /nowhere/cluster.crt: no such file or directory"},
		"keys":               {dataPlane(t, "KONG_SSL_CERT="+somePEM(t)), "ssl_cert_key: there are 0 keys for 1 certificates; each certificate needs its key, in the same order"},
		"header":             {dataPlane(t, "KONG_HEADERS_UPSTREAM=via"), `headers_upstream: "via" is no header that Kong adds to requests; there is X-Kong-Request-Id`},
		"trusted":            {dataPlane(t, "KONG_TRUSTED_IPS=10.0.0.0/33"), `trusted_ips: "10.0.0.0/33" is neither an IP address nor a CIDR block`},
		"plugin":             {dataPlane(t, "KONG_PLUGINS=bundled,mine"), "plugins: mine plugin is enabled but not installed"},
		"flavor":             {dataPlane(t, "KONG_ROUTER_FLAVOR=expressions"), "router_flavor: expressions is not supported; set router_flavor = traditional_compatible"},
		"advertised":         {dataPlane(t, "KONG_BLACKOUT_ADVERTISED_PLUGINS=acl=new"), `blackout_advertised_plugins: "acl=new" is no plugin; write a name, name=1.2.3, own or kong-3.9`},
		"without export": {dataPlane(t, "KONG_BLACKOUT_ADVERTISED_PLUGINS=own,acl", "KONG_PROXY_LISTEN=127.0.0.1:8000"),
			"blackout_advertised_plugins: this gateway cannot run acl, and only a backup node may say that it can; set cluster_fallback_config_export = on, or remove what it cannot run"},
		"advertised to all": {dataPlane(t, "KONG_BLACKOUT_ADVERTISED_PLUGINS=kong-3.9", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on"),
			"proxy_listen: 0.0.0.0:8000 is not on loopback, and a node whose blackout_advertised_plugins has what it cannot run (acl, acme, ai-prompt-decorator and 36 more) proxies nothing; set proxy_listen = 127.0.0.1:8000"},
		"advertised by a control plane": {controlPlane(t, "KONG_BLACKOUT_ADVERTISED_PLUGINS=acl", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on"),
			"blackout_advertised_plugins: a control plane tells nobody of plugins; remove it from this node"},
		"size": {dataPlane(t, "KONG_NGINX_ADMIN_CLIENT_MAX_BODY_SIZE=10 MB"), `nginx_admin_client_max_body_size: "10 MB" is no size like 512, 8k or 10m`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := conf.Load(conf.Source{Environ: c.environ})
			if err == nil || err.Error() != c.want {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestErrorsDoNotShowAGarbledKey(t *testing.T) {
	t.Parallel()
	secret := "MHcCAQEEIsecretsecret"
	_, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_CLUSTER_CERT_KEY="+secret)})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Fatalf("got %v, want an error without the value", err)
	}
}

func TestAdvertisedPlugins(t *testing.T) {
	t.Parallel()
	config, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_BLACKOUT_VERSION=3.12.0.1", "KONG_PROXY_LISTEN=127.0.0.1:8000, [::1]:8443 ssl, localhost:1",
		"KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on", "KONG_BLACKOUT_ADVERTISED_PLUGINS=kong-3.9, my_Plugin=1.2.0, acl=3.4.0")})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]string{}
	for _, plugin := range config.Advertised {
		byName[plugin.Name] = plugin.Version
	}
	if len(byName) != 46 || byName["my_Plugin"] != "1.2.0" || byName["acl"] != "3.4.0" || byName["zipkin"] != "3.12.0.1" || byName["key-auth"] != "3.12.0.1" {
		t.Errorf("got %v", config.Advertised)
	}
	if !config.KeepsOnly() || config.BucketVersion != "3.12.0.1" {
		t.Errorf("it keeps only: %v; the bucket's version is %s", config.KeepsOnly(), config.BucketVersion)
	}
}
