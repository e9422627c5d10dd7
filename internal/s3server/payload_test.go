// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

func testSignature() signature {
	return signature{accessKey: "key", date: "20261101", region: "us-east-1", signature: make([]byte, 32),
		at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
}

// encodeChunks is a client's side of a streaming payload.
func encodeChunks(t testing.TB, chunks ...string) string {
	t.Helper()
	var body strings.Builder
	sign := testSignature().chunkSigner("secret")
	for _, chunk := range chunks {
		sum, err := sign(context.Background(), []byte(chunk))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&body, "%x;chunk-signature=%s\r\n%s\r\n", len(chunk), hex.EncodeToString(sum), chunk)
	}
	return body.String()
}

func TestReadChunks(t *testing.T) {
	t.Parallel()
	good := encodeChunks(t, "first", "second", "")
	first, rest, _ := strings.Cut(good, "6;")
	tests := []struct{ name, body, want string }{
		{"whole", good, "firstsecond"},
		{"empty", encodeChunks(t, ""), ""},
		{"no last chunk", encodeChunks(t, "first"), "error"},
		{"cut in data", good[:len(first)-4], "error"},
		{"chunk left out", "6;" + rest, "error"},
		{"changed data", strings.Replace(good, "second", "sEcond", 1), "error"},
		{"no signature", "5\r\nfirst\r\n0\r\n\r\n", "error"},
		{"negative size", "-1;chunk-signature=00\r\n", "error"},
		{"huge size", "ffffffff;chunk-signature=00\r\n", "error"},
		{"longer than announced", strings.Replace(good, "first", "firstx", 1), "error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := readChunks(t.Context(), strings.NewReader(test.body), testSignature().chunkSigner("secret"))
			if err != nil {
				got = []byte("error")
			}
			if string(got) != test.want {
				t.Errorf("%q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

// FuzzReadChunks checks that no body is accepted but the one that was signed.
func FuzzReadChunks(f *testing.F) {
	good := encodeChunks(f, "first", "second", "")
	f.Add([]byte(good))
	f.Add([]byte("0;chunk-signature=\r\n\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readChunks(t.Context(), bytes.NewReader(body), testSignature().chunkSigner("secret"))
		if err == nil && string(got) != "firstsecond" {
			t.Errorf("accepted %q from %q", got, body)
		}
	})
}

// FuzzParseClaim checks that what is accepted has all its parts.
func FuzzParseClaim(f *testing.F) {
	f.Add(algorithm + " Credential=k/20261101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0f", 32))
	f.Add(algorithm + " Credential=,SignedHeaders=,Signature=")
	f.Fuzz(func(t *testing.T, header string) {
		s, err := parseClaim(header)
		if err == nil && (s.accessKey == "" || strings.Contains(s.accessKey, "/") || len(s.signature) != 32) {
			t.Errorf("accepted %q as %+v", header, s)
		}
	})
}
