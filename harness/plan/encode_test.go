// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func decodeSample(name string, with []byte) (Action, error) {
	switch name {
	case "nap":
		var n nap
		return n, Strict(with, &n)
	case "blink":
		return blink{}, nil
	}
	return nil, fmt.Errorf("unknown action %q", name)
}

func encoded(t testing.TB, p Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	first := encoded(t, sample())
	for _, want := range []string{
		`"schema": 1`, `"seed": 9223372036854775815`, `"title": "blink > wink"`,
		"\"step\": 5,\n      \"phase\": \"outage\",\n      \"at\": 2000000000,\n      \"do\": \"blink\"",
		"\"step\": 2,\n      \"phase\": \"bring-up\",\n      \"do\": \"blink\"",
	} {
		if !strings.Contains(string(first), want) {
			t.Errorf("saved as\n%s\nwhich lacks %s", first, want)
		}
	}
	p, err := Decode(first, decodeSample)
	if err != nil {
		t.Fatal(err)
	}
	if again := encoded(t, p); !bytes.Equal(first, again) {
		t.Errorf("read back, it is saved as\n%s", again)
	}
	compact, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Decode(compact, decodeSample); err != nil || !bytes.Equal(first, encoded(t, p)) {
		t.Errorf("its layout matters: %v", err)
	}
}

// TestDecodeByHand: a plan that was shortened by hand counts its steps anew.
func TestDecodeByHand(t *testing.T) {
	t.Parallel()
	p := sample()
	p.Steps = append(p.Steps[:3:3], p.Steps[5:]...)
	p.Steps[0].Number = 99
	back, err := Decode(encoded(t, p), decodeSample)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range back.Steps {
		if s.Number != i+1 {
			t.Errorf("step %d has number %d", i+1, s.Number)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	whole := string(encoded(t, sample()))
	for name, c := range map[string]struct{ from, to, says string }{
		"no JSON":             {whole, "seed 7", "read plan: invalid character"},
		"a list":              {whole, "[]", "read plan: "},
		"no version":          {`"schema": 1,`, "", "no schema version"},
		"a newer version":     {`"schema": 1,`, `"schema": 2, "colour": "blue",`, "it has schema 2, and this program reads schema 1"},
		"an unknown field":    {`"scenario"`, `"scenery"`, `unknown field "scenery"`},
		"one of a step":       {`"phase": "outage"`, `"face": "outage"`, `unknown field "face"`},
		"one of an action":    {`"for"`, `"until"`, `step 1: unknown field "until"`},
		"one of the topology": {`"import"`, `"export_"`, `unknown field "export_"`},
		"an unknown action":   {`"do": "blink"`, `"do": "wink"`, `step 2: unknown action "wink"`},
		"a word for a time":   {`"at": 2000000000`, `"at": "2s"`, "cannot unmarshal"},
		"a step without time": {`"at": 2000000000,`, "", `step 5 (blink): the steps of the bring-up have no "at", and all others have one`},
		"bring-up at a time":  {`"phase": "bring-up",`, `"phase": "bring-up", "at": 3,`, "step 1 (nap)"},
		"more after it":       {whole, whole + "{}", "after"},
	} {
		damaged := strings.Replace(whole, c.from, c.to, 1)
		if damaged == whole {
			t.Fatalf("%s: nothing was damaged", name)
		}
		_, err := Decode([]byte(damaged), decodeSample)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, c.says)
		}
	}
}

// FuzzDecode: no bytes make it panic, and what it reads it can write and read
// again.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, sample()))
	f.Add([]byte(`{"schema":1,"steps":[{"do":"nap","with":{"for":1}}]}`))
	f.Add([]byte(`{"schema":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b, decodeSample)
		if err != nil {
			return
		}
		first := encoded(t, p)
		again, err := Decode(first, decodeSample)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if !bytes.Equal(first, encoded(t, again)) {
			t.Errorf("it changed on the way: %s", first)
		}
	})
}
