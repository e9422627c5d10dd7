// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"blackout/fixtures"
	"blackout/internal/outlet"
)

// IdentityHolder is a cluster, as far as its nodes' cluster certificates go.
type IdentityHolder interface {
	// Identity is the one that a node's process was started with; of a node that
	// was not started yet, the one that it will be started with.
	Identity(node string) fixtures.Identity

	// Identify gives a node another. A process that runs is ended and another
	// started at its site, with the same directory and parameters; a node that was
	// not started yet is not started now.
	Identify(ctx context.Context, node string, id fixtures.Identity) error
}

// Certificates is what the fault of a cluster certificate is staged and witnessed
// with.
type Certificates struct {
	Nodes        IdentityHolder
	ControlPlane string // the node's

	// Beside is where the harness dials an edge to the control plane that nothing
	// is wrong with.
	Beside func(context.Context) (address string, err error)

	// Ask is how the witness asks; it needs no TLS.
	Ask outlet.Options
}

// certificate stages the faults of cluster certificates. Nothing of it outlives
// the run's processes: the certificates exist in their environment alone.
type certificate struct {
	spec Spec
	with Certificates

	node          string            // whose certificate is changed
	before, after fixtures.Identity // known from Prepare on
	changed       bool              // or about to be
}

// NewCertificate returns the means of a cluster certificate's fault. The spec's
// node is a data plane, also one that is yet to be started.
func NewCertificate(spec Spec, with Certificates) Means {
	node := spec.Node
	if spec.Kind == CertificateRotated {
		node = with.ControlPlane
	}
	return &certificate{spec: spec, with: with, node: node}
}

// Prepare asks with the node's certificate: one that is refused anyway would
// witness a fault that does nothing.
func (c *certificate) Prepare(ctx context.Context) error {
	if c.spec.Node == c.with.ControlPlane {
		return fmt.Errorf("name a data plane: the control plane's own certificate is changed by %s", CertificateRotated)
	}
	wait := c.with.Ask.Wait
	c.with.Ask.Wait = max(prepareWait, wait)
	answer := c.ask(ctx, c.with.Nodes.Identity(c.spec.Node), verifying)
	c.with.Ask.Wait = wait
	if answer.Configuration == nil {
		return fmt.Errorf("%w: the certificate is not accepted before the fault: %s", ErrNotWitnessed, answer)
	}
	c.before = c.with.Nodes.Identity(c.node)
	var err error
	if c.spec.Kind == CertificateExpired {
		c.after, err = c.before.Expired()
	} else {
		c.after, err = fixtures.NewIdentity()
	}
	return err
}

func (c *certificate) Undo() []Undo { return nil }

func (c *certificate) Inject(ctx context.Context) error {
	c.changed = true
	return c.with.Nodes.Identify(ctx, c.node, c.after)
}

func (c *certificate) Heal(ctx context.Context) error {
	if !c.changed {
		return nil // a node is not started again for nothing
	}
	if err := c.with.Nodes.Identify(ctx, c.node, c.before); err != nil {
		return err
	}
	c.changed = false
	return nil
}

func (c *certificate) Clean(context.Context) error { return nil }

// Look asks with the certificate that the node has, with and without verifying
// the control plane's, and with the control plane's own: neither side may take
// the other for one of its cluster, and only because of the certificate.
func (c *certificate) Look(ctx context.Context) (string, bool) {
	id := c.with.Nodes.Identity(c.spec.Node)
	if c.spec.Kind == CertificateExpired {
		if until, err := expiry(id); err != nil || until.After(time.Now()) {
			return fmt.Sprintf("the certificate of %s is valid until %s (%v)", c.spec.Node, until.UTC().Format(time.RFC3339), err), false
		}
	}
	strict, lax := c.ask(ctx, id, verifying), c.ask(ctx, id, trusting)
	own := c.ask(ctx, c.with.Nodes.Identity(c.with.ControlPlane), verifying)
	var distrust *tls.CertificateVerificationError
	ok := ctx.Err() == nil && errors.As(strict.Err, &distrust) && turnedAway(lax) && own.Configuration != nil
	return fmt.Sprintf("with the certificate of %s: %s; without verifying the control plane's: %s; with the control plane's own: %s",
		c.spec.Node, strict, lax, own), ok
}

// turnedAway says whether a control plane that could be talked to wanted nothing of
// it: it closed the connection, or answered with a refusal.
func turnedAway(a outlet.Answer) bool { return a.Secured && !a.Upgraded() && !a.Silent() }

// LookHealed asks with the certificate that the node has.
func (c *certificate) LookHealed(ctx context.Context) (string, bool) {
	answer := c.ask(ctx, c.with.Nodes.Identity(c.spec.Node), verifying)
	return fmt.Sprintf("with the certificate of %s: %s", c.spec.Node, answer), answer.Configuration != nil
}

// How the witness takes the control plane's certificate.
const (
	verifying = false
	trusting  = true // whatever it is
)

// ask asks the control plane with a certificate.
func (c *certificate) ask(ctx context.Context, id fixtures.Identity, trust bool) outlet.Answer {
	address, err := c.with.Beside(ctx)
	if err != nil {
		return outlet.Answer{Err: err}
	}
	o := c.with.Ask
	if o.TLS, err = id.ClientTLS(); err != nil {
		return outlet.Answer{Err: err}
	}
	o.TLS.InsecureSkipVerify = trust // #nosec G402 -- to see what the other side makes of ours
	return outlet.Ask(ctx, address, o)
}

// expiry is the moment after which an identity's certificate is not valid.
func expiry(id fixtures.Identity) (time.Time, error) {
	pair, err := tls.X509KeyPair(id.Certificate, id.Key)
	if err != nil {
		return time.Time{}, fmt.Errorf("read cluster certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return time.Time{}, fmt.Errorf("read cluster certificate: %w", err)
	}
	return leaf.NotAfter, nil
}
