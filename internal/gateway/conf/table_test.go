// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range table() {
		if seen[p.name] {
			t.Errorf("%s is there twice", p.name)
		}
		seen[p.name] = true
		if !namePattern.MatchString(p.name) {
			t.Errorf("%s is no name", p.name)
		}
		if !strings.HasSuffix(p.about, ".") || strings.ContainsAny(p.about, "|\n") {
			t.Errorf("%s: what it is about is no sentence for the page: %q", p.name, p.about)
		}
		if (p.kind == enum) != (len(p.enum) > 0) {
			t.Errorf("%s: only an enumeration has values, and it has some", p.name)
		}
		if p.inert && p.set == nil {
			t.Errorf("%s is inert and not even checked", p.name)
		}
		if err := p.check(p.value); err != nil {
			t.Errorf("its own default: %v", err)
		}
	}
}

// TestSecretsAreMarked looks for what sounds like one.
func TestSecretsAreMarked(t *testing.T) {
	t.Parallel()
	harmless := []string{"audit_log_signing_key", "keyring_public_key", "keyring_recovery_public_key", "admin_gui_auth_password_complexity",
		"keyring_vault_kube_api_token_file", "vault_hcv_kube_api_token_file", "vault_hcv_approle_secret_id_file", "portal_token_exp",
		"admin_gui_auth_change_password_attempts", "portal_auth_password_complexity", "admin_gui_auth_change_password_ttl"}
	for _, p := range table() {
		sounds := strings.HasSuffix(p.name, "_key") || strings.Contains(p.name, "password") || strings.Contains(p.name, "secret") || strings.Contains(p.name, "token")
		if sounds && !p.secret && !slices.Contains(harmless, p.name) {
			t.Errorf("%s sounds like a secret and is shown", p.name)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestServiceLinks(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"proxy_service_host": "10.0.0.1", "proxy_service_port": "80", "proxy_service_port_kong_proxy_tls": "443", "proxy_port": "tcp://10.0.0.1:80",
		"proxy_port_80_tcp": "tcp://10.0.0.1:80", "proxy_port_80_tcp_addr": "10.0.0.1", "proxy_port_53_udp_proto": "udp", "port": "tcp://10.0.0.1:80",
		"service_host": "10.0.0.1", "port_80_tcp_port": "80",
	} {
		if !isServiceLink(name, value) {
			t.Errorf("%s = %s is one", name, value)
		}
	}
	for name, value := range map[string]string{"proxy_port": "80", "proxy_listen": "tcp://x", "myservice_host": "x", "port_tcp": "x"} {
		if isServiceLink(name, value) {
			t.Errorf("%s = %s is none", name, value)
		}
	}
}
