// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"blackout/internal/fallback/bucket"
)

// fuzzLimit is what a snapshot may have in [FuzzDecode], in bytes.
const fuzzLimit = 1 << 20

// FuzzDecode reads objects of any content: what is taken is one whole JSON object
// within the limit, and what the gateway's own reader of configurations gets.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"", "{", "{}", "[]", "null", importTable, importTable[:20], importTable + "x", importTable + importTable,
		strings.Repeat(`{"a":`, 11_000) + "1" + strings.Repeat("}", 11_000),
		strings.Repeat("[", 11_000), `{"services":` + strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000) + "}",
		`{"n":1e999}`, `{"n":` + strings.Repeat("9", 5000) + "}", `{"n":-0.0000000000000000000000000000000001E-999999999999}`,
		`{"services":[],"services":[{"name":"b"}]}`, `{"_format_version":"3.0","_format_version":"1.1"}`,
		"{\"a\":\"\xff\xfe\"}", `{"a":"\ud800"}`, "\ufeff{}",
	} {
		f.Add([]byte(text), false)
		f.Add(compressed(f, []byte(text)), false)
		f.Add([]byte(text), true)
	}
	bomb := compressed(f, make([]byte, 2<<20))
	f.Add(bomb, false)
	f.Add(compressed(f, bomb), false) // one within the other
	f.Add(append(bytes.Clone(compressed(f, []byte("{"))), compressed(f, []byte("}"))...), false)
	f.Add([]byte{0x1f, 0x8b, 8}, false)
	f.Fuzz(func(t *testing.T, data []byte, checked bool) {
		object := bucket.Object{Body: data}
		if checked {
			object.Metadata = map[string]string{metaSHA256: digest(data)}
		}
		table, err := decode(object, fuzzLimit, nil)
		switch {
		case err != nil && table != nil:
			t.Fatalf("a part comes with the error %v", err)
		case err != nil:
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrInvalid) && !errors.Is(err, bucket.ErrTooLarge) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q", err)
			}
		case len(table) > max(fuzzLimit, len(data)):
			t.Fatalf("%d bytes became %d", len(data), len(table))
		default:
			var object map[string]json.RawMessage
			if err := json.Unmarshal(table, &object); err != nil {
				t.Fatalf("taken, though %v: %q", err, table)
			}
		}
	})
}

// A bomb costs a few times the limit, and not what it expands to.
func TestAGzipBombCostsLittle(t *testing.T) {
	bomb := bytes.Repeat(compressed(t, make([]byte, 1<<20)), 24) // one member after the other is one file
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decode(bucket.Object{Body: bomb}, DefaultMaxBytes, nil)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, bucket.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	// It may expand to maxInflation times its size, and the buffer has grown to that
	// by parts.
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(8*max(len(bomb)*maxInflation, alwaysFits)); took > most {
		t.Errorf("%d bytes were allocated for %d, want at most %d", took, len(bomb), most)
	}
}

// The rows of a configuration may be as alike as rows can be that have ids: what
// they expand to is far from the limit of a bomb.
func TestAConfigurationIsNoBomb(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	table.WriteString(`{"_format_version":"3.0","routes":[`)
	for i := range 20_000 {
		if i > 0 {
			table.WriteByte(',')
		}
		fmt.Fprintf(&table, `{"id":"0000000b-0000-4000-8000-%012d","paths":["/"],"service":"00000001-0000-4000-8000-000000000001","protocols":["http","https"],"methods":null}`, i)
	}
	table.WriteString("]}")
	if times := table.Len() / len(compressed(t, table.Bytes())); times > maxInflation/4 {
		t.Errorf("it expands to %d times its size; %d is the limit", times, maxInflation)
	}
}
