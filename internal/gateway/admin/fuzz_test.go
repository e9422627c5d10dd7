// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// FuzzAdminBody: whatever a client sends is taken or refused, and a refusal says
// what is wrong.
func FuzzAdminBody(f *testing.F) {
	for _, seed := range []struct{ contentType, body string }{
		{"application/json", `{"host":"h","tags":["a"],"config":{"redis":{"host":1}}}`},
		{"application/json", `{"name":5,"service":"x","config":[],"snis":{"a":1}}`},
		{"application/json", strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat(`}`, 200)},
		{"application/json", strings.Repeat(`[`, 20000)},
		{"application/json", `null`},
		{"application/x-www-form-urlencoded", "name=rate-limiting&config.minute=5&config.redis.host=h&tags[]=a&tags[2]=b&x[=1"},
		{"application/x-www-form-urlencoded", strings.Repeat("a.", 5000) + "=1"},
		{"application/x-www-form-urlencoded", "a=1&a.b=2&a.b.c[]=3&%zz"},
		{"multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\nh\r\n--X--\r\n"},
		{"multipart/form-data", "--"},
	} {
		f.Add(seed.contentType, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		for _, schema := range entity.All() {
			input, err := parseBody(schema, contentType, body)
			var unreadable *bodyError
			if err != nil {
				if !errors.As(err, &unreadable) && !errors.Is(err, errMediaType) {
					t.Fatalf("an error without an answer: %v", err)
				}
				continue
			}
			if schema == entity.Services && entity.ExpandURL(input) != "" {
				continue
			}
			record, err := schema.Complete(input)
			if err != nil {
				expectRefusal(t, err)
				continue
			}
			if _, err := schema.Complete(patched(schema, record, input)); err != nil {
				expectRefusal(t, err) // an alias and its field may differ
			}
		}
	})
}

func expectRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *entity.Error
	if !errors.As(err, &refusal) || len(refusal.Fields) == 0 || refusal.Message == "" {
		t.Fatalf("a refusal that does not say what is wrong: %v", err)
	}
}

// FuzzOffset: a token is taken or refused.
func FuzzOffset(f *testing.F) {
	f.Add(encodeOffset([]string{"00000001-0000-4000-8000-000000000001"}))
	f.Add("WyJ4Il0=")
	f.Fuzz(func(t *testing.T, token string) {
		key, err := decodeOffset(token, 1)
		if err == nil && len(key) != 1 {
			t.Fatalf("%q is %q", token, key)
		}
	})
}
