// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package clustertest makes what tests of a cluster need: certificates, thrown
// away with the test. [Certificate] makes the one that all nodes share, an
// [Authority] makes one for each.
//
//	certificate, key := clustertest.Certificate(t)
//	certificate, key := clustertest.NewAuthority(t).Issue(t, clustertest.Leaf{Names: []string{"cp.example"}})
package clustertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Certificate returns a self-signed certificate with its key, both PEM, of the
// kind that `kong hybrid gen_cert` makes (Kong 3.9): the name in the CN alone.
func Certificate(t testing.TB) (certificate, key []byte) {
	t.Helper()
	return CertificateUntil(t, time.Now().Add(time.Hour))
}

// CertificateUntil is a [Certificate] that ends at a given time.
func CertificateUntil(t testing.TB, end time.Time) (certificate, key []byte) {
	t.Helper()
	template := template("kong_clustering", end)
	private := newKey(t)
	return sign(t, template, template, private, private), encode(t, private)
}

// Authority vouches for certificates. Make it with [NewAuthority].
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	chain       []byte // PEM of what stands between it and the root; empty for a root
}

// NewAuthority makes a root.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	template := authority()
	key := newKey(t)
	return &Authority{certificate: parse(t, sign(t, template, template, key, key)), key: key}
}

// Authority makes an authority that this one vouches for.
func (a *Authority) Authority(t testing.TB) *Authority {
	t.Helper()
	key := newKey(t)
	text := sign(t, authority(), a.certificate, key, a.key)
	return &Authority{certificate: parse(t, text), key: key, chain: append(text, a.chain...)}
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Leaf says what a node's certificate is for. The zero value is for everything
// and nobody, for an hour.
type Leaf struct {
	Names []string           // of the host
	Usage []x509.ExtKeyUsage // none: any
	End   time.Time          // zero: in an hour
}

// Issue makes a node's certificate, followed by those of the authorities up to
// the root, and its key, both PEM.
func (a *Authority) Issue(t testing.TB, leaf Leaf) (certificate, key []byte) {
	t.Helper()
	if leaf.End.IsZero() {
		leaf.End = time.Now().Add(time.Hour)
	}
	template := template("node", leaf.End)
	template.DNSNames, template.ExtKeyUsage = leaf.Names, leaf.Usage
	private := newKey(t)
	return append(sign(t, template, a.certificate, private, a.key), a.chain...), encode(t, private)
}

func template(name string, end time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    end.Add(-2 * time.Hour),
		NotAfter:     end,
	}
}

func authority() *x509.Certificate {
	made := template("authority", time.Now().Add(time.Hour))
	made.Subject.SerialNumber = made.SerialNumber.String() // a name for each
	made.IsCA, made.BasicConstraintsValid, made.KeyUsage = true, true, x509.KeyUsageCertSign
	return made
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return key
}

func encode(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatalf("encode the key: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// sign makes the certificate of subject, whose private key is given, vouched for
// by issuer.
func sign(t testing.TB, subject, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parse(t testing.TB, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatalf("read a certificate: %v", err)
	}
	return certificate
}
