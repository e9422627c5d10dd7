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
	{"blackout/reports", []string{"blackout"}, []string{"blackout/reports", "blackout/harness/history", "blackout/harness/oracle"}, "reports are made of a recording and verdicts"},
	{"blackout/internal", []string{"blackout/harness", "blackout/scenarios", "blackout/reports"}, nil, "what is judged does not know its judge"},
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

// list returns the module's packages.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps=false", "-json=ImportPath,Deps,TestImports,XTestImports", "./...")
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
