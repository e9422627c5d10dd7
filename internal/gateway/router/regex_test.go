// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strings"
	"testing"
)

func TestPathRegexes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		literal string
		matches map[string]string // path to what is matched of it
		not     []string
	}{
		{`/a/(?<rest>.*)`, "/a/", map[string]string{"/a/b": "/a/b", "/a/": "/a/"}, []string{"/b/a/x", "/a"}},
		{`/a(?P<x>\d{3})`, "/a", map[string]string{"/a1234": "/a123", "/a١٢٣": "/a١٢٣"}, []string{"/a12"}},
		{`/(foo|bar)$`, "/", map[string]string{"/bar": "/bar"}, []string{"/bar/", "/x/bar"}},
		{`/a|/b`, "", map[string]string{"/a/x": "/a", "/x/b": "/b"}, []string{"/x/a"}},
		{`/(?i:users)/x`, "/", map[string]string{"/USERS/x": "/USERS/x"}, []string{"/users/X"}},
		{`(?i)/a`, "", map[string]string{"/A": "/A"}, nil},
		{`/ab?c`, "/a", map[string]string{"/ac": "/ac", "/abc": "/abc"}, []string{"/ab"}},
		{`/a{2}`, "/", map[string]string{"/aa": "/aa"}, []string{"/a"}},
		{`/x\.y\/z\-`, "/x.y/z-", map[string]string{"/x.y/z-": "/x.y/z-"}, []string{"/x_y/z-"}},
		{`/\w+$`, "/", map[string]string{"/été_1": "/été_1"}, []string{"/a-b"}},
		{`/[\w-]+$`, "/", map[string]string{"/été-1": "/été-1"}, []string{"/a.b"}},
		{`/\D\W\S$`, "/", map[string]string{"/a-b": "/a-b", "/é-é": "/é-é"}, []string{"/1-b", "/١-b", "/aéb", "/a-\u00a0"}},
		{`/[^\d]$`, "/", map[string]string{"/a": "/a"}, []string{"/1", "/١"}},
		{`/[]a]+$`, "/", map[string]string{"/]a": "/]a"}, nil},
		{`/[^]a]+$`, "/", map[string]string{"/b": "/b"}, []string{"/]"}},
		{`/[[:alpha:]\]]+$`, "/", map[string]string{"/ab]": "/ab]"}, []string{"/1"}},
		{`/\u00e9\u{e9}\U000000E9`, "/ééé", map[string]string{"/ééé": "/ééé"}, nil},
		{``, "", map[string]string{"/x": ""}, nil},
		{`/é+`, "/", map[string]string{"/éé": "/éé"}, nil},
	} {
		regex, err := newPathRegex(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if regex.literal != c.literal {
			t.Errorf("%s: begins with %q, want %q", c.pattern, regex.literal, c.literal)
		}
		for text, want := range c.matches {
			if at := regex.on(text).FindStringIndex(text); at == nil || text[at[0]:at[1]] != want {
				t.Errorf("%s on %s: got %v, want %q", c.pattern, text, at, want)
			}
		}
		for _, text := range c.not {
			if regex.on(text).MatchString(text) {
				t.Errorf("%s matches %s", c.pattern, text)
			}
		}
	}
}

func TestRegexesThatAreRefused(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`/(a`:          "missing closing )",
		`/a(?=b)`:      "invalid or unsupported Perl syntax",
		`/[a&&b]`:      "sets within a class",
		`/[[a]b]`:      "sets within a class",
		`/[a--b]`:      "sets within a class",
		`/\u12`:        "invalid escape sequence",
		`/a{1001}`:     "invalid repeat count",
		`/a\`:          "trailing backslash",
		"/" + "\xff":   "invalid UTF-8",
		`/(?x) a # sp`: "invalid or unsupported Perl syntax",
	} {
		_, err := New([]Route{{ID: "r", Paths: []string{"~" + pattern}}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "route r: paths: regex") {
			t.Errorf("%s: got %v, want %q", pattern, err, want)
		}
	}
	if regex, err := newPathRegex(`/\w{600}`); err != nil || !regex.on("/"+strings.Repeat("a", 600)).MatchString("/"+strings.Repeat("a", 600)) ||
		!regex.on("/é"+strings.Repeat("a", 600)).MatchString("/"+strings.Repeat("a", 600)) {
		t.Errorf("a repetition that is too large for Unicode: got %v", err)
	}
	_, err := New([]Route{{ID: "r", Headers: map[string][]string{"x": {"~*("}}}})
	if err == nil || !strings.HasPrefix(err.Error(), "route r: headers.x: regex") {
		t.Errorf("a header's regex: got %v", err)
	}
}

// FuzzRegex looks for a pattern on which the router would lose a match: because
// the text does not begin with what it takes for the pattern's beginning, or
// because the two forms of a pattern differ on plain text.
func FuzzRegex(f *testing.F) {
	for _, path := range drawnPaths {
		f.Add(strings.TrimPrefix(path, "~"), "/a/b/c")
	}
	f.Add(`/[\d\w]\S[^\s]`, "/a\vb")
	f.Add(`(?m)/a$|\bx`, "/a\n/x")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 200 {
			return
		}
		regex, err := newPathRegex(pattern)
		if err != nil {
			return
		}
		compiled := regex.on(text)
		if compiled == never {
			t.Fatalf("%q was accepted and does not compile", pattern)
		}
		at := compiled.FindStringIndex(text)
		if at != nil && !strings.HasPrefix(text, regex.literal) {
			t.Errorf("%q matches %q, which does not begin with %q", pattern, text, regex.literal)
		}
		if wide := regex.unicode.get(); wide != nil && isASCII(text) && wide.MatchString(text) != (at != nil) {
			t.Errorf("%q: %q and %q differ on %q", pattern, regex.ascii.pattern, regex.unicode.pattern, text)
		}
	})
}
