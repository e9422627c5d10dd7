// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"slices"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

// TestAHybridDeploymentIsTaken gives what charts, images and operators set on the
// nodes of a hybrid deployment.
func TestAHybridDeploymentIsTaken(t *testing.T) {
	t.Parallel()
	text := somePEM(t)
	common := strings.Fields(`
		KONG_PREFIX=/kong_prefix/ KONG_LOG_LEVEL=notice KONG_ANONYMOUS_REPORTS=off KONG_ROUTER_FLAVOR=traditional_compatible KONG_PLUGINS=bundled,prometheus
		KONG_CLUSTER_MTLS=shared KONG_CLUSTER_OCSP=off KONG_CLUSTER_RPC=off KONG_CLUSTER_MAX_PAYLOAD=16777216 KONG_MEM_CACHE_SIZE=256m KONG_VAULTS=bundled
		KONG_LUA_PACKAGE_PATH=/opt/?.lua;; KONG_LUA_SSL_TRUSTED_CERTIFICATE=system KONG_LUA_SSL_VERIFY_DEPTH=3 KONG_NGINX_WORKER_PROCESSES=2 KONG_NGINX_DAEMON=off
		KONG_NGINX_HTTP_LUA_SHARED_DICT=x KONG_NGINX_PROXY_CLIENT_HEADER_BUFFER_SIZE=8k KONG_STREAM_LISTEN=off KONG_PORT_MAPS=80:8000,443:8443 KONG_KIC=off
		KONG_PROXY_ACCESS_LOG=/dev/stdout KONG_PROXY_ERROR_LOG=/dev/stderr KONG_PROXY_STREAM_ACCESS_LOG=/dev/stdout KONG_PROXY_STREAM_ERROR_LOG=/dev/stderr
		KONG_ADMIN_ACCESS_LOG=/dev/stdout KONG_ADMIN_ERROR_LOG=/dev/stderr KONG_STATUS_ACCESS_LOG=off KONG_STATUS_ERROR_LOG=/dev/stderr
		KONG_ADMIN_GUI_ACCESS_LOG=/dev/stdout KONG_ADMIN_GUI_ERROR_LOG=/dev/stderr KONG_ADMIN_GUI_API_URL=http://x KONG_PORTAL_API_ACCESS_LOG=/dev/stdout
		KONG_PORTAL_API_ERROR_LOG=/dev/stderr KONG_VITALS=off KONG_KONNECT_MODE=off KONG_CLUSTER_TELEMETRY_ENDPOINT=cp:8006 KONG_CLUSTER_TELEMETRY_SERVER_NAME=x
		KONG_LICENSE_DATA={} KONG_VERSION=3.9.1 KONG_DB_UPDATE_PROPAGATION=0 KONG_DNS_ORDER=LAST,A KONG_DNS_STALE_TTL=3600 KONG_REAL_IP_HEADER=X-Forwarded-For
		KONG_REAL_IP_RECURSIVE=on KONG_TRUSTED_IPS=0.0.0.0/0,::/0,unix: KONG_TRACING_INSTRUMENTATIONS=off KONG_REQUEST_DEBUG=off KONG_UNTRUSTED_LUA=off
		KONG_PROXY_SERVICE_HOST=10.0.0.1 KONG_PROXY_PORT=tcp://10.0.0.1:80 KONG_PROXY_PORT_80_TCP_ADDR=10.0.0.1 KONG_ADMIN_SERVICE_PORT_KONG_ADMIN=8001`)
	certificate := []string{"KONG_CLUSTER_CERT=" + text, "KONG_CLUSTER_CERT_KEY=" + text}
	for name, role := range map[string][]string{
		"control plane": strings.Fields(`KONG_ROLE=control_plane KONG_DATABASE=postgres KONG_PG_HOST=db KONG_PG_PORT=5432 KONG_PG_USER=kong KONG_PG_PASSWORD=x
			KONG_PG_DATABASE=kong KONG_PG_SCHEMA=public KONG_PG_SSL=on KONG_PG_SSL_VERIFY=on KONG_PG_TIMEOUT=5000 KONG_PG_MAX_CONCURRENT_QUERIES=10
			KONG_PG_KEEPALIVE_TIMEOUT=60000 KONG_PG_RO_HOST=ro KONG_ADMIN_LISTEN=0.0.0.0:8001 KONG_CLUSTER_LISTEN=0.0.0.0:8005
			KONG_CLUSTER_TELEMETRY_LISTEN=0.0.0.0:8006 KONG_PROXY_LISTEN=off KONG_STATUS_LISTEN=0.0.0.0:8100 KONG_ENFORCE_RBAC=off KONG_PASSWORD=x
			KONG_ADMIN_GUI_LISTEN=off KONG_SMTP_MOCK=on KONG_PORTAL=off KONG_AUDIT_LOG=on KONG_CLUSTER_DATA_PLANE_PURGE_DELAY=3600
			KONG_NGINX_ADMIN_CLIENT_MAX_BODY_SIZE=0`),
		"data plane": strings.Fields(`KONG_ROLE=data_plane KONG_DATABASE=off KONG_CLUSTER_CONTROL_PLANE=cp:8005 KONG_CLUSTER_SERVER_NAME=cp
			KONG_PROXY_LISTEN=0.0.0.0:8000 KONG_STATUS_LISTEN=0.0.0.0:8100 KONG_ADMIN_LISTEN=off KONG_CLUSTER_DP_LABELS=region:eu-1,tier:gold
			KONG_LMDB_MAP_SIZE=2048m KONG_DEDICATED_CONFIG_PROCESSING=on KONG_UPSTREAM_KEEPALIVE_POOL_SIZE=512 KONG_HEADERS=off
			KONG_CLUSTER_FALLBACK_CONFIG_IMPORT=on KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://b/p KONG_CLUSTER_USE_PROXY=on KONG_PROXY_SERVER=http://proxy:3128`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := conf.Load(conf.Source{Environ: slices.Concat(certificate, common, role)})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"cluster_ocsp", "license_data", "nginx_http_lua_shared_dict", "mem_cache_size", "version"} {
				if !slices.Contains(config.Ignored, want) {
					t.Errorf("nobody is told that %s has no effect", want)
				}
			}
			for _, unwanted := range []string{"role", "anonymous_reports", "nginx_admin_client_max_body_size", "proxy_port", "proxy_service_host"} {
				if slices.Contains(config.Ignored, unwanted) {
					t.Errorf("%s is said to have no effect", unwanted)
				}
			}
			if !slices.IsSorted(config.Ignored) || len(slices.Compact(slices.Clone(config.Ignored))) != len(config.Ignored) {
				t.Errorf("not sorted, or twice: %v", config.Ignored)
			}
		})
	}
}

func TestPKI(t *testing.T) {
	t.Parallel()
	ca := "KONG_CLUSTER_CA_CERT=" + somePEM(t)
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"host of the control plane": {dataPlane(t, "KONG_CLUSTER_MTLS=pki", ca, "KONG_CLUSTER_CONTROL_PLANE=cp.example:8005"), "cp.example"},
		"its name":                  {dataPlane(t, "KONG_CLUSTER_MTLS=pki", ca, "KONG_CLUSTER_SERVER_NAME=cp"), "cp"},
		"without an authority":      {dataPlane(t, "KONG_CLUSTER_MTLS=pki", "KONG_CLUSTER_SERVER_NAME=cp"), "cp"},
		"shared":                    {dataPlane(t), ""},
	} {
		config, err := conf.Load(conf.Source{Environ: c.environ})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if config.Cluster.ServerName != c.want {
			t.Errorf("%s: got %q, want %q", name, config.Cluster.ServerName, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"a:b": true, "a.b_c-d:e.f": true, "a:1,a:2": true, strings.Repeat("a", 63) + ":b": true,
		"a:": false, ":b": false, "-a:b": false, "a:b-": false, "a:b:c": false, "a b:c": false, strings.Repeat("a", 64) + ":b": false,
		"konnect:x": false, "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1": true, "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1": false,
	} {
		if _, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_CLUSTER_DP_LABELS="+value)}); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestCertificatesOfListeners(t *testing.T) {
	t.Parallel()
	one, two := strings.TrimSpace(somePEM(t)), strings.TrimSpace(somePEM(t))
	config, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_SSL_CERT="+one+", "+two, "KONG_SSL_CERT_KEY="+two+","+one,
		"KONG_LUA_SSL_TRUSTED_CERTIFICATE="+one+","+two)})
	if err != nil {
		t.Fatal(err)
	}
	if len(config.ProxyTLS) != 2 || string(config.ProxyTLS[0].Certificate) != one || string(config.ProxyTLS[1].Key) != one {
		t.Errorf("got %q", config.ProxyTLS)
	}
	if config.Trust.System || string(config.Trust.PEM) != one+"\n"+two+"\n" {
		t.Errorf("got %q", config.Trust.PEM)
	}
}

// TestWhoReadsADeclarativeConfiguration: a control plane says that it ignores it.
func TestWhoReadsADeclarativeConfiguration(t *testing.T) {
	t.Parallel()
	text := somePEM(t)
	for role, ignored := range map[string]bool{"control_plane": true, "data_plane": false} {
		environ := []string{"KONG_ROLE=" + role, "KONG_CLUSTER_CERT=" + text, "KONG_CLUSTER_CERT_KEY=" + text,
			"KONG_DECLARATIVE_CONFIG=/x", "KONG_DECLARATIVE_CONFIG_STRING=s3cr3t"}
		if role == "data_plane" {
			environ = append(environ, "KONG_DATABASE=off", "KONG_BLACKOUT_DECLARATIVE_CONFIG_ORDER=file-first")
		}
		config, err := conf.Load(conf.Source{Environ: environ})
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		for _, name := range []string{"declarative_config", "declarative_config_string"} {
			if slices.Contains(config.Ignored, name) != ignored {
				t.Errorf("%s says to ignore %v", role, config.Ignored)
			}
		}
		if !slices.IsSorted(config.Ignored) {
			t.Errorf("not sorted: %v", config.Ignored)
		}
		if !ignored && (config.DeclarativeConfig != "/x" || config.DeclarativeOrder != conf.FileFirst) {
			t.Errorf("got %q, %s", config.DeclarativeConfig, config.DeclarativeOrder)
		}
	}
}
