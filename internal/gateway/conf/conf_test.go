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
	text := somePEM(t)
	return append([]string{"PATH=/bin", "KONG_ROLE=data_plane", "KONG_DATABASE=off",
		"KONG_CLUSTER_CERT=" + text, "KONG_CLUSTER_CERT_KEY=" + text}, more...)
}

func controlPlane(t *testing.T, more ...string) []string {
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
		ProxyListen: []string{"0.0.0.0:8000"}, AdminListen: []string{"127.0.0.1:8001"}, StatusListen: []string{"127.0.0.1:8007"},
		Cluster: conf.Cluster{Listen: []string{"0.0.0.0:8005"}, ControlPlane: "127.0.0.1:8005", MaxPayload: 16777216,
			PurgeDelay: 14 * 24 * time.Hour, Labels: map[string]string{}},
		DBUpdateFrequency: 5 * time.Second, SQLitePath: "/usr/local/kong/blackout.db",
		Version: "3.9.1", BucketVersion: "3.9.1",
		Fallback: conf.Fallback{ExportDelay: time.Minute, ReadAttempts: 1, ReadTimeout: 30 * time.Second},
		Timing: conf.Timing{ReconnectMin: 5 * time.Second, ReconnectMax: 10 * time.Second, PingInterval: 30 * time.Second,
			Silence: 45 * time.Second, DialTimeout: 5 * time.Second, NoConfigurationWait: 10 * time.Second},
	}
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
		"pg_host = db\nplugins = bundled\n"
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
		{"off", config.StatusListen, []string(nil)},
		{"list", config.ProxyListen, []string{"127.0.0.1:1", "[::1]:2"}},
		{"labels", config.Cluster.Labels, map[string]string{"a": "1", "b": "2"}},
		{"flag", config.Fallback.Import, true},
		{"follows the version", config.BucketVersion, "3.9.2"},
		{"duration", config.Timing.Silence, 1500 * time.Millisecond},
		{"ignored", config.Ignored, []string{"nginx_worker_processes", "pg_host", "plugins"}},
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
		if string(config.Cluster.Certificate) != text {
			t.Errorf("%s: got another certificate", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const hint = `only in-memory storage can be used when role = "data_plane" (Hint: set database = off in your kong.conf)`
	cases := map[string]struct {
		environ []string
		want    string
	}{
		"no certificate":     {dataPlane(t, "KONG_CLUSTER_CERT="), "cluster certificate and key must be provided to use Hybrid mode"},
		"no admin":           {controlPlane(t, "KONG_ADMIN_LISTEN=off"), `admin_listen must be specified when role = "control_plane"`},
		"no cluster":         {controlPlane(t, "KONG_CLUSTER_LISTEN=off"), `cluster_listen must be specified when role = "control_plane"`},
		"control plane off":  {controlPlane(t, "KONG_DATABASE=off"), `in-memory storage can not be used when role = "control_plane"`},
		"postgres":           {controlPlane(t, "KONG_DATABASE=postgres"), "set database = sqlite"},
		"no proxy":           {dataPlane(t, "KONG_PROXY_LISTEN=off"), `proxy_listen must be specified when role = "data_plane"`},
		"data plane with db": {dataPlane(t, "KONG_DATABASE=postgres"), hint},
		"purge delay":        {dataPlane(t, "KONG_CLUSTER_DATA_PLANE_PURGE_DELAY=59"), "cluster_data_plane_purge_delay must be 60 or greater"},
		"payload":            {dataPlane(t, "KONG_CLUSTER_MAX_PAYLOAD=4194303"), "cluster_max_payload must be 4194304 (4MB) or greater"},
		"pki":                {dataPlane(t, "KONG_CLUSTER_MTLS=pki"), "set cluster_mtls = shared"},
		"role":               {dataPlane(t, "KONG_ROLE=traditional"), "set control_plane or data_plane"},
		"tls listener":       {dataPlane(t, "KONG_PROXY_LISTEN=0.0.0.0:8443 ssl"), "ssl is not supported yet"},
		"port":               {dataPlane(t, "KONG_PROXY_LISTEN=0.0.0.0:x"), "has no valid port"},
		"unknown":            {dataPlane(t, "KONG_PROXY_LISTENN=x"), "unknown parameter proxy_listenn"},
		"unknown of ours":    {dataPlane(t, "KONG_BLACKOUT_PINGS=1"), "unknown parameter blackout_pings"},
		"duration":           {dataPlane(t, "KONG_BLACKOUT_SILENCE=5"), `blackout_silence: "5" is no positive duration`},
		"seconds":            {dataPlane(t, "KONG_DB_UPDATE_FREQUENCY=NaN"), "no number of seconds"},
		"reconnect":          {dataPlane(t, "KONG_BLACKOUT_RECONNECT_MIN=11s"), "must not be greater"},
		"node id":            {dataPlane(t, "KONG_NODE_ID=x"), "must be a valid UUID"},
		"labels":             {dataPlane(t, "KONG_CLUSTER_DP_LABELS=x"), "must be key:value"},
		"version":            {dataPlane(t, "KONG_BLACKOUT_VERSION=3.x"), "no version like 3.9.1"},
		"vault":              {dataPlane(t, "KONG_CLUSTER_CERT_KEY={vault://env/key}"), "vault references are not supported"},
		"missing file":       {dataPlane(t, "KONG_CLUSTER_CERT=/nowhere/cluster.crt"), "read /nowhere/cluster.crt: no such file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := conf.Load(conf.Source{Environ: c.environ})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
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

func FuzzFile(f *testing.F) {
	f.Add("role = data_plane # x\nproxy_listen = 0.0.0.0:8000 reuseport\n")
	f.Add("\\#=\\#\n=\n")
	f.Fuzz(func(t *testing.T, content string) {
		file := filepath.Join(t.TempDir(), "kong.conf")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := conf.Load(conf.Source{File: file})
		if err == nil && config.Role != conf.ControlPlane && config.Role != conf.DataPlane {
			t.Fatalf("accepted a node without a role: %+v", config)
		}
	})
}
