// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package roundtrip_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

// TestPairingPage starts what docs/pairing.md says of a backup node.
func TestPairingPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "pairing.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	usual := variablesIn(t, page, "## The data plane's side", 0)
	exporting := variablesIn(t, page, "## A backup node beside your Kong", 0)
	importing := variablesIn(t, page, "## A backup node beside your Kong", 1)

	config, err := conf.Load(conf.Source{Environ: append(append(usual, exporting...), "KONG_CLUSTER_CERT="+base64PEM, "KONG_CLUSTER_CERT_KEY="+base64PEM)})
	if err != nil {
		t.Fatal(err)
	}
	if !config.KeepsOnly() || !config.Fallback.Export || config.ProxyListen[0].Address != "127.0.0.1:8000" || len(config.Ignored) > 0 {
		t.Errorf("the page's backup node is %+v", config)
	}
	// The ports are the host's; what else it says is what is started.
	c := newCluster(t)
	prefix := t.TempDir()
	_, end := c.start(conf.DataPlane, prefix, append(append(usual, exporting...), "KONG_PREFIX="+prefix, "KONG_CLUSTER_CONTROL_PLANE="+c.address,
		"KONG_PROXY_LISTEN=127.0.0.1:0", "KONG_STATUS_LISTEN=127.0.0.1:0")...)
	end()
	_, end = c.start(conf.DataPlane, prefix, append(append(usual, importing...), "KONG_PREFIX="+prefix, "KONG_CLUSTER_CONTROL_PLANE="+c.address,
		"KONG_PROXY_LISTEN=127.0.0.1:0", "KONG_STATUS_LISTEN=127.0.0.1:0")...)
	end()
}

// base64PEM is PEM text of nothing, in base64: what is in it is not looked at.
const base64PEM = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

var assignment = regexp.MustCompile(`(?m)^(KONG_[A-Z0-9_]+)=(\S*)`)

// variablesIn are the node's variables in the nth block of commands under a heading.
func variablesIn(t *testing.T, page, heading string, nth int) []string {
	t.Helper()
	_, section, found := strings.Cut(page, heading)
	if !found {
		t.Fatalf("the page has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "```")
	if len(blocks) < 2*nth+2 {
		t.Fatalf("%q has no block %d", heading, nth)
	}
	var variables []string
	for _, found := range assignment.FindAllStringSubmatch(blocks[2*nth+1], -1) {
		variables = append(variables, found[1]+"="+found[2])
	}
	if len(variables) == 0 {
		t.Fatalf("block %d of %q sets nothing", nth, heading)
	}
	return variables
}
