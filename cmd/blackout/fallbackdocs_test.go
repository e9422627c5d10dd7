// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what the documents show commands to print")

// fallbackDocuments hold sessions at a terminal: blocks marked console, with commands
// after a dollar sign and what they print below.
var fallbackDocuments = []string{"README.md", filepath.Join("docs", "operating-the-fallback.md")}

// TestFallbackDocuments: the sessions that the documents show are what a terminal shows on
// a live bucket. Each document is one session from an empty bucket on.
func TestFallbackDocuments(t *testing.T) {
	t.Parallel()
	for _, name := range fallbackDocuments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("..", "..", name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			session := newSession(t)
			shown := session.replay(string(text))
			if session.commands == 0 {
				t.Error("it shows no command")
			}
			if *update {
				if err := os.WriteFile(path, []byte(shown), 0o644); err != nil { // #nosec G306 -- a file of the repository
					t.Fatal(err)
				}
				return
			}
			if got, want := masked(shown), masked(string(text)); got != want {
				t.Errorf("it shows what is not so (go test ./cmd/blackout -run Documents -update puts it right):\n%s", firstDifference(got, want))
			}
		})
	}
}

// session is one at a terminal.
type session struct {
	*site
	t        *testing.T
	dir      string
	code     int // of the last command
	commands int
}

// newSession has the files that the longer document shows: blocks marked yaml whose first
// line is "# <name>".
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{site: newSite(t), t: t, dir: t.TempDir()}
	text, err := os.ReadFile(filepath.Join("..", "..", fallbackDocuments[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(string(text), "yaml") {
		name, rest, _ := strings.Cut(block, "\n")
		if name, found := strings.CutPrefix(name, "# "); found {
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte(rest), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

func blocks(document, kind string) []string {
	var all []string
	for _, match := range fence.FindAllStringSubmatch(document, -1) {
		if match[1] == kind {
			all = append(all, match[2])
		}
	}
	return all
}

// replay is the document with what its commands print now.
func (s *session) replay(document string) string {
	return fence.ReplaceAllStringFunc(document, func(block string) string {
		match := fence.FindStringSubmatch(block)
		if match[1] != "console" {
			return block
		}
		var out strings.Builder
		for line := range strings.Lines(match[2]) {
			if command, found := strings.CutPrefix(line, "$ "); found {
				out.WriteString(line + s.say(strings.TrimSpace(command)))
			}
		}
		return "```console\n" + out.String() + "```"
	})
}

// say runs a command and is what it prints.
func (s *session) say(command string) string {
	s.commands++
	words := strings.Fields(command)
	switch {
	case command == "echo $?":
		return fmt.Sprintln(s.code)
	case len(words) > 2 && strings.HasSuffix(words[0], "blackout") && words[1] == "fallback":
	default:
		s.t.Fatalf("%q is no command of this tool", command)
	}
	args := words[2:]
	for i, word := range args {
		if i > 0 && args[i-1] == "--file" {
			args[i] = filepath.Join(s.dir, word)
		}
	}
	if !slices.Contains(args, "--json") {
		args = append(args, "--human") // there is no terminal
	}
	o := s.fallback(args...)
	s.code = o.code
	said := strings.ReplaceAll(o.errors+o.out, s.dir+string(filepath.Separator), "")
	return ownHost.ReplaceAllString(said, "$1@ops-1")
}

// masks are what differs from one session to the next.
var masks = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d+ (s|min|h|d) (old|ago)`), "AGE"},
	{regexp.MustCompile(`\d+ bytes`), "BYTES"}, // the host's name is in the object
	{regexp.MustCompile(`"bytes": \d+`), "BYTES"},
	{regexp.MustCompile(`"age_seconds": \d+`), "AGE"},
	{regexp.MustCompile(`"object_version": "[^"]*"`), "ETAG"},
}

// ownHost is the machine that the test runs on.
var ownHost = regexp.MustCompile(`(blackout-(?:seed|export))@[^\s",]+`)

func masked(text string) string {
	for _, mask := range masks {
		text = mask.what.ReplaceAllString(text, mask.as)
	}
	return text
}

// firstDifference shows where two texts begin to differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return "one is longer than the other"
}
