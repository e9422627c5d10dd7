// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

func TestStamp(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		`{"a":[1]}`:                                  `{"_comment":"c\"","a":[1]}`,
		` { "b" : {} , "a" : [ 1 ] } `:               `{"_comment":"c\"","b" : {} , "a" : [ 1 ]}`,
		`{"_comment":"x","a":[1]}`:                   `{"_comment":"c\"","a":[1]}`,
		`{"a":[1],"_comment":"x"}`:                   `{"_comment":"c\"","a":[1]}`,
		`{"a":[1], "_comment":{"y":[]} ,"b":[2]}`:    `{"_comment":"c\"","a":[1],"b":[2]}`,
		`{"_comment":1,"_comment":2,"a":[1]}`:        `{"_comment":"c\"","a":[1]}`,
		`{"_c\u006fmment":"x","a":[{"b":"\u00e4"}]}`: `{"_comment":"c\"","a":[{"b":"\u00e4"}]}`,
		"{\"a\":[\"\xff\"]}":                         "{\"_comment\":\"c\\\"\",\"a\":[\"\xff\"]}",
		`{"a":[{"_comment":"inside"}]}`:              `{"_comment":"c\"","a":[{"_comment":"inside"}]}`,
	} {
		parts, err := survey([]byte(table))
		if err != nil {
			t.Errorf("%s: %v", table, err)
			continue
		}
		got, err := parts.stamp([]byte(table), `c"`)
		if err != nil || string(got.Bytes()) != want {
			t.Errorf("%s became %s, %v, want %s", table, got.Bytes(), err, want)
		}
	}
}

func TestSurveyRefusesAMemberThatIsThereTwice(t *testing.T) {
	t.Parallel()
	for _, table := range []string{
		`{"services":[{"name":"a"}],"routes":[],"services":[]}`,
		`{"services":[],"services":[{"name":"a"}]}`,
		`{"services":[{"name":"a"}],"_comment":"x","_format_version":"3.0","_format_version":"3.0"}`,
		`{"services":[{"name":"a"}],"s\u0065rvices":[{"name":"a"}]}`,
	} {
		if _, err := survey([]byte(table)); err == nil || !strings.Contains(err.Error(), "is there twice") {
			t.Errorf("%s: %v", table, err)
		}
	}
}

func TestMetadataMakesTheRoundTrip(t *testing.T) {
	t.Parallel()
	noted := Bookkeeping{Hash: "h", Time: time.Unix(7, 5).UTC(), Exporter: "id", SHA256: "00", Epoch: election.Epoch{Term: 7, Write: 2}, Life: "life"}
	if got := ReadBookkeeping(bucket.Info{Metadata: noted.metadata()}); got != noted {
		t.Errorf("%+v became %+v", noted, got)
	}
	// A hash is what some control plane sent.
	for _, hash := range []string{"a\r\nX-Other: b", "ä", "a b"} {
		noted.Hash = hash
		if got, there := noted.metadata()[metaHash]; there {
			t.Errorf("the hash %q goes into a header as %q", hash, got)
		}
	}
}

func TestReadComment(t *testing.T) {
	t.Parallel()
	noted := Bookkeeping{Epoch: election.Epoch{Term: 7, Write: 2}, Exporter: "id", Life: "life"}
	for table, want := range map[string]Bookkeeping{
		`{"_comment":"` + noted.comment() + `","a":[]}`:       noted,
		`{"a":[],"_comment":"` + noted.comment() + `"}`:       {}, // nobody writes it so
		`{"_comment":"blackout epoch=7 exporter=id life=l"}`:  {},
		`{"_comment":"blackout epoch=7.2 exporter=id"}`:       {},
		`{"_comment":"made by hand, on a day of four words"}`: {},
		`{"_comment":7}`: {},
		`[]`:             {},
		``:               {},
	} {
		if got := readComment([]byte(table)); got != want {
			t.Errorf("%s: %+v", table, got)
		}
	}
}

// FuzzStamp: whatever is taken keeps its members, and has one comment more.
func FuzzStamp(f *testing.F) {
	f.Add(`{"services":[{"name":"a"}],"_comment":"x"}`)
	f.Add(` {"_comment":[{"_comment":1}] , "a" : {"b":null} }`)
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := survey([]byte(text))
		if err != nil {
			return
		}
		body, err := parts.stamp([]byte(text), "blackout epoch=1.2 exporter=e life=l")
		if err != nil {
			t.Fatal(err)
		}
		stamped := body.Bytes()
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			t.Fatalf("%q was taken: %v", text, err)
		}
		if err := json.Unmarshal(stamped, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, stamped, err)
		}
		if string(after["_comment"]) != `"blackout epoch=1.2 exporter=e life=l"` || readComment(stamped).Life != "l" {
			t.Fatalf("%q became %q", text, stamped)
		}
		delete(before, "_comment")
		delete(after, "_comment")
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", text, stamped)
		}
		again, err := survey(stamped)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := again.stamp(stamped, "blackout epoch=1.2 exporter=e life=l"); err != nil || string(twice.Bytes()) != string(stamped) {
			t.Fatalf("%q became %q, %v", stamped, twice.Bytes(), err)
		}
	})
}
