// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// sharedName is the name under which all peers of a cluster in shared mode know
// each other, whatever cluster_server_name says (Kong 3.9).
const sharedName = "kong_clustering"

// The most certificate authorities between a peer's certificate and the trusted
// one (Kong 3.9: the control plane has it fixed, the data plane's is
// lua_ssl_verify_depth).
const (
	serverDepth = 4
	clientDepth = 1
)

// Identity is how a node shows that it is of the cluster, and how it knows the
// others. There are two kinds:
//
//   - shared (Kong 3.9 cluster_mtls=shared, [NewIdentity]): all nodes have one
//     certificate. A peer is of the cluster if it shows exactly that one and
//     proves to hold its key.
//   - pki ([NewPKIIdentity]): each node has a certificate of its own. A peer is
//     of the cluster if one of the cluster's authorities vouches for it.
type Identity struct {
	certificate tls.Certificate
	digest      [sha256.Size]byte
	pki         *PKI // nil in shared mode
	authorities *x509.CertPool
}

// PKI is what a node of a cluster with an authority needs (Kong 3.9
// cluster_mtls=pki).
type PKI struct {
	Certificate, Key []byte // PEM: the node's own (cluster_cert, cluster_cert_key)

	// Authorities are trusted to vouch for peers, PEM (cluster_ca_cert); System
	// adds those that the host trusts.
	Authorities []byte
	System      bool

	// ServerName is the control plane's name that its certificate must be for
	// (cluster_server_name, else the host of cluster_control_plane). A control
	// plane does not need it.
	ServerName string

	// Depth is the most intermediate authorities in the chain of a control plane
	// (lua_ssl_verify_depth); 0 stands for 1. That of a data plane is 4.
	Depth int
}

// NewIdentity reads the certificate that all nodes share, and its key, both PEM.
func NewIdentity(certificate, key []byte) (Identity, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return Identity{}, fmt.Errorf("cluster certificate and key: %w", err)
	}
	return Identity{certificate: pair, digest: sha256.Sum256(pair.Certificate[0])}, nil
}

// NewPKIIdentity makes the identity of a node whose peers have certificates of
// their own.
func NewPKIIdentity(pki PKI) (Identity, error) {
	identity, err := NewIdentity(pki.Certificate, pki.Key)
	if err != nil {
		return Identity{}, err
	}
	identity.authorities = x509.NewCertPool()
	if pki.System {
		if identity.authorities, err = x509.SystemCertPool(); err != nil {
			return Identity{}, fmt.Errorf("read the certificates that the host trusts: %w", err)
		}
	}
	if found := identity.authorities.AppendCertsFromPEM(pki.Authorities); !found && !pki.System {
		return Identity{}, errors.New("cluster_ca_cert holds no certificate; give the PEM text, or a file of it, of the authority that vouches for the cluster's nodes")
	}
	if pki.Depth <= 0 {
		pki.Depth = clientDepth
	}
	identity.pki = &pki
	return identity, nil
}

// Expiry is when the node's own certificate ends.
func (i Identity) Expiry() time.Time { return i.certificate.Leaf.NotAfter }

// ServerTLS is what a control plane listens with. In shared mode it takes any
// client: a stranger is turned away by [Server], which then knows its address.
func (i Identity) ServerTLS() *tls.Config {
	config := &tls.Config{
		Certificates: []tls.Certificate{i.certificate},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
	}
	if i.pki != nil {
		config.ClientAuth = tls.RequireAnyClientCert
		config.VerifyConnection = i.verifyDataPlane
	}
	return config
}

// clientTLS is what a data plane dials with.
func (i Identity) clientTLS() *tls.Config {
	name := sharedName
	if i.pki != nil {
		name = i.pki.ServerName
	}
	return &tls.Config{
		Certificates: []tls.Certificate{i.certificate},
		ServerName:   name,
		MinVersion:   tls.VersionTLS12,
		// The shared certificate is self-signed and names its owner in the CN
		// alone, which Go's own verification does not look at; and that
		// verification knows no depth. VerifyConnection asks for no less, and is
		// called on resumed connections too, where VerifyPeerCertificate is not.
		InsecureSkipVerify: true, // #nosec G402 -- see above
		VerifyConnection:   i.verifyControlPlane,
	}
}

// verifyDataPlane checks a peer that has connected to this node.
func (i Identity) verifyDataPlane(state tls.ConnectionState) error {
	if i.pki == nil {
		return i.verifyShared(state.PeerCertificates)
	}
	return i.verifyChain(state.PeerCertificates, serverDepth, x509.VerifyOptions{
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// verifyControlPlane checks the peer that this node has connected to.
func (i Identity) verifyControlPlane(state tls.ConnectionState) error {
	if i.pki == nil {
		return i.verifyShared(state.PeerCertificates)
	}
	return i.verifyChain(state.PeerCertificates, i.pki.Depth, x509.VerifyOptions{
		DNSName: i.pki.ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

var errNoCertificate = errors.New("the peer shows no certificate")

// verifyShared checks that the peer's leaf is the cluster's certificate, and
// that it is still valid.
func (i Identity) verifyShared(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errNoCertificate
	}
	leaf := chain[0]
	if sha256.Sum256(leaf.Raw) != i.digest {
		return errors.New("the peer's certificate is not the cluster's (cluster_cert must be the same on all nodes)")
	}
	if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("the cluster's certificate is valid from %s to %s only; renew cluster_cert on all nodes",
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// verifyChain checks that an authority vouches for the peer's leaf.
func (i Identity) verifyChain(chain []*x509.Certificate, depth int, options x509.VerifyOptions) error {
	if len(chain) == 0 {
		return errNoCertificate
	}
	options.Roots, options.Intermediates = i.authorities, x509.NewCertPool()
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	verified, err := chain[0].Verify(options)
	if err != nil {
		return fmt.Errorf("the peer's certificate does not fit cluster_ca_cert: %w", err)
	}
	for _, way := range verified {
		if len(way)-2 <= depth { // without the leaf and the trusted authority
			return nil
		}
	}
	return fmt.Errorf("the peer's certificate has more than %d authorities between it and cluster_ca_cert", depth)
}
