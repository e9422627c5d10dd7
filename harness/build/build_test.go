// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/harness/engine"
)

// printer is a program that prints what it is given here. It imports nothing,
// so it builds in no time.
func printer(text string) string {
	return "package main\n\nfunc main() { print(\"" + text + "\") }\n"
}

// tree is a module of this name with three programs and a tool.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                 "// a comment\nmodule blackout\n\ngo 1.26\n",
		"cmd/gateway/main.go":    printer("gateway"),
		"cmd/store/main.go":      printer("store"),
		"cmd/broken/main.go":     "package main\n\nfunc main() { nonsense() }\n",
		"tools/fake/go.mod":      "module blackout/tools/fake\n\ngo 1.26\n",
		"tools/fake/go.sum":      "",
		"tools/fake/cmd/main.go": printer("fake"),
	} {
		write(t, filepath.Join(root, name), text)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// output runs a binary and returns what it prints.
func output(t *testing.T, b Binary) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), b.Path).CombinedOutput()
	if err != nil {
		t.Fatalf("run %s: %v", b.Path, err)
	}
	return string(out)
}

func build(t *testing.T, req Request) map[string]Binary {
	t.Helper()
	binaries, err := Programs(t.Context(), req)
	if err != nil {
		t.Fatalf("Programs(%v): %v", req.Programs, err)
	}
	return binaries
}

func TestProgramsAreNamedByContent(t *testing.T) {
	t.Parallel()
	var lines []string
	root := tree(t)
	req := Request{
		Root: filepath.Join(root, "cmd", "gateway"), Programs: []string{"gateway", "store", "gateway"},
		Cache: t.TempDir(), Progress: func(line string) { lines = append(lines, line) },
	}
	first := build(t, req)
	if len(first) != 2 {
		t.Fatalf("got %d programs, want 2", len(first))
	}
	for name, b := range first {
		if got := output(t, b); got != name || b.Name != name || len(b.Digest) != 64 || b.Cached || b.Took <= 0 {
			t.Errorf("%s prints %q and is %+v", name, got, b)
		}
	}
	if len(lines) != 2 || lines[0] != "build gateway, store" || !strings.HasPrefix(lines[1], "build gateway, store: built in ") {
		t.Errorf("progress = %q, want a line for the begin and one for the end", lines)
	}
	lines = nil
	write(t, filepath.Join(root, "cmd/store/main.go"), printer("changed"))
	again := build(t, req)["gateway"]
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "build store: built in ") || !strings.HasPrefix(lines[2], "build gateway: unchanged in ") {
		t.Errorf("progress of a build in which one program changed = %q", lines)
	}
	if !again.Cached || again.Path != first["gateway"].Path || again.Digest != first["gateway"].Digest {
		t.Errorf("built again: %+v, want the cached %+v", again, first["gateway"])
	}
}

func TestChangedSourceIsAnotherProgram(t *testing.T) {
	t.Parallel()
	root, cache := tree(t), t.TempDir()
	req := Request{Root: root, Programs: []string{"gateway"}, Cache: cache}
	before := build(t, req)["gateway"]
	write(t, filepath.Join(root, "cmd/gateway/main.go"), printer("changed"))
	after := build(t, req)["gateway"]
	if output(t, before) != "gateway" || output(t, after) != "changed" {
		t.Error("a new build disturbs an earlier one")
	}
}

func TestOverlayIsForTheGatewayAlone(t *testing.T) {
	t.Parallel()
	root, dir := tree(t), t.TempDir()
	write(t, filepath.Join(dir, "bad.go"), printer("defect"))
	overlay := `{"Replace": {"` + root + `/cmd/gateway/main.go": "` + dir + `/bad.go", "` + root + `/cmd/store/main.go": "` + dir + `/bad.go"}}`
	write(t, filepath.Join(dir, "overlay.json"), overlay)
	got := build(t, Request{
		Root: root, Programs: []string{"gateway", "store"}, Cache: t.TempDir(),
		OverlayJSON: filepath.Join(dir, "overlay.json"),
	})
	if output(t, got["gateway"]) != "defect" || output(t, got["store"]) != "store" {
		t.Errorf("gateway prints %q, store %q", output(t, got["gateway"]), output(t, got["store"]))
	}
}

func TestToolIsBuiltOnce(t *testing.T) {
	t.Parallel()
	root := tree(t)
	b, err := newBuilder(Request{Root: root, Cache: t.TempDir()}, map[string]string{"fake": "blackout/tools/fake/cmd"})
	if err != nil {
		t.Fatal(err)
	}
	made := func() Binary {
		t.Helper()
		binary, err := b.tool(t.Context(), "fake")
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	if first := made(); first.Cached || output(t, first) != "fake" {
		t.Errorf("first build = %+v", first)
	}
	// Only what the tool's go.mod and go.sum pin goes into a tool.
	write(t, filepath.Join(root, "tools/fake/cmd/main.go"), "nonsense")
	if again := made(); !again.Cached || output(t, again) != "fake" {
		t.Errorf("second build = %+v, want the first one's result", again)
	}
	write(t, filepath.Join(root, "tools/fake/go.sum"), "\n")
	if _, err := b.tool(t.Context(), "fake"); err == nil {
		t.Error("a changed go.sum does not lead to a new build")
	}
}

func TestFailuresAreTheEnvironments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		req  Request
		want string // a part of the message
	}{
		{"compile error", Request{Programs: []string{"broken"}}, "undefined: nonsense"},
		{"no such program", Request{Programs: []string{"missing"}}, "missing"},
		{"not a name", Request{Programs: []string{"../cmd/store"}}, "not a program's name"},
		{"bad platform", Request{Platform: "linux"}, "want os/architecture"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.req.Root, tt.req.Cache = tree(t), t.TempDir()
			_, err := Programs(t.Context(), tt.req)
			if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q as unavailable", err, tt.want)
			}
		})
	}
}

func TestEndOfContextIsNoFailureOfTheEnvironment(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	req := Request{Root: tree(t), Programs: []string{"store"}, Cache: t.TempDir()}
	req.Progress = func(string) { cancel() } // as soon as the build begins
	_, err := Programs(ctx, req)
	if !errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("error = %v, want only the end of the context", err)
	}
}

func TestFindRootElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module blackout/tools/x\n")
	if root, err := FindRoot(dir); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("FindRoot = %q, %v; want an error", root, err)
	}
}

func TestLockWaitsForItsHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("second lock: %v, want to wait in vain", err)
	}
	unlock()
	again, err := lock(t.Context(), path)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	again()
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "old", "gateway"), "")
	write(t, filepath.Join(dir, "new", "gateway"), "")
	now := time.Now()
	if err := os.Chtimes(filepath.Join(dir, "old"), now, now.Add(-2*keepFor)); err != nil {
		t.Fatal(err)
	}
	if err := prune(dir, now.Add(-keepFor)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left %v, %v; want only the new one", left, err)
	}
}

func TestFirstLines(t *testing.T) {
	t.Parallel()
	if got, want := firstLines("a\nb\nc\n", 2), "a\nb\n… and 1 more lines"; got != want {
		t.Errorf("firstLines = %q, want %q", got, want)
	}
}
