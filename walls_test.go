// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// listed is a package as `go list -json` tells it.
type listed struct {
	ImportPath   string
	Imports      []string // direct, of the package itself
	Deps         []string // all, of the package itself
	TestImports  []string // direct, of its tests
	XTestImports []string
}

// wall is what a part of the module may not depend on.
type wall struct {
	of     string   // packages at or below this path
	not    []string // may not depend on packages at or below these
	except []string // but may on these
	why    string
}

var walls = []wall{
	{"blackout/harness", []string{"blackout/internal/gateway", "blackout/internal/fallback"}, nil, "the harness knows a gateway by its ports, environment and files alone, or it could judge no other"},
	{"blackout/scenarios", []string{"blackout/internal/gateway", "blackout/internal/fallback"}, nil, "so do its scenarios"},
	{"blackout/harness", []string{"blackout/scenarios", "blackout/cmd"}, nil, "dependencies point one way"},
	{"blackout/harness/oracle", []string{"blackout"}, []string{"blackout/harness/oracle", "blackout/harness/history", "blackout/harness/topology"}, "oracles are functions of a recording"},
	{"blackout/harness/history", []string{"blackout"}, []string{"blackout/harness/history"}, "the recording's format depends on nothing that changes"},
	{"blackout/reports", []string{"blackout"}, []string{"blackout/reports", "blackout/harness/history", "blackout/harness/oracle", "blackout/harness/topology"}, "reports are made of a recording and verdicts, which name parts of a topology"},
	{"blackout/reports/recompute", []string{"blackout"}, []string{"blackout/reports/recompute"}, "a second implementation that shares code with the first shares its mistakes"},
	{"blackout/internal", []string{"blackout/harness", "blackout/scenarios", "blackout/reports"}, nil, "what is judged does not know its judge"},
	{"blackout/internal/impostor", []string{"blackout/internal"}, []string{"blackout/internal/impostor", "blackout/internal/outlet"}, "a bug that the two sides of a protocol share cancels out"},
	{"blackout/internal/outlet", []string{"blackout/internal"}, []string{"blackout/internal/outlet"}, "a witness shares nothing with what it looks at"},
	{"blackout/internal/operator", []string{"blackout/internal/gateway/node", "blackout/internal/gateway/hybrid"}, nil, "an operator's tool runs no node and joins no cluster"},
	{"blackout/internal/gateway", []string{"blackout/internal/operator"}, nil, "a node does without its operator's tool"},
	{"blackout/internal/fallback", []string{"blackout/internal/operator", "blackout/internal/gateway"}, nil, "the snapshot's way does not depend on what is in it"},
	{"blackout/cmd/gateway", []string{"blackout/harness", "blackout/scenarios", "blackout/reports"}, nil, "what is judged does not know its judge"},
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func withinAny(path string, roots []string) bool {
	for _, root := range roots {
		if within(path, root) {
			return true
		}
	}
	return false
}

// breaches are the imports of a package that go through a wall.
func (w wall) breaches(p listed) []string {
	if !within(p.ImportPath, w.of) {
		return nil
	}
	var out []string
	for _, imports := range [][]string{p.Deps, p.TestImports, p.XTestImports} {
		for _, i := range imports {
			if withinAny(i, w.not) && !withinAny(i, w.except) {
				out = append(out, i)
			}
		}
	}
	return out
}

// TestWalls keeps dependencies pointing one way.
func TestWalls(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, w := range walls {
		found := false
		for _, p := range packages {
			found = found || within(p.ImportPath, w.of)
			for _, i := range w.breaches(p) {
				t.Errorf("%s depends on %s, but %s", p.ImportPath, i, w.why)
			}
		}
		if !found {
			t.Errorf("no package at or below %s: the wall guards nothing", w.of)
		}
	}
}

// TestWallsCanBeBreached: a wall that nothing can breach keeps nothing out.
func TestWallsCanBeBreached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    listed
		want bool
	}{
		{listed{ImportPath: "blackout/harness/run", Deps: []string{"fmt", "blackout/internal/gateway/conf"}}, true},
		{listed{ImportPath: "blackout/harness", TestImports: []string{"blackout/internal/fallback"}}, true},
		{listed{ImportPath: "blackout/reports/slo", XTestImports: []string{"blackout/harness/run"}}, true},
		{listed{ImportPath: "blackout/internal/meter", Deps: []string{"blackout/harness/engine"}}, true},
		{listed{ImportPath: "blackout/reports/recompute", Deps: []string{"blackout/reports/stats"}}, true},
		{listed{ImportPath: "blackout/harness/fault", Deps: []string{"blackout/internal/meter"}}, false},
		{listed{ImportPath: "blackout/internal/gateway/node", Deps: []string{"blackout/internal/fallback"}}, false},
		{listed{ImportPath: "blackout/reports", Deps: []string{"time", "blackout/harness/history"}}, false},
	} {
		breached := false
		for _, w := range walls {
			breached = breached || len(w.breaches(c.p)) > 0
		}
		if breached != c.want {
			t.Errorf("%+v: breached %v, want %v", c.p, breached, c.want)
		}
	}
}

// reserved are imports that only a few packages may have, of harness and scenarios or
// below another path, with what speaks for each of them.
var reserved = []struct {
	imports string
	by      map[string]string // package → why it may
	why     string            // nobody else may
	below   string            // empty: harness and scenarios
}{
	// Names and secrets come from crypto/rand: they decide nothing that a run does.
	{"math/rand", map[string]string{
		"blackout/harness/plan":  "it draws everything, from the seed, before anything starts",
		"blackout/harness/fault": "which bytes of a file flip follows from the seed in the plan's spec and the file's size, known only there",
	}, "every draw belongs into the plan, from a stream that is named by its use", ""},
	{"github.com/onsi", map[string]string{
		"blackout/harness/match": "matchers are for those who test with Gomega",
	}, "what runs and judges does not depend on what tests", ""},
	{"blackout/harness/match", nil, "what runs and judges does not depend on what tests", ""},
	{"github.com/OpenSLO", map[string]string{
		"blackout/reports/slo": "it reads SLO files",
	}, "an SDK before its version 1 is to break one package", "blackout"},
}

// TestReservedImports keeps some imports to those who may have them.
func TestReservedImports(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, r := range reserved {
		using := make(map[string]bool)
		for _, p := range packages {
			below := []string{"blackout/harness", "blackout/scenarios"}
			if r.below != "" {
				below = []string{r.below}
			}
			if !withinAny(p.ImportPath, below) {
				continue
			}
			for _, i := range p.Imports {
				if !within(i, r.imports) {
					continue
				}
				using[p.ImportPath] = true
				if r.by[p.ImportPath] == "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, i, r.why)
				}
			}
		}
		for p := range r.by {
			if !using[p] {
				t.Errorf("%s does not import %s: it needs no exception", p, r.imports)
			}
		}
	}
}

// list returns the module's packages.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps=false", "-json=ImportPath,Imports,Deps,TestImports,XTestImports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for in := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := in.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
