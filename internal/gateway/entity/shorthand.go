// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// ExpandURL replaces a service's shorthand "url" by what it stands for:
// protocol, host, port and path; null stands for nothing. It returns what is wrong
// with it, or "".
func ExpandURL(service Record) string {
	value, given := service["url"]
	if !given {
		return ""
	}
	delete(service, "url")
	if value == nil {
		return ""
	}
	text, _ := value.(string)
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || parsed.Scheme == "" {
		return "missing host in url"
	}
	service["protocol"], service["host"] = parsed.Scheme, parsed.Hostname()
	service["path"] = nil
	if path := parsed.EscapedPath(); path != "" {
		service["path"] = path
	}
	switch port := parsed.Port(); {
	case port != "":
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return "invalid port in url"
		}
		service["port"] = float64(number)
	case parsed.Scheme == "https":
		service["port"] = 443.0
	default:
		service["port"] = 80.0
	}
	return ""
}

// expandAliases moves values that came under an older name to the field that
// has them now. The older name shows that field's value afterwards.
func expandAliases(fields []Field, record map[string]any, wrong *Violations) {
	for i := range fields {
		field := &fields[i]
		value, given := record[field.Name]
		if field.Alias == nil || !given {
			continue
		}
		delete(record, field.Name)
		if value == nil {
			continue
		}
		outer, name := field.Alias[0], field.Alias[1]
		inner, ok := record[outer].(map[string]any)
		if !ok && record[outer] != nil {
			continue // of the wrong kind, which its own field will say
		}
		if !ok {
			inner = map[string]any{}
			record[outer] = inner
		}
		// The values may be lists or maps, which == cannot compare.
		if inner[name] != nil && !reflect.DeepEqual(inner[name], value) {
			wrong.set(field.Name, field.mismatch(value, inner[name]))
			continue
		}
		inner[name] = value
	}
}

// mismatch says that a field's two names come with two values.
func (f *Field) mismatch(older, newer any) string {
	const format = "both deprecated and new field are used but their values mismatch: %s vs %s"
	path := strings.Join(f.Alias, ".")
	if f.Secret {
		return fmt.Sprintf(format, f.Name, path)
	}
	return fmt.Sprintf(format, fmt.Sprintf("%s = %v", f.Name, older), fmt.Sprintf("%s = %v", path, newer))
}

const alphanumerics = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// randomKey makes the key of a credential that was given none: 32 alphanumerics,
// as Kong makes them.
func randomKey() string {
	random := make([]byte, 64)
	_, _ = rand.Read(random) // never fails
	key := make([]byte, 0, 32)
	for _, b := range random {
		// Values beyond the last whole multiple would favour the first characters.
		if int(b) < 256/len(alphanumerics)*len(alphanumerics) && len(key) < cap(key) {
			key = append(key, alphanumerics[int(b)%len(alphanumerics)])
		}
	}
	if len(key) < cap(key) {
		return randomKey()
	}
	return string(key)
}
