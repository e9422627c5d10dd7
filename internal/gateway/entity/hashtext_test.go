// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// hashDecoded is what hashText must compute.
func hashDecoded(raw []byte) (Hashes, error) {
	all, err := decodeObject(raw)
	if err != nil {
		return Hashes{}, err
	}
	delete(all, "_comment")
	return Hash(all), nil
}

// FuzzHashText holds the hash of a text against that of what it decodes to. The text
// is also repeated, as the rows of two sections, until the hashed form is folded.
func FuzzHashText(f *testing.F) {
	for _, text := range []string{
		`{"b":[1,-0.5e3,"x\u00e9\n\"",null,true,false,{}],"a":{"c":[[]]}}`, `{"a":1,"a":2}`, `{"b":1,"a":2,"b":3}`, `{"a":1}{}`, `{"a":1e999}`,
		`{"a":[1,2,3,4,5],"b":[1,2,3,4,5,6],"c":[ ],"d":{ }}`, `{"\u0061":1,"a":2}`, `{"\u0062":1,"a":{"y":[],"x":[{"d":1,"c":-0}]}}`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, ` { "n" : 1E2 , "m":1795387153.123456, "" : "a,b:{}" } `, `{"routes":[{"a":1},{"b":2,"a":1},{},7,[{}]]}`,
		`{"_comment":"x","services":{},"routes":null}`, `{"_comment":[{"a":1}],"upstreams":[{"_comment":1}]}`, `{1:2}`, `null`, `{"a":[{"b":1,"b":2}]}`, `{"a":[{"b":1e999}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		compareHashes(t, text)
		if len(text) == 0 || len(text) > 1<<12 {
			return
		}
		rows := strings.TrimSuffix(strings.Repeat(string(text)+",", 4096/len(text)+7), ",")
		compareHashes(t, []byte(`{"routes":[`+rows+`],"x":[`+rows+`]}`))
	})
}

func compareHashes(t *testing.T, text []byte) {
	t.Helper()
	want, wantErr := hashDecoded(text)
	got, err := hashText(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("error %v, of the decoded %v, for %.500q", err, wantErr, text)
	}
	if got != want {
		t.Fatalf("%v, of the decoded %v, for %.500q", got, want, text)
	}
}

// The hashed form is folded wherever it has become too long, in the middle of a row
// too.
func TestHashTextFoldsWithinRows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 0))
		var text bytes.Buffer
		text.WriteString(`{"plugins":[{"big":"` + strings.Repeat("x", hashFold*int(seed%2)) + `"}]`)
		for _, section := range []string{"routes", "consumers", "services"} {
			fmt.Fprintf(&text, `,%q:[{}`, section)
			for i := range 25_000 {
				fmt.Fprintf(&text, `,{"name":"%d","id":%d,"list":[%d,{"b":null,"a":"%s"}],"_x":%t}`, i, random.IntN(100), random.IntN(9),
					strings.Repeat("y", random.IntN(60)), random.IntN(2) == 0)
			}
			text.WriteByte(']')
		}
		text.WriteByte('}')
		compareHashes(t, text.Bytes())
	}
}

// BenchmarkHashText hashes a large configuration from its text, and for comparison
// decodes it and hashes that.
func BenchmarkHashText(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(`{"_format_version":"3.0","routes":[{}`)
	for i := range 50_000 {
		fmt.Fprintf(&text, `,{"service":"00000000-0000-4000-8000-%012d","preserve_host":false,"id":"00000001-0000-4000-8000-%012d","headers":null,`+
			`"protocols":["http","https"],"path_handling":"v0","name":"route-%d","snis":null,"paths":["/api/v1/tenant-%d/resource"],"regex_priority":0,`+
			`"tags":["team-%d"],"strip_path":true,"created_at":1795387153,"updated_at":1795387153,"methods":null}`, i%99, i, i, i, i%7)
	}
	text.WriteString("]}")
	b.SetBytes(int64(text.Len()))
	for _, of := range []struct {
		name string
		hash func([]byte) (Hashes, error)
	}{{"text", hashText}, {"decoded", hashDecoded}} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := of.hash(text.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
