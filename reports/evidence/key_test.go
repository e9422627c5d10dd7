// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyFiles: only the owner may read the private half, and neither is replaced.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	made, err := MakeKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %o", info.Mode().Perm())
	}
	public, err := ReadPublicKey(path + PublicSuffix)
	if err != nil || public.ID() != made.ID() {
		t.Errorf("read %v back, want %v: %v", public.ID(), made.ID(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MakeKey(path); !errors.Is(err, ErrInput) {
		t.Errorf("made again: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key was replaced: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeKey(path); !errors.Is(err, ErrInput) {
		t.Errorf("over a public key: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a private key without its public half was left")
	}
}

// TestOthersMayNotRead: a private key that others may read has been read.
func TestOthersMayNotRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		path := filepath.Join(t.TempDir(), "key.pem")
		if _, err := MakeKey(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadPrivateKey(path)
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "chmod 600") || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// TestKeysAreNotPrinted: in no form, and by no error.
func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	private, _ := keys(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, value := range []any{private, &private, []PrivateKey{private}, struct{ Key PrivateKey }{private}} {
			text := fmt.Sprintf(verb, value)
			if !strings.Contains(text, "[redacted]") || strings.Contains(text, hex.EncodeToString(private.key[:4])) {
				t.Errorf("%s of %T prints %s", verb, value, text)
			}
		}
	}
}

// TestUnfitKeys: what is in a file is no part of an error.
func TestUnfitKeys(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherDER, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	otherPublic, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	}
	secret := []byte("correct horse battery staple")
	path := filepath.Join(t.TempDir(), "key.pem")
	if _, err := MakeKey(path); err != nil {
		t.Fatal(err)
	}
	private, public := readFile(t, path), readFile(t, path+PublicSuffix)
	for name, c := range map[string]struct {
		content               []byte
		asPrivate, asPublicIs string
	}{
		"nothing":        {nil, "no PEM block", "no PEM block"},
		"a secret":       {secret, "no PEM block", "no PEM block"},
		"a secret block": {block("PRIVATE KEY", secret), "PKCS #8", "is a private key"},
		"a public block": {block("PUBLIC KEY", secret), "is a public key", "SubjectPublicKeyInfo"},
		"with password":  {block("ENCRYPTED PRIVATE KEY", secret), "without a password", "is a private key"},
		"a certificate":  {block("CERTIFICATE", secret), `"CERTIFICATE"`, `"CERTIFICATE"`},
		"another kind":   {block("PRIVATE KEY", otherDER), "not an Ed25519 key", "is a private key"},
		"of another":     {block("PUBLIC KEY", otherPublic), "is a public key", "not an Ed25519 key"},
		"both halves":    {append(bytes.Clone(private), public...), "more than one", "more than one"},
		"the public one": {public, "is a public key", ""},
	} {
		path := write(t, c.content, t.TempDir(), "key")
		_, err := ReadPrivateKey(path)
		_, publicErr := ReadPublicKey(path)
		for _, e := range []struct {
			err  error
			says string
		}{{err, c.asPrivate}, {publicErr, c.asPublicIs}} {
			if e.says == "" && e.err == nil {
				continue
			}
			if !errors.Is(e.err, ErrInput) || !strings.Contains(e.err.Error(), e.says) || !strings.Contains(e.err.Error(), path) {
				t.Errorf("%s: %v, want what names the file and says %q", name, e.err, e.says)
			}
			if strings.Contains(e.err.Error(), "horse") || strings.Contains(e.err.Error(), base64.StdEncoding.EncodeToString(secret)) {
				t.Errorf("%s: %v quotes the file", name, e.err)
			}
		}
	}
	for _, read := range []func(string) error{
		func(p string) error { _, err := ReadPrivateKey(p); return err }, func(p string) error { _, err := ReadPublicKey(p); return err },
	} {
		if err := read(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, ErrInput) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestOpenSSLKeys: keys that openssl makes sign and verify, and it verifies our signature.
func TestOpenSSLKeys(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("LEFT OUT: there is no openssl") // a second implementation, which .ci/run installs; ours is tested without it
	}
	dir := t.TempDir()
	ask := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v: %s", args, err, out)
		}
	}
	ask("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
	ask("pkey", "-in", "key.pem", "-pubout", "-out", "key.pem.pub")
	ask("pkey", "-pubin", "-in", "key.pem.pub", "-outform", "DER", "-out", "key.der")
	if err := os.Chmod(filepath.Join(dir, "key.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	private, err := ReadPrivateKey(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ReadPublicKey(filepath.Join(dir, "key.pem.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(readFile(t, filepath.Join(dir, "key.der"))); public.ID() != hex.EncodeToString(sum[:]) || private.Public().ID() != public.ID() {
		t.Errorf("the key is %s, and its private half's %s", public.ID(), private.Public().ID())
	}
	sealed, err := seal(small(), private)
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := decode(bytes.TrimSpace(sealed), &e); err != nil {
		t.Fatal(err)
	}
	write(t, preAuthentication(e.PayloadType, e.Payload), dir, "signed")
	write(t, e.Signatures[0].Sig, dir, "sig")
	ask("pkeyutl", "-verify", "-pubin", "-inkey", "key.pem.pub", "-rawin", "-in", "signed", "-sigfile", "sig")
}
