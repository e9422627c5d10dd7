// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// PublicSuffix is what the name of a public key's file has behind the private one's.
const PublicSuffix = ".pub"

const (
	privateBlock = "PRIVATE KEY" // PKCS #8
	publicBlock  = "PUBLIC KEY"  // SubjectPublicKeyInfo
	maxKeyFile   = 1 << 16       // bytes
	othersBits   = 0o077         // of a file's mode: what others than its owner may do
)

// PrivateKey is an Ed25519 key that signs. It prints as [redacted], whatever the verb.
type PrivateKey struct {
	key  ed25519.PrivateKey
	path string // of its file
}

// Format implements [fmt.Formatter].
func (PrivateKey) Format(w fmt.State, _ rune) {
	_, _ = io.WriteString(w, "[redacted]") // fmt reports no error of a Formatter
}

// Public is the key that verifies.
func (k PrivateKey) Public() PublicKey {
	return PublicKey{ed25519.PublicKey(bytes.Clone(k.key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]))}
}

// inside reports whether the key's file lies in a directory.
func (k PrivateKey) inside(dir string) bool {
	resolved := func(path string) string {
		if absolute, err := filepath.Abs(path); err == nil {
			path = absolute
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return path
	}
	if k.path == "" {
		return false
	}
	within, err := filepath.Rel(resolved(dir), resolved(k.path))
	return err == nil && filepath.IsLocal(within)
}

// PublicKey is an Ed25519 key that verifies.
type PublicKey struct{ key ed25519.PublicKey }

// ID names the key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal. `openssl pkey
// -pubin -in FILE -outform DER | sha256sum` prints the same.
func (k PublicKey) ID() string {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		panic("evidence: an Ed25519 key has a form for every key: " + err.Error())
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// MakeKey makes a key and writes its two halves: path, which only its owner may read,
// and path.pub. A file that is there already is not replaced: that is [ErrInput].
func MakeKey(path string) (PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PublicKey{}, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode the private key: %w", err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode the public key: %w", err)
	}
	if err := save(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), 0o600); err != nil {
		return PublicKey{}, fmt.Errorf("%w: write the private key: %w", ErrInput, err)
	}
	if err := save(path+PublicSuffix, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: publicDER}), 0o644); err != nil {
		return PublicKey{}, errors.Join(fmt.Errorf("%w: write the public key: %w", ErrInput, err), os.Remove(path))
	}
	return PublicKey{public}, nil
}

// ReadPrivateKey reads an Ed25519 key in PEM (PKCS #8), as [MakeKey] and `openssl genpkey
// -algorithm ed25519` write it. A file that others than its owner may read is refused.
// All errors are [ErrInput], and none holds anything of the file.
func ReadPrivateKey(path string) (PrivateKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("%w: private key: %w", ErrInput, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return PrivateKey{}, fmt.Errorf("%w: private key: %w", ErrInput, err)
	}
	block, err := readBlock(file, path)
	if err != nil {
		return PrivateKey{}, err
	}
	unfit := func(why string) (PrivateKey, error) {
		return PrivateKey{}, fmt.Errorf("%w: private key %s: %s; `blackout report key FILE` makes one", ErrInput, path, why)
	}
	switch {
	case block.Type == publicBlock:
		return unfit("it is a public key, and signing takes the private one")
	case info.Mode().IsRegular() && info.Mode().Perm()&othersBits != 0:
		return PrivateKey{}, fmt.Errorf("%w: private key %s: others than its owner have rights to it (mode %04o): chmod 600 it, and make a new one if they may have read it",
			ErrInput, path, info.Mode().Perm())
	case block.Type != privateBlock:
		return unfit(fmt.Sprintf("it is a block of type %q, and an Ed25519 key in PKCS #8 without a password is wanted", block.Type))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return unfit("it is no key in PKCS #8") // what the parser says may quote it
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return unfit("it is not an Ed25519 key")
	}
	return PrivateKey{key: key, path: path}, nil
}

// ReadPublicKey reads an Ed25519 key in PEM (SubjectPublicKeyInfo), as [MakeKey] and
// `openssl pkey -pubout` write it. All errors are [ErrInput].
func ReadPublicKey(path string) (PublicKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: public key: %w", ErrInput, err)
	}
	defer file.Close()
	block, err := readBlock(file, path)
	if err != nil {
		return PublicKey{}, err
	}
	unfit := func(why string) (PublicKey, error) {
		return PublicKey{}, fmt.Errorf("%w: public key %s: %s", ErrInput, path, why)
	}
	switch {
	case strings.HasSuffix(block.Type, privateBlock):
		return unfit("it is a private key: verifying takes the public one, and nobody else should have this one")
	case block.Type != publicBlock:
		return unfit(fmt.Sprintf("it is a block of type %q, and a %q is wanted", block.Type, publicBlock))
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return unfit("it is no key in SubjectPublicKeyInfo")
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return unfit("it is not an Ed25519 key")
	}
	return PublicKey{key}, nil
}

// readBlock reads a file that holds one PEM block.
func readBlock(file io.Reader, path string) (*pem.Block, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("%w: key %s: %w", ErrInput, path, err)
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: key %s: it holds no PEM block", ErrInput, path)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: key %s: it holds more than one PEM block", ErrInput, path)
	}
	return block, nil
}
