// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

// FuzzConf gives any file and any variables, with a secret planted in each place
// that may hold one. Whatever comes of it is short, says where it is wrong, and
// does not show the secret.
func FuzzConf(f *testing.F) {
	const secret = "Zq7secretZq7"
	f.Add("role = data_plane # x\nproxy_listen = 0.0.0.0:8000 reuseport\n", "KONG_DATABASE=off\nKONG_CLUSTER_DP_LABELS=a:b")
	f.Add("\\#=\\#\n=\n", "KONG_=\nKONG_X")
	f.Add("pg_user = {vault://env/kong-pg-password}\nlog_level = {vault://env/json/a}", "JSON={\"a\":\""+secret+"\"}")
	f.Add("trusted_ips = ::/0, unix:, 1\nheaders = via\\\n, server_tokens", "KONG_PROXY_PORT=tcp://1\nKONG_VAULT_ENV_PREFIX=A-")
	f.Add("nginx_http_x = 1\nblackout_silence = 9e9h\ndb_update_frequency = 1e400", "KONG_NGINX_ADMIN_CLIENT_MAX_BODY_SIZE=999999999g")
	f.Fuzz(func(t *testing.T, content, variables string) {
		if strings.Contains(content+variables, "/") && namesAFile(content+variables) {
			t.Skip("the outcome would depend on this machine's files") // a path is read, also one that the fuzzer made up
		}
		file := filepath.Join(t.TempDir(), "kong.conf")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		environ := append(strings.Split(variables, "\n"), "KONG_PG_PASSWORD="+secret, "KONG_CLUSTER_CERT_KEY="+secret, "KONG_PROXY_SERVER="+secret,
			"KONG_DECLARATIVE_CONFIG_STRING="+secret, "KONG_SSL_CERT_KEY="+secret, "KONG_VAULT_MINE_TOKEN="+secret)
		for range 2 {
			config, err := conf.Load(conf.Source{File: file, Environ: environ})
			if err != nil {
				checkError(t, err.Error(), secret)
			} else if shown, failed := json.Marshal(config.Redacted()); failed != nil || strings.Contains(string(shown), secret) {
				t.Errorf("shown: %s, %v", shown, failed)
			}
			// The second time without the keys that cannot be right.
			environ = append(environ, "KONG_CLUSTER_CERT_KEY="+fuzzPEM, "KONG_CLUSTER_CERT="+fuzzPEM, "KONG_SSL_CERT=", "KONG_SSL_CERT_KEY=")
		}
	})
}

// fuzzPEM is PEM; what is inside is of no concern here.
const fuzzPEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

// namesAFile reports whether the text may make the node read a file.
func namesAFile(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "cert")
}

func checkError(t *testing.T, text, secret string) {
	t.Helper()
	names := append(conf.Names(), " line ", "--set", "cluster certificate and key", "unknown parameter ", "nginx_", "pluginserver_", "vault_")
	switch {
	case strings.Contains(text, secret):
		t.Errorf("the error shows a secret: %q", text)
	case strings.ContainsAny(text, "\r\n"):
		t.Errorf("the error is not one line: %q", text)
	case len(text) > 1000:
		t.Errorf("the error is %d bytes long", len(text))
	case !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) }):
		t.Errorf("the error does not say where: %q", text)
	}
}
