// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"blackout/internal/s3front"
)

// StorageTLS is a node's way to its store over TLS, for StoreUnknownCA and
// StoreOtherHost: an endpoint of the store front that is this node's alone.
type StorageTLS struct {
	Front     *s3front.Client
	Endpoint  string              // its name at the front
	Untrusted s3front.Certificate // one that the node must not trust, as the kind says

	Node    func(context.Context) error // a read of the snapshot as the node's, trusting whom it trusts
	Control func(context.Context) error // one without TLS
}

// storedTLS stages StoreUnknownCA and StoreOtherHost.
type storedTLS struct {
	spec Spec
	at   StorageTLS
}

// NewStoreTLS returns the means of StoreUnknownCA and StoreOtherHost.
func NewStoreTLS(spec Spec, at StorageTLS) Means { return &storedTLS{spec, at} }

// Prepare implements Means.
func (m *storedTLS) Prepare(ctx context.Context) error {
	if err := m.at.Node(ctx); err != nil {
		return fmt.Errorf("%w: the store does not work over TLS before the fault: %w", ErrNotWitnessed, err)
	}
	return nil
}

// Undo implements Means.
func (m *storedTLS) Undo() []Undo {
	return []Undo{{Do: UndoStoreTLS, Args: map[string]string{"front": m.at.Front.Address(), "endpoint": m.at.Endpoint}}}
}

// Inject implements Means.
func (m *storedTLS) Inject(ctx context.Context) error {
	return m.at.Front.ShowCertificate(ctx, m.at.Endpoint, m.at.Untrusted)
}

// Look implements Means.
func (m *storedTLS) Look(ctx context.Context) (string, bool) {
	nodeErr := m.at.Node(ctx)
	if nodeErr == nil {
		return "the node would still trust the store's certificate", false
	}
	if err := m.at.Control(ctx); err != nil {
		return fmt.Sprintf("the store fails without TLS too: %v", err), false
	}
	return fmt.Sprintf("the node's handshake fails (%v), the store answers without TLS", nodeErr), m.shows(nodeErr)
}

// shows says whether a handshake failed by the kind's certificate.
func (m *storedTLS) shows(failure error) bool {
	if m.spec.Kind == StoreOtherHost {
		_, other := errors.AsType[x509.HostnameError](failure)
		return other
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](failure)
	return unknown
}

// Heal implements Means.
func (m *storedTLS) Heal(ctx context.Context) error {
	return restoreCertificate(ctx, m.at.Front, m.at.Endpoint)
}

// LookHealed implements Means.
func (m *storedTLS) LookHealed(ctx context.Context) (string, bool) {
	if err := m.at.Node(ctx); err != nil {
		return fmt.Sprintf("the node would still fail: %v", err), false
	}
	return "the node would trust the store's certificate again", true
}

// Clean implements Means.
func (m *storedTLS) Clean(context.Context) error { return nil }

// UndoStoreTLS is the name of the undo that [HealStoreTLS] carries out.
const UndoStoreTLS = "restore certificate of store front"

// HealStoreTLS lets args["endpoint"] of the store front whose control address is
// args["front"] show its first certificate. If nobody listens there, the endpoint
// went with the front.
func HealStoreTLS(ctx context.Context, args map[string]string) error {
	return restoreCertificate(ctx, s3front.NewClient(args["front"]), args["endpoint"])
}

func restoreCertificate(ctx context.Context, front *s3front.Client, endpoint string) error {
	if err := front.RestoreCertificate(ctx, endpoint); !errors.Is(err, s3front.ErrGone) {
		return err
	}
	return nil
}
