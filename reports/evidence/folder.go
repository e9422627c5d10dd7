// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"blackout/harness/history"
	"blackout/reports"
)

// recordingDir is where a run's recording lies in its directory.
const recordingDir = "recording"

// imagePrefix is what the name of a program has in front of it as a subject. No file's
// name begins with it.
const imagePrefix = "image:"

// maxStatement bounds the statement's file, in bytes.
const maxStatement = 16 << 20

// folder is a run's directory as it is now.
type folder struct {
	dir       string
	digests   map[string]string // file → SHA-256 in hexadecimal; the names have slashes
	statement bool              // there is a [StatementFile], which is no subject
	text      []byte            // of the report
	report    reports.Model     // once parse has read the text
	buffer    []byte            // for copying
}

// look reads a run's directory. Anything but files and directories in it is refused:
// what a link or a device leads to is not in the run's hands.
func look(dir string) (f *folder, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: run's directory: %w", ErrInput, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	f = &folder{dir: dir, digests: make(map[string]string), buffer: make([]byte, 64<<10)}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%w: run's directory: %w", ErrInput, err)
		}
		if entry.IsDir() {
			return nil
		}
		return f.add(root, name, entry)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// add takes the digest of a file, and reads it if it is the report.
func (f *folder) add(root *os.Root, name string, entry fs.DirEntry) error {
	switch {
	case !entry.Type().IsRegular():
		return fmt.Errorf("%w: %s is neither a file nor a directory: evidence holds nothing else", ErrRefused, filepath.Join(f.dir, name))
	case !utf8.ValidString(name) || strings.HasPrefix(name, imagePrefix):
		return fmt.Errorf("%w: %q cannot be named in a statement: rename it", ErrRefused, name)
	case name == StatementFile:
		f.statement = true
		return nil
	}
	file, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("%w: run's directory: %w", ErrInput, err)
	}
	defer file.Close()
	sum, report := sha256.New(), bytes.Buffer{}
	var to io.Writer = sum
	if name == reports.JSONFile {
		to = io.MultiWriter(sum, &report)
	}
	if _, err := io.CopyBuffer(to, struct{ io.Reader }{file}, f.buffer); err != nil { // a file that copies itself takes a new buffer
		return fmt.Errorf("%w: run's directory: %w", ErrInput, err)
	}
	f.digests[name] = hex.EncodeToString(sum.Sum(nil))
	if name == reports.JSONFile {
		f.text = report.Bytes()
	}
	return nil
}

// parse reads the report.
func (f *folder) parse() (err error) {
	if f.digests[reports.JSONFile] == "" {
		return fmt.Errorf("%w: %s has no %s: name the directory of a finished run", ErrInput, f.dir, reports.JSONFile)
	}
	if f.report, err = reports.Decode(f.text); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInput, filepath.Join(f.dir, reports.JSONFile), err)
	}
	return nil
}

// read reads a small file of the directory.
func (f *folder) read(name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxStatement+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if len(text) > maxStatement {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrRefused, name, maxStatement)
	}
	return text, nil
}

// digestForm is a program's digest in a report, alone or behind an image's name.
var digestForm = regexp.MustCompile(`^(?:[^@]+@)?sha256:([0-9a-f]{64})$`)

// images are the digests of the programs that ran, by subject, and the names of those
// of which the report has no digest.
func (f *folder) images() (digests map[string]string, unpinned []string) {
	digests = make(map[string]string)
	for _, program := range slices.Sorted(maps.Keys(f.report.Environment.Images)) {
		if found := digestForm.FindStringSubmatch(f.report.Environment.Images[program]); found != nil {
			digests[imagePrefix+program] = found[1]
			continue
		}
		unpinned = append(unpinned, program)
	}
	return digests, unpinned
}

// complete checks that the directory is a finished run's, and its report that of its
// recording.
func (f *folder) complete() error {
	if err := f.parse(); err != nil {
		return err
	}
	source, err := history.Open(filepath.Join(f.dir, recordingDir))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if err := source.Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	if h := source.Header; h.Run != f.report.Run || h.Scenario != f.report.Scenario || h.Seed != f.report.Seed {
		return fmt.Errorf("%w: %s is of the run %s (%s, seed %d), and its recording of the run %s (%s, seed %d)", ErrRefused,
			reports.JSONFile, f.report.Run, f.report.Scenario, f.report.Seed, h.Run, h.Scenario, h.Seed)
	}
	return nil
}

// differences says what of the directory is not as a statement has it, by name: of its
// files or, if those are as they were, of the programs in its report.
func (f *folder) differences(s Statement) []string {
	files, programs := make(map[string]string), make(map[string]string)
	for _, r := range s.Subject {
		if strings.HasPrefix(r.Name, imagePrefix) {
			programs[r.Name] = r.Digest.SHA256
			continue
		}
		files[r.Name] = r.Digest.SHA256
	}
	if out := compared(files, f.digests); len(out) > 0 {
		return out
	}
	if err := f.parse(); err != nil {
		return []string{err.Error()}
	}
	images, _ := f.images()
	out := compared(programs, images)
	for i := range out {
		out[i] = fmt.Sprintf("among the programs in %s, %s", reports.JSONFile, out[i])
	}
	return out
}

// compared says what of the digests that are there is not as it was signed.
func compared(signed, there map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		switch digest, found := there[name]; {
		case !found:
			out = append(out, name+" is missing")
		case digest != signed[name]:
			out = append(out, name+" was altered")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if _, known := signed[name]; !known {
			out = append(out, name+" was added")
		}
	}
	return out
}
