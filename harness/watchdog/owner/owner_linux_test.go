// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"errors"
	"os"
	"regexp"
	"testing"
)

const statTail = " 1 4711 4711 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 8 0 889021 1000 200"

func TestParseStat(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		line string
		want string
		gone bool
	}{
		"plain":                  {line: "4711 (gateway) S" + statTail, want: "889021"},
		"parentheses in command": {line: "4711 (a) Z) b) R" + statTail, want: "889021"},
		"newline in command":     {line: "4711 (a\nb) T" + statTail, want: "889021"},
		"not yet collected":      {line: "4711 (gateway) Z" + statTail, gone: true},
		"dead":                   {line: "4711 (gateway) X" + statTail, gone: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseStat([]byte(c.line))
			if errors.Is(err, ErrGone) != c.gone || got != c.want {
				t.Fatalf("parseStat(%q) = %q, %v, want %q, gone %v", c.line, got, err, c.want, c.gone)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("4711 (gateway) S" + statTail))
	f.Add([]byte("4711 (gateway) S"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if started, err := parseStat(line); err == nil && started == "" {
			t.Fatalf("parseStat(%q) has neither a start time nor an error", line)
		}
	})
}

func TestWhereabouts(t *testing.T) {
	t.Parallel()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	if want := "pid:[" + self.Namespace + "]"; link != want {
		t.Errorf("namespace %q, want that of %s", self.Namespace, link)
	}
	if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(self.Boot) {
		t.Errorf("boot %q, want a UUID", self.Boot)
	}
}
