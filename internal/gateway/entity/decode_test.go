// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
)

// FuzzDecodeObject holds the decoder against the library's own.
func FuzzDecodeObject(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0.5e3,"x\u00e9\n",null,true,false,{}],"b":{"c":[[]]}}`, `{"a":1,"a":2}`, `{"a":1}{}`, `{"a":1e999}`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, ` {} `, `{"rows":[{"a":1},{"a":1,"b":2},{}]}`, `{1:2}`, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want map[string]any
		wantErr := json.Unmarshal(text, &want)
		got, err := decodeObject(text)
		if want == nil && wantErr == nil {
			return // null
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, the library %v", err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, the library %v", got, want)
		}
	})
}
