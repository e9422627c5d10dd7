// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// serverName is the name under which all peers of a cluster in shared mode know
// each other.
const serverName = "kong_clustering"

// Identity is the certificate that all nodes of a cluster share (Kong 3.9
// cluster_mtls=shared). A peer is one of the cluster if it shows exactly this
// certificate and proves to hold its key.
type Identity struct {
	certificate tls.Certificate
	digest      [sha256.Size]byte
}

// NewIdentity reads a certificate and its private key, both PEM.
func NewIdentity(certificate, key []byte) (Identity, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return Identity{}, fmt.Errorf("cluster certificate and key: %w", err)
	}
	return Identity{certificate: pair, digest: sha256.Sum256(pair.Certificate[0])}, nil
}

// ServerTLS is what a control plane listens with. It takes any client: a
// stranger is turned away by [Server], which then knows its address.
func (i Identity) ServerTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{i.certificate},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
	}
}

// clientTLS is what a data plane dials with.
func (i Identity) clientTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{i.certificate},
		ServerName:   serverName,
		MinVersion:   tls.VersionTLS12,
		// The certificate is self-signed and names its owner in the CN alone,
		// which Go's own verification does not look at. Comparing the whole
		// certificate in VerifyConnection asks for more, and also holds on
		// resumed connections.
		InsecureSkipVerify: true, // #nosec G402 -- see above
		VerifyConnection: func(state tls.ConnectionState) error {
			return i.verify(state.PeerCertificates)
		},
	}
}

// verify checks that the peer's leaf is the cluster's certificate.
func (i Identity) verify(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("the peer shows no certificate")
	}
	if sha256.Sum256(chain[0].Raw) != i.digest {
		return errors.New("the peer's certificate is not the cluster's (cluster_cert must be the same on all nodes)")
	}
	return nil
}
