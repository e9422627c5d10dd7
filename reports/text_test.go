// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"blackout/harness/oracle"
)

func FuzzMarkdownText(f *testing.F) {
	f.Add(hostile)
	f.Add("- [x](http://example.test) **b** @team")
	f.Add("\xff\xfe`\\|")
	f.Fuzz(func(t *testing.T, s string) {
		escaped := mdText(s)
		assertPrintable(t, escaped)
		// Every special character follows a backslash that is not itself
		// escaped, and removing those backslashes gives the text back.
		var plain strings.Builder
		runes := []rune(escaped)
		for i := 0; i < len(runes); i++ {
			switch {
			case runes[i] == '\\' && i+1 < len(runes):
				i++
				plain.WriteRune(runes[i])
			case strings.ContainsRune(mdSpecial, runes[i]):
				t.Fatalf("%q: %q is not escaped", escaped, runes[i])
			default:
				plain.WriteRune(runes[i])
			}
		}
		if plain.String() != shorten(s, markdownCell) {
			t.Fatalf("%q: unescaped %q, want %q", escaped, plain.String(), shorten(s, markdownCell))
		}
	})
}

func FuzzMarkdownCode(f *testing.F) {
	f.Add("blackout run `x` ``y``")
	f.Add("```\n# title")
	f.Fuzz(func(t *testing.T, s string) {
		code := mdCode(s)
		assertPrintable(t, code)
		fence := code[:strings.IndexByte(code, ' ')]
		if body := code[len(fence) : len(code)-len(fence)]; !strings.HasSuffix(code, fence) || strings.Contains(body, fence) {
			t.Fatalf("%q: the text closes its own fence", code)
		}
	})
}

func FuzzJUnit(f *testing.F) {
	f.Add(hostile)
	f.Add("]]>\x00\xff\ufffe<a b='c'>")
	f.Fuzz(func(t *testing.T, s string) {
		in := violated()
		clause := &in.Result.Verdicts[1].Clauses[0]
		clause.Title, clause.Reason = s, s
		clause.Evidence = []oracle.Evidence{{Node: s, Text: s}}
		content, err := renderJUnit(Build(in))
		if err != nil {
			t.Fatal(err)
		}
		var suites junitSuites
		if err := xml.Unmarshal(content, &suites); err != nil {
			t.Fatalf("not XML: %v\n%s", err, content)
		}
		if got := suites.Suite.Cases[1].Failure; got == nil || got.Message != clean(s) {
			t.Fatalf("read back %+v, want %q", got, clean(s))
		}
	})
}

// assertPrintable fails for text that could leave its line or move a cursor.
func assertPrintable(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%q holds %U", s, r)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	t.Parallel()
	in := violated()
	in.Result.Verdicts = append(in.Result.Verdicts, oracle.Verdict{Promise: "G1", Title: "as a whole", Status: oracle.Violated},
		oracle.Verdict{Promise: "G3", Clauses: []oracle.Clause{{ID: "G3.1", Title: "without a status"}}})
	content, err := renderJUnit(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.NewDecoder(bytes.NewReader(content)).Decode(&suites); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	s := suites.Suite
	if s.Tests != 8 || s.Failures != 2 || s.Errors != 2 || s.Skipped != 2 || len(s.Cases) != s.Tests {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped, %d cases; want 8, 2, 2, 2, 8", s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases))
	}
	if len(s.Properties) < 4 || s.Properties[1].Value != "18446744073709551615" {
		t.Errorf("properties %v", s.Properties)
	}
}

func TestPercentIsRoundedDown(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{1: "100%", 0.9999999: "99.9999%", 0.999: "99.9000%", 0.99900196: "99.9001%", 0: "0.0000%"} {
		if got := percent(&share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
	if got := percent(nil); got != "not measured" {
		t.Errorf("nil: %s", got)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 80 * time.Microsecond: "80 µs", 1500 * time.Microsecond: "1.5 ms", -2 * time.Second: "-2.000 s", time.Hour: "1h0m0s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
