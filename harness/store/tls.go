// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// TLS is what a client expects of a store's certificate.
type TLS struct {
	Host      string // the name or IP address by which the store is known
	Authority []byte // the only one that is trusted, PEM
}

// config is the TLS configuration; nil without TLS.
func (t *TLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(t.Authority) {
		return nil, errors.New("the store's authority is not a certificate in PEM")
	}
	return &tls.Config{RootCAs: roots, ServerName: t.Host, MinVersion: tls.VersionTLS12}, nil
}
