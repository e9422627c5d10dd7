// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wire string
		want Frame
		err  string
	}{
		"empty":               {"\x82\x00", Frame{0, true, opBinary}, ""},
		"short":               {"\x82\x7d", Frame{125, true, opBinary}, ""},
		"medium":              {"\x82\x7e\x01\x00", Frame{256, true, opBinary}, ""},
		"long":                {"\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01", Frame{16<<20 + 1, true, opBinary}, ""},
		"the longest":         {"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", Frame{math.MaxInt64, true, opBinary}, ""},
		"first of several":    {"\x02\x01", Frame{1, false, opBinary}, ""},
		"longer than allowed": {"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Frame{}, "claims"},
		"masked":              {"\x82\x80", Frame{}, "masked"},
		"compressed":          {"\xc2\x01", Frame{}, "reserved"},
		"large ping":          {"\x89\x7e\x00\x7e", Frame{}, "control frame"},
		"ping in parts":       {"\x09\x01", Frame{}, "control frame"},
		"cut short":           {"\x82\x7e\x01", Frame{}, "EOF"},
		"nothing":             {"", Frame{}, "EOF"},
	} {
		got, err := readHeader(strings.NewReader(c.wire))
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01"))
	f.Add([]byte("\x8a\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := readHeader(bytes.NewReader(wire))
		if err == nil && (got.Bytes < 0 || got.opcode >= opClose && got.Bytes > largestControl) {
			t.Errorf("%x: %+v", wire, got)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(packed(f, message))
	f.Add(packed(f, `{"type":"reconfigure","config_table":null}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := decode(payload)
		if (got == nil) == (err == nil) {
			t.Errorf("configuration %v, error %v", got, err)
		}
		if got != nil && !json.Valid(got.Table) {
			t.Errorf("table %q", got.Table)
		}
	})
}
