// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"net/http"
	"strings"

	"blackout/internal/gateway/entity"
)

// requestTransformer changes what the service gets (Kong 3.9
// request-transformer, priority 801). Of bodies, forms and JSON objects are
// changed; others, multipart among them, go through as they are.
type requestTransformer struct {
	method                 string
	uri                    *template
	headers, query, fields changes
}

// changes are what is done in one place, in this order: remove, rename,
// replace, add, append.
type changes struct {
	remove               []string
	rename               []pair
	replace, add, append []replacement
}

// replacement is a name and its new value.
type replacement struct {
	name  string
	value *template
}

func (c *changes) empty() bool {
	return len(c.remove)+len(c.rename)+len(c.replace)+len(c.add)+len(c.append) == 0
}

func newRequestTransformer(config entity.Record, _ *builder) (Plugin, error) {
	t := &requestTransformer{method: config.Text("http_method")}
	var err error
	if uri := section(config, "replace").Text("uri"); uri != "" {
		if t.uri, err = parseTemplate(uri); err != nil {
			return nil, fmt.Errorf("config.replace.uri: %w", err)
		}
	}
	for field, into := range map[string]*changes{"headers": &t.headers, "querystring": &t.query, "body": &t.fields} {
		if *into, err = readChanges(config, field); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func readChanges(config entity.Record, field string) (changes, error) {
	c := changes{remove: section(config, "remove").Texts(field)}
	var err error
	if c.rename, err = pairs(section(config, "rename"), field); err != nil {
		return c, fmt.Errorf("config.rename.%w", err)
	}
	for name, into := range map[string]*[]replacement{"replace": &c.replace, "add": &c.add, "append": &c.append} {
		list, err := pairs(section(config, name), field)
		if err != nil {
			return c, fmt.Errorf("config.%s.%w", name, err)
		}
		for _, one := range list {
			value, err := parseTemplate(one.value)
			if err != nil {
				return c, fmt.Errorf("config.%s.%s: '%s': %w", name, field, one.name, err)
			}
			*into = append(*into, replacement{one.name, value})
		}
	}
	return c, nil
}

// apply makes the changes. Values are worked out before any is made, so that
// they speak of the request as it came.
func (c *changes) apply(x *Exchange, to fieldEditor) {
	work := func(list []replacement) []pair {
		values := make([]pair, 0, len(list))
		for _, one := range list {
			values = append(values, pair{one.name, one.value.evaluate(x)})
		}
		return values
	}
	replace, add, appended := work(c.replace), work(c.add), work(c.append)
	for _, name := range c.remove {
		to.remove(name)
	}
	for _, one := range c.rename {
		to.rename(one.name, one.value)
	}
	for _, one := range replace {
		to.replace(one.name, one.value)
	}
	for _, one := range add {
		to.add(one.name, one.value)
	}
	for _, one := range appended {
		to.append(one.name, one.value)
	}
}

// Access changes the request. Headers come last, because templates of the
// others may speak of them.
func (t *requestTransformer) Access(x *Exchange) *Answer {
	if t.uri != nil {
		x.Upstream.Path = t.uri.evaluate(x)
	}
	if !t.fields.empty() {
		body, err := readFields(x)
		if err != nil {
			return &Answer{Status: http.StatusRequestEntityTooLarge, Message: "Request body is too large"}
		}
		if body != nil {
			t.fields.apply(x, body.editor())
			body.write(x)
		}
	}
	if !t.query.empty() {
		query := parseArguments(x.Upstream.Query)
		t.query.apply(x, &query)
		x.Upstream.Query = query.String()
	}
	if t.method != "" {
		x.Upstream.Method = strings.ToUpper(t.method)
	}
	if !t.headers.empty() {
		t.headers.apply(x, requestHeaders{x, x.Edit()})
	}
	return nil
}

// requestHeaders are the headers of a request; "host" among them.
type requestHeaders struct {
	x      *Exchange
	header http.Header
}

func isHost(name string) bool { return strings.EqualFold(name, "host") }

func (r requestHeaders) remove(name string) {
	if !isHost(name) {
		delHeader(r.header, name)
	}
}

func (r requestHeaders) rename(from, to string) {
	key := headerKey(r.header, from)
	if key == "" || strings.EqualFold(from, to) {
		return
	}
	values := r.header[key]
	delete(r.header, key)
	delHeader(r.header, to)
	r.header[to] = values
}

func (r requestHeaders) replace(name, value string) {
	if isHost(name) {
		r.x.Upstream.Host = value
		return
	}
	if headerKey(r.header, name) != "" {
		setHeader(r.header, name, value)
	}
}

func (r requestHeaders) add(name, value string) {
	if !isHost(name) && headerKey(r.header, name) == "" {
		r.header[name] = []string{value}
	}
}

func (r requestHeaders) append(name, value string) {
	if isHost(name) {
		return
	}
	key := headerKey(r.header, name)
	if key == "" {
		key = name
	}
	r.header[key] = append(r.header[key], value)
}
