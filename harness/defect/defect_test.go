// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package defect

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"blackout/harness/build"
	"blackout/harness/engine"
)

const (
	preamble = "Promise: G2\nClause: G2.3\nScenarios: cp-outage-scale-out, other\nObservable: it polls\n\n"
	gateway  = "package main\n\nfunc main() { print(\"good\") }\n"

	plants = `diff --git a/cmd/gateway/main.go b/cmd/gateway/main.go
--- a/cmd/gateway/main.go
+++ b/cmd/gateway/main.go
@@ -1,3 +1,3 @@
 package main
 
-func main() { print("good") }
+func main() { print("bad") }
`
	adds = `diff --git a/cmd/gateway/more.go b/cmd/gateway/more.go
new file mode 100644
--- /dev/null
+++ b/cmd/gateway/more.go
@@ -0,0 +1 @@
+package main
`
	changesNothing = `diff --git a/cmd/gateway/main.go b/cmd/gateway/main.go
--- a/cmd/gateway/main.go
+++ b/cmd/gateway/main.go
@@ -1,3 +1,3 @@
 package main
 
-func main() { print("good") }
+func main() { print("good") }
`
)

var doesNotFit = strings.ReplaceAll(plants, "good", "something else")

// tree is a small module with a gateway and patches.
func tree(t *testing.T, patches map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	files := map[string]string{"go.mod": "module blackout\n\ngo 1.26\n", "cmd/gateway/main.go": gateway}
	for name, text := range patches {
		files[filepath.Join(Dir, name+".patch")] = text
	}
	for path, text := range files {
		if err := write(filepath.Join(root, path), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestApply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		patch   string
		replace map[string]string // path → content
		err     string
	}{
		"nothing but a preamble":          {patch: preamble, replace: map[string]string{}},
		"a change":                        {patch: preamble + plants, replace: map[string]string{"cmd/gateway/main.go": strings.Replace(gateway, "good", "bad", 1)}},
		"a new file":                      {patch: preamble + adds, replace: map[string]string{"cmd/gateway/more.go": "package main\n"}},
		"both":                            {patch: preamble + plants + adds, replace: map[string]string{"cmd/gateway/main.go": strings.Replace(gateway, "good", "bad", 1), "cmd/gateway/more.go": "package main\n"}},
		"a hunk that fails":               {patch: preamble + doesNotFit, err: "cmd/gateway/main.go"},
		"a hunk that fails after a good":  {patch: preamble + adds + doesNotFit, err: "cmd/gateway/main.go"},
		"a change of nothing":             {patch: preamble + changesNothing, err: "does not change it"},
		"a change of a file that is gone": {patch: preamble + strings.ReplaceAll(plants, "main.go", "gone.go"), err: "gone.go"},
		"a change outside the tree":       {patch: preamble + strings.ReplaceAll(plants, "cmd/gateway/main.go", "../outside.go"), err: "outside.go"},
		"a diff that is cut short":        {patch: preamble + plants[:len(plants)-40], err: "git apply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, dir := tree(t, nil), t.TempDir()
			overlay, err := planted(c.patch).apply(t.Context(), root, dir)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := replaced(t, root, overlay); !reflect.DeepEqual(got, c.replace) {
				t.Errorf("replaced %q, want %q", got, c.replace)
			}
			if original, err := os.ReadFile(filepath.Join(root, "cmd/gateway/main.go")); err != nil || string(original) != gateway {
				t.Errorf("the tree itself was changed: %q, %v", original, err)
			}
		})
	}
}

// replaced reads what an overlay puts in place, by path below root.
func replaced(t *testing.T, root, overlay string) map[string]string {
	t.Helper()
	var o struct{ Replace map[string]string }
	b, err := os.ReadFile(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for path, by := range o.Replace {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(by)
		if err != nil {
			t.Fatal(err)
		}
		out[rel] = string(content)
	}
	return out
}

// planted is a defect of this text.
func planted(patch string) Defect {
	_, diff, _ := strings.Cut(patch, preamble)
	return Defect{Name: "planted", diff: []byte(diff)}
}

// find is a defect of a tree.
func find(t *testing.T, root, name string) Defect {
	t.Helper()
	d, err := Find(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestBuild builds the defect, and the empty patch gives the good gateway.
func TestBuild(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"planted": preamble + plants, "empty": preamble, "broken": preamble + doesNotFit})
	req := build.Request{Root: root, Cache: t.TempDir()}
	digests := make(map[string]string)
	for d, want := range map[string]string{"planted": "bad", "empty": "good"} {
		gateway, err := find(t, root, d).Build(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		out, err := exec.CommandContext(t.Context(), gateway.Path).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s says %q, %v; want %q", d, out, err, want)
		}
		digests[d] = gateway.Digest
	}
	if empty, err := Empty.Build(t.Context(), req); err != nil || empty.Digest != digests["empty"] {
		t.Errorf("the empty defect is built as %+v, %v", empty, err)
	}
	if _, err := find(t, root, "broken").Build(t.Context(), req); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v: a hunk that fails is the environment's, and names the defect", err)
	}
}

// TestCompile: a patch that fits and is no Go is found without a link.
func TestCompile(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"planted": preamble + plants, "no-go": preamble + strings.Replace(plants, `+func main() { print("bad") }`, `+func main() { print(bad) }`, 1)})
	req := build.Request{Root: root, Cache: t.TempDir()}
	if err := find(t, root, "planted").Compile(t.Context(), req); err != nil {
		t.Error(err)
	}
	if err := find(t, root, "no-go").Compile(t.Context(), req); err == nil || !strings.Contains(err.Error(), "no-go") || !strings.Contains(err.Error(), "undefined: bad") {
		t.Errorf("error %v, want one that names the defect and the compiler's", err)
	}
}

// TestDigest: what a defect says of itself does not change it.
func TestDigest(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"a": preamble + plants, "other-words": strings.Replace(preamble, "it polls", "so", 1) + plants, "other-change": preamble + adds,
	})
	a := find(t, root, "a").Digest()
	if b := find(t, root, "other-words").Digest(); b != a {
		t.Errorf("another preamble, another digest")
	}
	if b := find(t, root, "other-change").Digest(); b == a {
		t.Errorf("another change, the same digest")
	}
}

func TestUnknownDefect(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"b": preamble, "a": preamble})
	if _, err := Find(root, "c"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "a, b") {
		t.Errorf("error %v does not name the defects", err)
	}
	all, err := All(filepath.Join(root, Dir))
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Errorf("all are %v, %v", all, err)
	}
	if _, err := All(root); err == nil || !strings.Contains(err.Error(), root) {
		t.Errorf("a directory without a patch: error %v", err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	want := Preamble{Promise: "G2", Clause: "G2.3", Scenarios: []string{"cp-outage-scale-out", "other"}, Observable: "it polls"}
	for name, c := range map[string]struct{ text, err string }{
		"whole":           {text: preamble + plants},
		"without a diff":  {text: preamble},
		"an unknown key":  {text: "Author: me\n" + preamble, err: "Author"},
		"free text":       {text: "This breaks things.\n" + preamble, err: "This breaks"},
		"no promise":      {text: strings.Replace(preamble, "Promise: G2\n", "", 1), err: "all be there"},
		"no clause":       {text: strings.Replace(preamble, "Clause: G2.3\n", "", 1), err: "all be there"},
		"no scenarios":    {text: strings.Replace(preamble, "Scenarios: cp-outage-scale-out, other\n", "", 1), err: "all be there"},
		"empty scenarios": {text: strings.Replace(preamble, "cp-outage-scale-out, other", "", 1), err: "all be there"},
		"no observable":   {text: strings.Replace(preamble, "Observable: it polls\n", "", 1), err: "all be there"},
		"nothing":         {text: "", err: "all be there"},
		"only a diff":     {text: plants, err: "all be there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Find(tree(t, map[string]string{"d": c.text}), "d")
			got := found.Preamble
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "d.patch") {
					t.Errorf("error %v, want one with d.patch and %q", err, c.err)
				}
			case err != nil || !reflect.DeepEqual(got, want):
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// TestShippedDefects: each names a promise's clause, applies to today's tree and
// compiles there.
func TestShippedDefects(t *testing.T) {
	t.Parallel()
	root, err := build.FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	all, err := All(filepath.Join(root, Dir))
	if err != nil {
		t.Fatal(err)
	}
	atOnce := make(chan struct{}, 2) // compilers take all processors by themselves
	for _, d := range all {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			if !strings.HasPrefix(d.Clause, d.Promise+".") {
				t.Errorf("clause %s is not one of promise %s", d.Clause, d.Promise)
			}
			for _, f := range d.Files() {
				if !strings.HasPrefix(f, "internal/") && !strings.HasPrefix(f, "cmd/gateway/") {
					t.Errorf("it changes %s, which is no part of a gateway", f)
				}
			}
			if len(d.Files()) == 0 {
				t.Error("it changes nothing")
			}
			if testing.Short() {
				if _, err := d.apply(t.Context(), root, t.TempDir()); err != nil {
					t.Error(err)
				}
				return
			}
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			if err := d.Compile(t.Context(), build.Request{Root: root}); err != nil {
				t.Error(err)
			}
		})
	}
}
