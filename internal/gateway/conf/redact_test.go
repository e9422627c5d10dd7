// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

// loaded is a data plane's configuration with secrets in every place.
func loaded(t *testing.T) (config *conf.Config, key string) {
	t.Helper()
	key = somePEM(t)
	config, err := conf.Load(conf.Source{Environ: dataPlane(t,
		"KONG_PREFIX="+t.TempDir(),
		"KONG_CLUSTER_CERT="+base64.StdEncoding.EncodeToString([]byte(key)), // swapped with the key by mistake
		"KONG_CLUSTER_CERT_KEY="+key,
		"KONG_PG_PASSWORD=s3cr3t", "KONG_PROXY_SERVER=http://u:s3cr3t@proxy:1", "KONG_DECLARATIVE_CONFIG_STRING={\"x\":\"s3cr3t\"}",
		"KONG_LICENSE_DATA=s3cr3t", "KONG_VAULT_MINE_TOKEN=s3cr3t", "KONG_CLUSTER_FALLBACK_EXPORT_S3_CONFIG={\"SSECustomerKey\":\"s3cr3t\"}",
		"KONG_PG_USER={vault://env/db-user}", "DB_USER=s3cr3t", "KONG_PLUGINS=key-auth, {vault://env/more}", "MORE=rate-limiting",
		"KONG_CLUSTER_DP_LABELS=a:1,b:2", "KONG_NGINX_MAIN_X=a#b", "KONG_PG_SSL=on", "KONG_REAL_IP_RECURSIVE=true")})
	if err != nil {
		t.Fatal(err)
	}
	return config, key
}

func TestRedactedHasKongsTypes(t *testing.T) {
	t.Parallel()
	config, _ := loaded(t)
	got := config.Redacted()
	for name, want := range map[string]any{
		"role": "data_plane", "database": "off", "log_level": "notice",
		"pg_ssl": true, "pg_ssl_verify": false, "cluster_fallback_config_import": false, "anonymous_reports": true,
		"real_ip_recursive": "on", "nginx_daemon": "on",
		"db_update_frequency": 5.0, "lua_ssl_verify_depth": 1.0, "cluster_max_payload": 16777216.0,
		"cluster_dp_labels": []string{"a:1", "b:2"}, "headers": []string{"server_tokens", "latency_tokens", "X-Kong-Request-Id"},
		"proxy_listen":  []string{"0.0.0.0:8000 reuseport backlog=16384", "0.0.0.0:8443 http2 ssl reuseport backlog=16384"},
		"lmdb_map_size": "2048m", "nginx_admin_client_max_body_size": "10m", "nginx_main_x": "a#b", "blackout_silence": "45s",
		"pg_password": "******", "cluster_cert": "******", "cluster_cert_key": "******", "proxy_server": "******",
		"declarative_config_string": "******", "license_data": "******", "vault_mine_token": "******", "cluster_fallback_export_s3_config": "******",
		"pg_user": "{vault://env/db-user}", "plugins": []string{"key-auth", "{vault://env/more}"},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s: got %#v, want %#v", name, got[name], want)
		}
	}
	for _, unset := range []string{"pg_ro_host", "pg_ro_ssl", "cluster_ca_cert", "node_id", "pg_backlog", "smtp_password"} {
		if value, has := got[unset]; has {
			t.Errorf("%s is unset and shown as %v", unset, value)
		}
	}
}

func TestADatabaseThatWasNotGivenIsShown(t *testing.T) {
	t.Parallel()
	text := somePEM(t)
	config, err := conf.Load(conf.Source{Environ: []string{"KONG_ROLE=control_plane", "KONG_CLUSTER_CERT=" + text, "KONG_CLUSTER_CERT_KEY=" + text}})
	if err != nil {
		t.Fatal(err)
	}
	if config.Database != conf.SQLite || config.Redacted()["database"] != "sqlite" {
		t.Errorf("got %s, shown as %v", config.Database, config.Redacted()["database"])
	}
}

func TestNothingShowsASecret(t *testing.T) {
	t.Parallel()
	config, key := loaded(t)
	if config.Redacted()["prefix"] != config.Prefix {
		t.Errorf("the prefix is shown as %v", config.Redacted()["prefix"])
	}
	shown, err := json.Marshal(config.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	if err := config.WriteEnvironment(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(config.EnvironmentFile())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"what is shown": string(shown), "the file": string(file)} {
		for _, secret := range []string{"s3cr3t", "PRIVATE KEY", strings.Split(key, "\n")[1]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %q in it", what, secret)
			}
		}
	}
}

func TestEnvironmentFile(t *testing.T) {
	t.Parallel()
	config, _ := loaded(t)
	if err := os.WriteFile(config.EnvironmentFile(), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := config.WriteEnvironment(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(config.EnvironmentFile())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode().Perm())
	}
	if entries, err := os.ReadDir(config.Prefix); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	text, err := os.ReadFile(config.EnvironmentFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`nginx_main_x = a\#b`, "pg_password = ******", "cluster_dp_labels = a:1, b:2", "db_update_frequency = 5", "pg_ssl = on"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// TestEnvironmentFileIsAKongConf reads back what a node without secrets wrote.
func TestEnvironmentFileIsAKongConf(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cluster.pem")
	if err := os.WriteFile(file, []byte(somePEM(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := conf.Load(conf.Source{Environ: []string{"KONG_ROLE=control_plane", "KONG_PREFIX=" + t.TempDir(),
		"KONG_CLUSTER_CERT=" + file, "KONG_CLUSTER_CERT_KEY=" + file, "KONG_NGINX_HTTP_X=a#b"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.WriteEnvironment(); err != nil {
		t.Fatal(err)
	}
	again, err := conf.Load(conf.Source{File: first.EnvironmentFile(), Set: []string{"cluster_cert_key=" + file}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.Redacted(), first.Redacted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
