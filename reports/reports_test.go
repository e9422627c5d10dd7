// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares content with a golden file, or rewrites it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s line %d differs (run with -update if that is meant)\n got: %s\nwant: %s", path, i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", path, len(gotLines), len(wantLines))
}

// inputs are the runs that renderers are tested with.
var inputs = map[string]func() Input{
	"held":     held,
	"violated": violated,
	"unproven": keptWith("ci"),
	"compared": besideOthers,
	"empty": func() Input {
		return Input{Recording: &history.Recording{}}
	},
}

func TestWriteGolden(t *testing.T) {
	t.Parallel()
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "made")
			files, err := Write(dir, input())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, f := range files {
				names = append(names, filepath.Base(f))
				content, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join(name, filepath.Base(f)), content)
			}
			if want := []string{JSONFile, MarkdownFile, HTMLFile, JUnitFile, CTRFFile, MetricsFile}; !slices.Equal(names, want) {
				t.Errorf("wrote %v, want %v", names, want)
			}
			var summary bytes.Buffer
			if err := Summary(&summary, Build(input())); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(name, "summary.txt"), summary.Bytes())
		})
	}
}

// renderers are those of the files that show what was recorded and judged.
var renderers = map[string]func(Model) ([]byte, error){
	"json": renderJSON, "markdown": renderMarkdown, "html": renderHTML, "junit": renderJUnit, "ctrf": renderCTRF, "openmetrics": renderOpenMetrics,
}

// TestDeterminism renders often enough that a map's random order would show.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	for name, render := range renderers {
		first, err := render(Build(violated()))
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			again, err := render(Build(violated()))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, again) {
				t.Fatalf("%s: the same input gave different bytes", name)
			}
		}
	}
}

func TestBuildLeavesItsInput(t *testing.T) {
	t.Parallel()
	in := violated()
	Build(in)
	if !reflect.DeepEqual(in, violated()) {
		t.Error("Build changed its input")
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	if _, err := Write(t.TempDir(), Input{}); !errors.Is(err, ErrNoRecording) {
		t.Errorf("without a recording: %v, want ErrNoRecording", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(file, held()); err == nil {
		t.Error("wrote into a directory that is a file")
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestSummaryReturnsTheWritersError(t *testing.T) {
	t.Parallel()
	if err := Summary(brokenWriter{}, Build(held())); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the writer's error", err)
	}
}
