// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"blackout/internal/gateway/entity"
)

// responseTransformer changes what the client gets (Kong 3.9
// response-transformer, priority 800).
type responseTransformer struct {
	headers headerChanges
	json    jsonChanges
}

type headerChanges struct {
	remove                       []string
	rename, replace, add, append []pair
}

type jsonChanges struct {
	remove               []string
	rename               []pair
	replace, add, append []typedPair
}

// typedPair is a name and a value of a JSON type.
type typedPair struct {
	name  string
	value any
}

func (c *jsonChanges) empty() bool {
	return len(c.remove)+len(c.rename)+len(c.replace)+len(c.add)+len(c.append) == 0
}

func newResponseTransformer(config entity.Record, _ *builder) (Plugin, error) {
	t := &responseTransformer{}
	t.headers.remove = section(config, "remove").Texts("headers")
	t.json.remove = section(config, "remove").Texts("json")
	var err error
	for name, into := range map[string]*[]pair{
		"rename": &t.headers.rename, "replace": &t.headers.replace, "add": &t.headers.add, "append": &t.headers.append,
	} {
		if *into, err = pairs(section(config, name), "headers"); err != nil {
			return nil, fmt.Errorf("config.%s.%w", name, err)
		}
	}
	if t.json.rename, err = pairs(section(config, "rename"), "json"); err != nil {
		return nil, fmt.Errorf("config.rename.%w", err)
	}
	for name, into := range map[string]*[]typedPair{"replace": &t.json.replace, "add": &t.json.add, "append": &t.json.append} {
		if *into, err = typedPairs(section(config, name)); err != nil {
			return nil, fmt.Errorf("config.%s.%w", name, err)
		}
	}
	return t, nil
}

// typedPairs reads "json" with the types that "json_types" gives, in order.
func typedPairs(config entity.Record) ([]typedPair, error) {
	list, err := pairs(config, "json")
	if err != nil {
		return nil, err
	}
	types := config.Texts("json_types")
	var read []typedPair
	for i, one := range list {
		kind := "string"
		if i < len(types) {
			kind = types[i]
		}
		read = append(read, typedPair{one.name, typed(one.value, kind)})
	}
	return read, nil
}

// Access lets every request go on; the plugin works on responses.
func (t *responseTransformer) Access(*Exchange) *Answer { return nil }

// Respond changes a response.
func (t *responseTransformer) Respond(x *Exchange, response *Response) error {
	t.headers.apply(response.Header)
	contentType, _ := getHeader(response.Header, "Content-Type")
	if t.json.empty() || !isJSON(contentType) {
		return nil
	}
	// The new length is known only when the body was seen.
	delHeader(response.Header, "Content-Length")
	if response.Body == nil || x.Request.Method == http.MethodHead {
		return nil
	}
	return t.json.apply(response)
}

func isJSON(contentType string) bool {
	contentType = strings.ToLower(contentType)
	return strings.Contains(contentType, "application/json") || strings.Contains(contentType, "+json")
}

// apply changes the body if it is a JSON object.
func (c *jsonChanges) apply(response *Response) error {
	text, err := readBody(response.Body)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("close body: %w", err)
	}
	if body, ok := parseObject(text); ok {
		c.change(body)
		text = marshal(map[string]any(body))
	}
	response.Body, response.Length = io.NopCloser(bytes.NewReader(text)), -1
	return nil
}

func (c *jsonChanges) change(body object) {
	for _, name := range c.remove {
		body.remove(name)
	}
	for _, one := range c.rename {
		body.rename(one.name, one.value)
	}
	for _, one := range c.replace {
		body.replaceAny(one.name, one.value)
	}
	for _, one := range c.add {
		body.addAny(one.name, one.value)
	}
	for _, one := range c.append {
		body.appendAny(one.name, one.value)
	}
}

// apply changes the headers. What is added twice under one name that was not
// there has the last value (observed on Kong 3.9.1).
func (c *headerChanges) apply(header http.Header) {
	for _, entry := range c.remove {
		name, value, some := strings.Cut(entry, ":")
		if !some {
			delHeader(header, name)
		} else {
			removeValue(header, name, value)
		}
	}
	for _, one := range c.rename {
		if key := headerKey(header, one.name); key != "" && !strings.EqualFold(one.name, one.value) {
			values := header[key]
			delete(header, key)
			delHeader(header, one.value)
			header[one.value] = values
		}
	}
	for _, one := range c.replace {
		if headerKey(header, one.name) != "" {
			setHeader(header, one.name, one.value)
		}
	}
	added := map[string]bool{}
	for _, one := range c.add {
		name := strings.ToLower(one.name)
		if added[name] || headerKey(header, one.name) == "" {
			added[name] = true
			setHeader(header, one.name, one.value)
		}
	}
	for _, one := range c.append {
		key := headerKey(header, one.name)
		if key == "" {
			key = one.name
		}
		header[key] = append(header[key], one.value)
	}
}

// removeValue takes one value off a header.
func removeValue(header http.Header, name, value string) {
	key := headerKey(header, name)
	var rest []string
	for _, have := range header[key] {
		if have != value {
			rest = append(rest, have)
		}
	}
	if len(rest) == 0 {
		delete(header, key)
		return
	}
	header[key] = rest
}
