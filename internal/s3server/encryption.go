// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// headerEncryption asks for an object's encryption, and tells of it.
	headerEncryption = "X-Amz-Server-Side-Encryption"

	// ownKeys is its value for keys that the server manages, SSE-S3: the only ones here.
	ownKeys = "AES256"

	keyBytes = 32 // AES-256
)

// openCipher opens the cipher of encrypted objects, whose key is kept in a file, so that
// a server that is killed and started again can still read them.
func openCipher(file string) (cipher.AEAD, error) {
	key, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keyBytes)
		if _, err = rand.Read(key); err == nil {
			err = replaceFile(filepath.Dir(file), file, key)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encryption key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encryption key in %s: %w", file, err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal is what is stored of a body. The key of the object goes into it, so that nobody
// can put one object's body in another's place.
func (f *files) seal(r record, body []byte) []byte {
	if r.Metadata[headerEncryption] == "" {
		return body
	}
	return f.cipher.Seal(nil, nil, body, []byte(r.Key))
}

// unseal is the body of what was stored.
func (f *files) unseal(r record, stored []byte) ([]byte, error) {
	body, err := f.cipher.Open(nil, nil, stored, []byte(r.Key))
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", r.Key, err)
	}
	return body, nil
}
