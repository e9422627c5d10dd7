// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"blackout/internal/gateway/conf"
)

// certificates are what a TLS listener shows.
type certificates struct {
	own []tls.Certificate // at least one; the first is for clients that name nobody

	// named is the configured certificate for a name, or nil. It may change
	// between two handshakes.
	named func(serverName string) *tls.Certificate
}

// newCertificates reads the certificates of a listener. Without any, the node
// makes one for "localhost", as Kong does, which no client will trust.
func newCertificates(pairs []conf.KeyPair) (*certificates, error) {
	c := &certificates{named: func(string) *tls.Certificate { return nil }}
	for i, pair := range pairs {
		certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %d and its key: %w", i+1, err)
		}
		c.own = append(c.own, certificate)
	}
	if len(c.own) > 0 {
		return c, nil
	}
	certificate, err := selfSigned("localhost", time.Now())
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	c.own = []tls.Certificate{certificate}
	return c, nil
}

// config is what the listener speaks TLS with.
func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.choose}
}

// choose takes what is configured for the client's name, and otherwise the first
// of the listener's own that the client's algorithms allow.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if certificate := c.named(hello.ServerName); certificate != nil {
		return certificate, nil
	}
	for i := range c.own {
		anyName := *hello
		anyName.ServerName = ""
		if anyName.SupportsCertificate(&c.own[i]) == nil {
			return &c.own[i], nil
		}
	}
	return &c.own[0], nil
}

func selfSigned(name string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(20, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
