// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
)

// digest is a SHA-256 for tests.
var digest = strings.Repeat("0123456789abcdef", 4)

// write writes a file of a test's directory, and the directories above it.
func write(t *testing.T, content []byte, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// finished is the directory of a run: the beginning of a real one's recording with its
// reports, and the other files that a run can leave. It is small, so that it can be
// verified often.
func finished(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	from := filepath.Join("..", "..", "fixtures", "recordings", "v1")
	events := bytes.SplitAfter(readFile(t, filepath.Join(from, "events.jsonl")), []byte("\n"))
	write(t, bytes.Join(events[:60], nil), dir, recordingDir, "events.jsonl")
	write(t, readFile(t, filepath.Join(from, "requests.bin"))[:300*history.RequestSize], dir, recordingDir, "requests.bin")
	rec, err := history.Load(filepath.Join(dir, recordingDir))
	if err != nil {
		t.Fatal(err)
	}
	judged, err := oracle.Judge(rec, []string{"G1", "G10", "G13"})
	if err != nil {
		t.Fatal(err)
	}
	environment := reports.Environment{Blackout: "v1", Gateway: "reference gateway", Images: map[string]string{
		"gateway": "sha256:" + digest, "minio": "example.test/minio@sha256:" + digest, "upstream": "example.test/upstream:latest",
	}}
	if _, err := reports.Write(dir, reports.Input{Recording: rec, Result: judged, Environment: environment}); err != nil {
		t.Fatal(err)
	}
	write(t, []byte(`{"schema": 1}`), dir, "plan.json")
	write(t, []byte("apiVersion: openslo/v1\nkind: SLO\n"), dir, "slo.yaml")
	write(t, []byte("kind: SLO\n"), dir, "slo", "ci.yaml")
	write(t, []byte(`{"schema": 1}`), dir, "baseline.json")
	write(t, []byte("started\n"), dir, "logs", "dp-1.log")
	return dir
}

// keys makes a pair of keys outside any run's directory.
func keys(t *testing.T) (PrivateKey, PublicKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if _, err := MakeKey(path); err != nil {
		t.Fatal(err)
	}
	private, err := ReadPrivateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ReadPublicKey(path + PublicSuffix)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// signed is a finished run's directory that was signed.
func signed(t *testing.T) (dir string, key PublicKey) {
	t.Helper()
	dir = finished(t)
	private, public := keys(t)
	if _, err := Sign(dir, private); err != nil {
		t.Fatal(err)
	}
	return dir, public
}

// refused checks that the directory is refused, in one line that says why.
func refused(t *testing.T, dir string, key PublicKey, says string) {
	t.Helper()
	_, err := Verify(dir, key)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want a refusal in one line that says %q", err, says)
	}
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	dir := finished(t)
	private, public := keys(t)
	made, err := Sign(dir, private)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Verify(dir, public)
	if err != nil {
		t.Fatal(err)
	}
	if made.KeyID != public.ID() || found.KeyID != public.ID() || made.Files != found.Files || made.Images != 2 || found.Images != 2 {
		t.Errorf("signed %+v, verified %+v", made, found)
	}
	if want := []string{"upstream"}; !slices.Equal(found.Unpinned, want) {
		t.Errorf("known by name alone: %v, want %v", found.Unpinned, want)
	}
	var names []string
	for _, r := range found.Statement.Subject {
		names = append(names, r.Name)
	}
	for _, want := range []string{
		"baseline.json", "image:gateway", "image:minio", "logs/dp-1.log", "plan.json", "recording/events.jsonl", "recording/requests.bin",
		"report.html", "report.json", "report.md", "slo.yaml",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not covered by %v", want, names)
		}
	}
	var asked []string
	for _, r := range found.Statement.Predicate.Configuration {
		asked = append(asked, r.Name)
	}
	if want := []string{"baseline.json", "plan.json", "slo.yaml", "slo/ci.yaml"}; !slices.Equal(asked, want) {
		t.Errorf("the configuration is %v, want %v", asked, want)
	}
}

// TestFlips changes single bytes of what was signed, ten thousand times, and less often
// where each takes long. Every file is hit alike often, however small it is.
func TestFlips(t *testing.T) {
	t.Parallel()
	flips := 10_000
	if testing.Short() || raceDetector {
		flips = 500
	}
	dir, key := signed(t)
	random := rand.New(rand.NewPCG(7, 0))
	targets := []string{reports.JSONFile, "recording/events.jsonl", "recording/requests.bin", "slo.yaml", StatementFile}
	contents := make(map[string][]byte)
	for _, name := range targets {
		contents[name] = readFile(t, filepath.Join(dir, name))
	}
	for i := range flips {
		name := targets[i%len(targets)]
		at, by := random.IntN(len(contents[name])), byte(1+random.IntN(255))
		patch(t, filepath.Join(dir, name), at, contents[name][at]^by)
		if _, err := Verify(dir, key); !errors.Is(err, ErrRefused) {
			t.Errorf("flip %d: byte %d of %s, %#02x for %#02x: %v", i, at, name, contents[name][at]^by, contents[name][at], err)
		}
		patch(t, filepath.Join(dir, name), at, contents[name][at])
	}
	if _, err := Verify(dir, key); err != nil {
		t.Errorf("everything is as it was, and %v", err)
	}
}

// patch changes one byte of a file.
func patch(t *testing.T, path string, at int, to byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte{to}, int64(at))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestEveryBitOfTheEnvelope flips each bit of the envelope's line.
func TestEveryBitOfTheEnvelope(t *testing.T) {
	t.Parallel()
	private, public := keys(t)
	sealed, err := seal(small(), private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(sealed, public); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			if _, err := open(sealed, public); err == nil {
				t.Errorf("bit %d of byte %d is flipped, %q, and it was taken", bit, i, sealed[max(0, i-10):min(len(sealed), i+10)])
			}
			sealed[i] ^= 1 << bit
		}
	}
}

// TestVerifyRefuses: what happens to a directory after it was signed.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		says string
	}{
		"a file was added": {func(t *testing.T, dir string) { write(t, nil, dir, "logs", "new.log") }, "logs/new.log was added"},
		"a file is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "slo.yaml")); err != nil {
				t.Fatal(err)
			}
		}, "slo.yaml is missing"},
		"a file was renamed": {func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "slo.yaml"), filepath.Join(dir, "slo.yml")); err != nil {
				t.Fatal(err)
			}
		}, "slo.yaml is missing; slo.yml was added"},
		"a file was emptied":   {func(t *testing.T, dir string) { write(t, nil, dir, "report.html") }, "report.html was altered"},
		"the report is no one": {func(t *testing.T, dir string) { write(t, []byte("{"), dir, "report.json") }, "report.json was altered"},
		"a link took its place": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "slo.yaml")
			elsewhere := filepath.Join(t.TempDir(), "slo.yaml")
			if err := errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path)); err != nil {
				t.Fatal(err)
			}
		}, "neither a file nor a directory"},
		"the statement is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, StatementFile)); err != nil {
				t.Fatal(err)
			}
		}, "never signed"},
		"the statement is empty":  {func(t *testing.T, dir string) { write(t, nil, dir, StatementFile) }, "not whole"},
		"the statement is a book": {func(t *testing.T, dir string) { write(t, make([]byte, maxStatement+1), dir, StatementFile) }, "larger"},
		"many files were added": {func(t *testing.T, dir string) {
			for _, c := range "abcdefgh" {
				write(t, nil, dir, string(c))
			}
		}, "e was added; and 3 more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, key := signed(t)
			c.do(t, dir)
			refused(t, dir, key, c.says)
		})
	}
}

func TestVerifyWithAnotherKey(t *testing.T) {
	t.Parallel()
	dir, key := signed(t)
	_, other := keys(t)
	refused(t, dir, other, other.ID())
	_, err := Verify(dir, other)
	if !strings.Contains(err.Error(), key.ID()) {
		t.Errorf("%v does not name the key that signed", err)
	}
}

// TestImagesAreCovered: the statement's digests of programs are those of the report, also
// where somebody who has the key signs others.
func TestImagesAreCovered(t *testing.T) {
	t.Parallel()
	dir := finished(t)
	private, public := keys(t)
	f, err := look(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.state()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Subject {
		if s.Subject[i].Name == "image:minio" {
			s.Subject[i].Digest.SHA256 = strings.Repeat("0", 64)
		}
	}
	sealed, err := seal(s, private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, sealed, dir, StatementFile)
	refused(t, dir, public, "among the programs in report.json, image:minio was altered")
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	private, _ := keys(t)
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		want error
		says string
	}{
		"no report": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, reports.JSONFile)); err != nil {
				t.Fatal(err)
			}
		}, ErrInput, "no report.json"},
		"no recording": {func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, recordingDir)); err != nil {
				t.Fatal(err)
			}
		}, ErrInput, "recording"},
		"not a report":     {func(t *testing.T, dir string) { write(t, []byte("{}"), dir, reports.JSONFile) }, ErrInput, "schema is 0"},
		"a later report":   {func(t *testing.T, dir string) { write(t, []byte(`{"schema": 99}`), dir, reports.JSONFile) }, ErrInput, "schema is 99"},
		"another's report": {func(t *testing.T, dir string) { write(t, []byte(`{"schema": 1, "run": "x"}`), dir, reports.JSONFile) }, ErrRefused, "of the run x"},
		"another run's report": {func(t *testing.T, dir string) {
			write(t, bytes.Replace(readFile(t, filepath.Join(dir, reports.JSONFile)), []byte(`"run": "`), []byte(`"run": "x`), 1), dir, reports.JSONFile)
		}, ErrRefused, "of the run x"},
		"a link":              {func(t *testing.T, dir string) { link(t, dir) }, ErrRefused, "neither a file nor a directory"},
		"a name as a program": {func(t *testing.T, dir string) { write(t, nil, dir, "image:gateway") }, ErrRefused, "rename it"},
		"a name in no script": {func(t *testing.T, dir string) { write(t, nil, dir, "a\xff") }, ErrRefused, "rename it"},
		"signed before":       {func(t *testing.T, dir string) { write(t, nil, dir, StatementFile) }, ErrRefused, "signed already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := finished(t)
			c.do(t, dir)
			_, err := Sign(dir, private)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
	if _, err := Sign(filepath.Join(t.TempDir(), "nowhere"), private); !errors.Is(err, ErrInput) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func link(t *testing.T, dir string) {
	t.Helper()
	if err := os.Symlink("report.json", filepath.Join(dir, "latest.json")); err != nil {
		t.Fatal(err)
	}
}

// TestKeyInTheDirectory: what is signed is handed on, and the key must not go with it.
func TestKeyInTheDirectory(t *testing.T) {
	t.Parallel()
	dir := finished(t)
	path := filepath.Join(dir, "logs", "key.pem")
	if _, err := MakeKey(path); err != nil {
		t.Fatal(err)
	}
	key, err := ReadPrivateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(dir, key); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "keep it elsewhere") {
		t.Errorf("got %v", err)
	}
}
