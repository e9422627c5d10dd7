// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"
)

// tables are what a template can look into. A header is asked for as Kong
// does: in any case, with "_" for "-".
var tables = map[string]func(x *Exchange, key string) (string, bool){
	"headers": func(x *Exchange, key string) (string, bool) {
		if isHost(key) {
			return x.Request.Host, true
		}
		if value, ok := getHeader(x.Header(), key); ok {
			return value, true
		}
		return getHeader(x.Header(), strings.ReplaceAll(key, "_", "-"))
	},
	"query_params": func(x *Exchange, key string) (string, bool) {
		for _, one := range parseArguments(x.Upstream.Query) {
			if one.name != key {
				continue
			}
			if one.bare {
				return "true", true // Lua's true
			}
			return one.value, true
		}
		return "", false
	},
	"uri_captures": func(x *Exchange, key string) (string, bool) {
		if x.Capture == nil {
			return "", false
		}
		return x.Capture(key)
	},
	"authenticated_consumer": func(x *Exchange, key string) (string, bool) {
		if x.Consumer == nil {
			return "", false
		}
		value := map[string]string{"id": x.Consumer.ID, "username": x.Consumer.Username, "custom_id": x.Consumer.CustomID}[key]
		return value, value != ""
	},
}

// variable reads a table and its key.
func (p *parser) variable() (expression, error) {
	at := p.rest
	name := p.name()
	table, known := tables[name]
	if !known {
		return nil, fmt.Errorf("'%s' is not known at '%s'", name, at)
	}
	key := ""
	switch {
	case p.take("."):
		key = p.name()
	case p.take("["):
		p.space()
		var err error
		if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'') {
			key, err = p.quoted()
		} else {
			key = p.number()
		}
		if err != nil {
			return nil, err
		}
		if !p.take("]") {
			return nil, fmt.Errorf("expected ] at '%s'", p.rest)
		}
	case name == "authenticated_consumer":
		return func(x *Exchange) any {
			if x.Consumer == nil {
				return nil
			}
			return true
		}, nil
	}
	if key == "" {
		return nil, fmt.Errorf("expected what of '%s' at '%s'", name, p.rest)
	}
	return func(x *Exchange) any {
		if value, ok := table(x, key); ok {
			return value
		}
		return nil
	}, nil
}

func (p *parser) name() string {
	p.space()
	end := 0
	for end < len(p.rest) && isWord(p.rest[end]) {
		end++
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}
