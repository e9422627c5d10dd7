// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entitytest

import (
	"fmt"
	"maps"

	"blackout/internal/gateway/entity"
)

// plugins makes some plugins for a route or a service.
func (m *maker) plugins(where entity.Record) {
	for range m.source(3) {
		switch m.source(7) {
		case 0, 1:
			m.plugin("key-auth", where, entity.Record{"key_names": []any{"apikey"}, "hide_credentials": m.source.once(2)})
		case 2:
			m.plugin("ip-restriction", where, entity.Record{"deny": []any{"0.0.0.0/0", "::/0"}, "message": m.word()})
		case 3:
			m.plugin("ip-restriction", where, entity.Record{"allow": []any{"0.0.0.0/0", "::/0"}})
		case 4:
			m.plugin("request-termination", where, entity.Record{"status_code": 410.0, "message": m.word()})
		case 5:
			m.plugin("response-transformer", where, entity.Record{"add": map[string]any{"headers": []any{"X-Made:" + m.number()}}})
		default:
			m.plugin("rate-limiting", where, entity.Record{"minute": 1_000_000.0, "policy": "local", "limit_by": "ip"})
		}
	}
	if m.options.Bundled {
		m.bundled(where)
	}
}

// globals makes plugins for everything.
func (m *maker) globals() {
	if !m.source.once(4) {
		return
	}
	m.plugin("key-auth", entity.Record{}, entity.Record{})
	if m.source.once(2) {
		m.plugin("rate-limiting", entity.Record{}, entity.Record{"hour": 1_000_000.0})
	}
	if m.options.Bundled {
		m.plugin("prometheus", entity.Record{}, entity.Record{"per_consumer": true})
	}
}

// bundled makes a plugin that only data planes of Kong run.
func (m *maker) bundled(where entity.Record) {
	switch m.source(4) {
	case 0:
		m.plugin("cors", where, entity.Record{"origins": []any{"*"}, "credentials": true})
	case 1:
		m.plugin("acl", where, entity.Record{"allow": []any{m.word()}})
	case 2:
		m.plugin("jwt", where, entity.Record{})
	default:
		m.plugin("basic-auth", where, entity.Record{"hide_credentials": true})
	}
}

// plugin makes one, unless there is one of that name for the same. Some are off.
func (m *maker) plugin(name string, where, config entity.Record) {
	key := name + fmt.Sprint(where["route"], where["service"], where["consumer"])
	if m.bound[key] {
		return
	}
	m.bound[key] = true
	input := entity.Record{"name": name, "config": map[string]any(config), "enabled": !m.source.once(6), "tags": m.tags()}
	if m.source.once(4) {
		input["instance_name"] = "instance-" + m.number()
	}
	maps.Copy(input, where)
	m.add(entity.Plugins, input)
}
