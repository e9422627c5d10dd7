// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"crypto/rand"
	"net/url"
	"strconv"
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
