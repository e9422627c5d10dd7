// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"reflect"
	"testing"

	"blackout/internal/gateway/entity"
)

// TestKeptPlugins: what a plugin's table fills in is what it takes, and it needs
// what it says it needs.
func TestKeptPlugins(t *testing.T) {
	t.Parallel()
	needs := map[string]map[string]any{
		"acl": {"allow": []any{"g"}}, "file-log": {"path": "/x"}, "http-log": {"http_endpoint": "http://h"}, "loggly": {"key": "k"},
		"ldap-auth": {"ldap_host": "h", "base_dn": "d", "attribute": "cn"}, "opentelemetry": {"traces_endpoint": "http://h"},
		"pre-function": {"access": []any{"return"}}, "post-function": {"log": []any{"return"}}, "proxy-cache": {"strategy": "memory"},
		"redirect": {"location": "http://h"}, "response-ratelimiting": {"limits": map[string]any{"v": map[string]any{"minute": 1.0}}},
		"standard-webhooks": {"secret_v1": "s"}, "tcp-log": {"host": "h", "port": 1.0}, "udp-log": {"host": "h", "port": 1.0},
	}
	seen := map[string]bool{}
	for _, plugin := range append(entity.AllPlugins(), entity.KeptPlugins()...) {
		if seen[plugin.Name] {
			t.Errorf("%s is there twice", plugin.Name)
		}
		seen[plugin.Name] = true
	}
	for _, plugin := range entity.KeptPlugins() {
		config, needy := needs[plugin.Name]
		delete(needs, plugin.Name)
		if config == nil {
			config = map[string]any{}
		}
		record, err := plugin.Schema.Complete(entity.Record{"name": plugin.Name, "config": config})
		if err != nil {
			t.Errorf("%s: %v", plugin.Name, err)
			continue
		}
		again, err := plugin.Schema.Complete(record)
		if err != nil || !reflect.DeepEqual(again, record) {
			t.Errorf("%s, completed again: %v, %v; was %v", plugin.Name, again, err, record)
		}
		if _, err := plugin.Schema.Complete(entity.Record{"name": plugin.Name}); (err != nil) != needy {
			t.Errorf("%s without a configuration: %v", plugin.Name, err)
		}
		if _, err := plugin.Schema.Complete(entity.Record{"name": plugin.Name, "config": map[string]any{"nope": 1.0}}); err == nil {
			t.Errorf("%s takes an unknown field", plugin.Name)
		}
		if entity.KnownPlugin(plugin.Name) != plugin || entity.PluginSchema(plugin.Name) != nil {
			t.Errorf("%s is not told apart from plugins that run here", plugin.Name)
		}
	}
	for name := range needs {
		t.Errorf("there is no %s", name)
	}
}
