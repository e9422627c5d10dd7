// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"net/http"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

// TestRunsNoPluginThatItMayNot: a configuration with a plugin that the node was told
// not to run is refused whole, and one whose plugins it may run is served.
func TestRunsNoPluginThatItMayNot(t *testing.T) {
	t.Parallel()
	with := string(withSections(table(echo(t), "/gen/7"),
		`"plugins":[{"id":"0000000e-0000-4000-8000-00000000000e","name":"response-transformer","config":{}}]`))
	for name, test := range map[string]struct {
		enabled []string
		served  bool
	}{
		"told nothing":  {nil, true},
		"told to":       {[]string{"key-auth", "response-transformer"}, true},
		"told not to":   {[]string{"key-auth"}, false},
		"told to do no": {[]string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.store.body = []byte(with)
			dp := c.start(conf.DataPlane, t.TempDir(), func(config *conf.Config) {
				importing(config)
				config.Plugins = test.enabled
			})
			if test.served {
				dp.awaitBody("/x", "/gen/7/x")
				return
			}
			const reason = "plugins.1: plugin 'response-transformer': not enabled; add it to the 'plugins' configuration property"
			eventually(t, "it is refused", func() bool {
				told, _ := dp.status()["fallback"].(map[string]any)
				failure, _ := told["import_error"].(string)
				return strings.Contains(failure, reason)
			})
			if code, _ := dp.get("proxy", "/x"); code != http.StatusNotFound || dp.isReady() {
				t.Errorf("it answers %d, ready is %v", code, dp.isReady())
			}
		})
	}
}
