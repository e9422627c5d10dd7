// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package defect builds known-bad gateways: the reference gateway with one
// planted defect. The harness is tested by them, for a checker that never fails
// proves nothing. Its central type is [Defect].
//
// A defect is fixtures/defects/<name>.patch: a preamble of "Key: value" lines
// that says which promise it breaks, by which clause, which further clauses fall
// with it, in which scenarios, and what is to be observed; then a diff. The run
// that judges the defect is given the built executable alone and never sees the
// preamble.
package defect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir is where the patches are, below the module's root.
const Dir = "fixtures/defects"

// Preamble is what a patch says of its defect.
type Preamble struct {
	Promise    string   // "G2"
	Clause     string   // "G2.3"
	Also       []string // further clauses that cannot hold without it, "G3.1"
	Scenarios  []string // those that must catch it; a family, or "all", of which one must
	Observable string   // what gives it away
}

// Defect is a patch and what it says of itself.
type Defect struct {
	Name string // of the file, without its extension
	Preamble
	diff []byte
}

// Empty changes nothing: built, it is the good gateway.
var Empty = Defect{Name: "empty"}

// Controls are the defects that are judged whatever has changed, for a harness that
// calls everything good is found out by them: one of the importer, and one of a
// running data plane. The third control is [Empty].
var Controls = []string{"rereads-store", "forgets-on-disconnect"}

// All are the defects of a directory, by name. One that cannot be read is an error
// that names its file.
func All(dir string) ([]Defect, error) {
	names, err := namesIn(dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no defect: there is no file *.patch in it", dir)
	}
	all := make([]Defect, len(names))
	for i, name := range names {
		if all[i], err = open(dir, name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// open reads a defect. A missing or unknown key of its preamble is an error.
func open(dir, name string) (Defect, error) {
	d := Defect{Name: name}
	path := filepath.Join(dir, filepath.Base(name)+extension)
	patch, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	head, diff := patch, []byte(nil)
	if i := bytes.Index(patch, []byte("diff --git ")); i >= 0 {
		head, diff = patch[:i], patch[i:]
	}
	if d.Preamble, err = parsePreamble(head); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	d.diff = diff
	return d, nil
}

// Files are the files that the defect changes or adds, below the module's root.
func (d Defect) Files() []string {
	var files []string
	for _, line := range strings.Split(string(d.diff), "\n") {
		if f, ok := strings.CutPrefix(line, "+++ b/"); ok {
			files = append(files, strings.TrimSpace(f))
		}
	}
	return files
}

// Digest is the SHA-256 of what the defect changes, hexadecimal. What it says of
// itself is no part of it.
func (d Defect) Digest() string {
	sum := sha256.Sum256(d.diff)
	return hex.EncodeToString(sum[:])
}

// extension is that of a patch's file.
const extension = ".patch"

func namesIn(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), extension)
	}
	slices.Sort(names)
	return names, nil
}

// ErrUnknown is returned, wrapped, for a name without a patch.
var ErrUnknown = errors.New("unknown defect")

// Find reads a defect of the module below root.
func Find(root, name string) (Defect, error) {
	d, err := open(filepath.Join(root, Dir), name)
	if errors.Is(err, fs.ErrNotExist) {
		names, listErr := namesIn(filepath.Join(root, Dir))
		return d, errors.Join(fmt.Errorf("%w %q: the defects are %s", ErrUnknown, name, strings.Join(names, ", ")), listErr)
	}
	return d, err
}

// parsePreamble reads what stands before the diff.
func parsePreamble(head []byte) (Preamble, error) {
	var p Preamble
	for _, line := range strings.Split(string(head), "\n") {
		key, value, found := strings.Cut(line, ": ")
		if strings.TrimSpace(line) == "" {
			continue
		}
		switch {
		case found && key == "Promise":
			p.Promise = value
		case found && key == "Clause":
			p.Clause = value
		case found && key == "Also":
			p.Also = strings.Split(value, ", ")
		case found && key == "Scenarios":
			p.Scenarios = strings.Split(value, ", ")
		case found && key == "Observable":
			p.Observable = value
		default:
			return p, fmt.Errorf("preamble: line %q is none of Promise, Clause, Also, Scenarios, Observable", line)
		}
	}
	if p.Promise == "" || p.Clause == "" || len(p.Scenarios) == 0 || slices.Contains(p.Scenarios, "") || p.Observable == "" {
		return p, errors.New("preamble: Promise, Clause, Scenarios and Observable must all be there")
	}
	return p, nil
}
