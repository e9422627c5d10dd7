// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"strings"
)

// fieldEditor makes the changes of a transformer in one place: query, body.
type fieldEditor interface {
	remove(name string)
	rename(from, to string)
	replace(name, value string)
	add(name, value string)
	append(name, value string)
}

// fields are a request's body that has names and values: a form or a JSON
// object. Other bodies have none.
type fields struct {
	form   *arguments
	object object
}

// readFields reads the request's body, nil if it is of another type or broken.
func readFields(x *Exchange) (*fields, error) {
	media, _, err := mime.ParseMediaType(x.Header().Get("Content-Type"))
	if err != nil {
		return nil, nil //nolint:nilerr // a body of no known type has no fields
	}
	switch media {
	case "application/x-www-form-urlencoded":
		text, err := x.body()
		if err != nil {
			return nil, err
		}
		form := parseArguments(string(text))
		return &fields{form: &form}, nil
	case "application/json":
		text, err := x.body()
		if err != nil {
			return nil, err
		}
		if parsed, ok := parseObject(text); ok {
			return &fields{object: parsed}, nil
		}
	}
	return nil, nil
}

// editor returns what changes the fields.
func (f *fields) editor() fieldEditor {
	if f.form != nil {
		return f.form
	}
	return f.object
}

// values returns what a name holds, as text.
func (f *fields) values(name string) []string {
	if f.form != nil {
		return f.form.values(name)
	}
	switch value := f.object[name].(type) {
	case nil:
		return nil
	case []any:
		texts := make([]string, 0, len(value))
		for _, element := range value {
			texts = append(texts, fmt.Sprint(element))
		}
		return texts
	default:
		return []string{fmt.Sprint(value)}
	}
}

func (f *fields) remove(name string) { f.editor().remove(name) }

// write makes the fields the body that the service gets.
func (f *fields) write(x *Exchange) {
	if f.form != nil {
		x.Upstream.Body = []byte(f.form.String())
	} else {
		x.Upstream.Body = marshal(map[string]any(f.object))
	}
}

// object is a JSON object. Numbers keep their digits.
type object map[string]any

func parseObject(text []byte) (object, bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var parsed map[string]any
	if err := decoder.Decode(&parsed); err != nil || parsed == nil || decoder.More() {
		return nil, false
	}
	return parsed, true
}

func (o object) remove(name string) { delete(o, name) }

func (o object) rename(from, to string) {
	if value, ok := o[from]; ok && from != to {
		delete(o, from)
		o[to] = value
	}
}

func (o object) replace(name, value string) { o.replaceAny(name, value) }
func (o object) add(name, value string)     { o.addAny(name, value) }
func (o object) append(name, value string)  { o.appendAny(name, value) }

func (o object) replaceAny(name string, value any) {
	if _, ok := o[name]; ok {
		o[name] = value
	}
}

func (o object) addAny(name string, value any) {
	if _, ok := o[name]; !ok {
		o[name] = value
	}
}

func (o object) appendAny(name string, value any) {
	switch old := o[name].(type) {
	case nil:
		o[name] = []any{value}
	case []any:
		o[name] = append(old, value)
	default:
		o[name] = []any{old, value}
	}
}

// typed reads a configured value as the JSON type that is asked for.
func typed(value, kind string) any {
	switch kind {
	case "boolean":
		return value == "true"
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err == nil && json.Valid([]byte(value)) {
			return json.Number(strings.TrimSpace(value))
		}
	}
	return value
}
