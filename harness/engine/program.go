// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Program says what to run.
type Program struct {
	Name   string // "gateway", "toxiproxy", "store" …; names the image
	Binary string // path of a static executable on this machine
	Image  string // docker only: run this image instead of one made from Binary

	// Digest is the SHA-256 of Binary, hexadecimal, where it is known: to read a
	// large executable takes as long as to start it.
	Digest string
}

// DigestOf is the SHA-256 of a file, hexadecimal.
func DigestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
