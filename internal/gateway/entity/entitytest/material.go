// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// pems are certificates and keys, made once: how they look does not matter.
type pems struct {
	certificate, key, public string
	jwk                      string
	authorities              []authority
}

// authority is a CA certificate. The Admin API takes taken; cert and cert_digest
// are what has become of it.
type authority struct{ taken, cert, digest string }

var material = sync.OnceValue(func() pems {
	private := newKey()
	now := time.Now()
	leaf := newCertificate(private, "leaf", false, now.Add(24*time.Hour))
	good := newCertificate(private, "authority", true, now.Add(24*time.Hour))
	expired := newCertificate(private, "expired authority", true, now.Add(-24*time.Hour))
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(err)
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	must(err)
	point, err := private.PublicKey.Bytes() // 4, x, y
	must(err)
	coordinate := func(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }
	return pems{
		jwk:         fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"k","x":%q,"y":%q}`, coordinate(point[1:33]), coordinate(point[33:])),
		certificate: block("CERTIFICATE", leaf), key: block("PRIVATE KEY", secret), public: block("PUBLIC KEY", public),
		authorities: []authority{
			{block("CERTIFICATE", good), block("CERTIFICATE", good), digest(good)},
			{block("CERTIFICATE", good), block("CERTIFICATE", expired), digest(expired)},
		},
	}
})

// ExpiredAuthority returns a CA certificate that has expired, with its digest.
func ExpiredAuthority() (cert, digest string) {
	expired := material().authorities[1]
	return expired.cert, expired.digest
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func newCertificate(key *ecdsa.PrivateKey, name string, isCA bool, end time.Time) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(end.Unix()), Subject: pkix.Name{CommonName: name},
		NotBefore: end.Add(-48 * time.Hour), NotAfter: end, IsCA: isCA, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	return der
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func digest(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("make certificates for a test: %v", err))
	}
}
