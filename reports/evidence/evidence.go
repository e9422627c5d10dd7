// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence signs what a run left, and verifies later that it is still
// that, whole and unaltered. Its central type is [Statement].
//
//	key, err := evidence.ReadPrivateKey("release.pem")
//	signed, err := evidence.Sign("reports/out/RUN", key)
//	...
//	public, err := evidence.ReadPublicKey("release.pem.pub")
//	verified, err := evidence.Verify("reports/out/RUN", public)
//
// A statement is an in-toto Statement v1 whose predicate is a test result v0.1
// (https://github.com/in-toto/attestation). Its subjects are every file of the run's
// directory and every program that ran, by SHA-256. It lies beside them in
// [StatementFile], in a DSSE envelope with one Ed25519 signature
// (https://github.com/secure-systems-lab/dsse).
//
// [Verify] takes the one encoding that [Sign] writes and no other: what an envelope
// leaves open, such as white space or the alphabet of base64, could be altered
// without a trace otherwise.
package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"blackout/reports"
)

// StatementFile is the name of the signed statement in a run's directory.
const StatementFile = "statement.intoto.jsonl"

// ErrInput is returned, wrapped, for a directory or a key that cannot be used.
var ErrInput = errors.New("unusable input")

// ErrRefused is returned, wrapped, by [Verify] for evidence that is not as it was
// signed, and by [Sign] for what must not be signed.
var ErrRefused = errors.New("refused")

// Signed says what was signed or verified.
type Signed struct {
	Statement Statement
	KeyID     string   // of the key, SHA-256 of its public half
	Files     int      // covered, the statement itself not counted
	Images    int      // programs whose digest is covered
	Unpinned  []string // programs that the report knows by name alone: what ran is not covered
}

// About says which run it is, as the signed statement has it: run, scenario, seed, engine,
// timers, gateway, blackout (the commit) and outcome.
func (s Signed) About() map[string]string {
	for _, r := range s.Statement.Subject {
		if r.Name == reports.JSONFile {
			return r.Annotations
		}
	}
	return nil
}

// Sign signs what is in a finished run's directory, and writes the statement into it.
// The errors are [ErrInput], for a directory that holds no finished run, or
// [ErrRefused], for one that is signed already or must not be signed as it is.
func Sign(dir string, key PrivateKey) (Signed, error) {
	if key.inside(dir) {
		return Signed{}, fmt.Errorf("%w: the private key %s is in the directory that is signed: keep it elsewhere", ErrRefused, key.path)
	}
	f, err := look(dir)
	if err != nil {
		return Signed{}, err
	}
	if f.statement {
		return Signed{}, fmt.Errorf("%w: %s is signed already: remove its %s to sign it anew", ErrRefused, dir, StatementFile)
	}
	statement, err := f.state()
	if err != nil {
		return Signed{}, err
	}
	sealed, err := seal(statement, key)
	if err != nil {
		return Signed{}, err
	}
	if err := save(filepath.Join(dir, StatementFile), sealed, 0o644); err != nil {
		return Signed{}, fmt.Errorf("write the statement: %w", err)
	}
	return f.signed(statement, key.Public().ID()), nil
}

// Verify checks that a run's directory is what was signed with a key: the envelope and
// its signature, every file and every program's digest, and that no file is missing or
// was added. The error is [ErrInput] for a directory that cannot be read, and
// [ErrRefused] for everything else; it says what differs.
func Verify(dir string, key PublicKey) (Signed, error) {
	f, err := look(dir)
	if err != nil {
		return Signed{}, err
	}
	if !f.statement {
		return Signed{}, fmt.Errorf("%w: %s has no %s: it was never signed, or that was removed", ErrRefused, dir, StatementFile)
	}
	sealed, err := f.read(StatementFile)
	if err != nil {
		return Signed{}, err
	}
	statement, err := open(sealed, key)
	if err != nil {
		return Signed{}, fmt.Errorf("%w: %s: %w", ErrRefused, StatementFile, err)
	}
	if differences := f.differences(statement); len(differences) > 0 {
		return Signed{}, fmt.Errorf("%w: %s is not as it was signed: %s", ErrRefused, dir, named(differences))
	}
	return f.signed(statement, key.ID()), nil
}

// signed sums up a directory and its statement.
func (f *folder) signed(s Statement, key string) Signed {
	images, unpinned := f.images()
	return Signed{Statement: s, KeyID: key, Files: len(f.digests), Images: len(images), Unpinned: unpinned}
}

// named lists differences in one line; the first few by name.
func named(differences []string) string {
	const most = 5
	if n := len(differences) - most; n > 0 {
		differences = append(differences[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(differences, "; ")
}

// save writes a file that must not be there yet.
func save(path string, content []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
