// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"blackout/fixtures"
	"blackout/internal/impostor"
	"blackout/internal/programtest"
)

// cluster is a control plane, played by an impostor, and a data plane that is no
// more than its certificate.
type cluster struct {
	t       *testing.T
	server  *impostor.Server // of the control plane
	address string
	held    map[string]fixtures.Identity
	starts  []string // of nodes, in order
	fail    error    // of Identify, after it has ended the node's process
}

var _ IdentityHolder = (*cluster)(nil)

func newCluster(t *testing.T) *cluster {
	t.Helper()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, server: impostor.New(slog.New(slog.DiscardHandler)), address: programtest.FreeAddress(t), held: map[string]fixtures.Identity{"cp": id, "dp-1": id}}
	t.Cleanup(c.server.CloseAll)
	c.start(id)
	return c
}

// start starts the control plane.
func (c *cluster) start(id fixtures.Identity) {
	c.t.Helper()
	script := impostor.Script{
		Mode: impostor.Normal, Listen: c.address, Table: planeTable(c.t, newer),
		Identity: impostor.Identity{Certificate: string(id.Certificate), Key: string(id.Key)},
	}
	if _, err := c.server.Open(c.t.Context(), "cp", script); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) Identity(node string) fixtures.Identity { return c.held[node] }

func (c *cluster) Identify(_ context.Context, node string, id fixtures.Identity) error {
	if node == "cp" {
		c.server.CloseAll()
	}
	if c.fail != nil {
		return c.fail
	}
	if node == "cp" {
		c.start(id)
	}
	c.held[node] = id
	c.starts = append(c.starts, node)
	return nil
}

func (c *cluster) means(spec Spec) Means {
	return NewCertificate(spec, Certificates{Nodes: c, ControlPlane: "cp", Beside: at(c.address), Ask: question(patience)})
}

func (c *cluster) fault(spec Spec) *Fault { return New(spec, c.means(spec), newLedger(c.t)) }

// certificateKinds are the kinds and the node that each starts again.
var certificateKinds = map[Kind]string{CertificateWrong: "dp-1", CertificateExpired: "dp-1", CertificateRotated: "cp"}

func eachCertificateKind(t *testing.T, test func(t *testing.T, c *cluster, spec Spec)) {
	t.Parallel()
	for kind := range certificateKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, newCluster(t), Spec{Kind: kind, Node: "dp-1"})
		})
	}
}

// TestCertificatesFromPrepareToClean: witnessed in force, and witnessed healed.
func TestCertificatesFromPrepareToClean(t *testing.T) {
	eachCertificateKind(t, func(t *testing.T, c *cluster, spec Spec) {
		before := c.held["dp-1"]
		f := c.fault(spec)
		for _, call := range life {
			if err := doCall(t.Context(), f, call); err != nil {
				t.Fatal(err)
			}
		}
		node := certificateKinds[spec.Kind]
		if len(c.starts) != 2 || c.starts[0] != node || c.starts[1] != node {
			t.Errorf("started again: %q, want %s twice", c.starts, node)
		}
		if string(c.held["dp-1"].Certificate) != string(before.Certificate) || string(c.held["cp"].Certificate) != string(before.Certificate) {
			t.Error("the nodes do not have the certificate that they had")
		}
		if err := f.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestControlsOfCertificatesAreNotInForce: claimed and not injected.
func TestControlsOfCertificatesAreNotInForce(t *testing.T) {
	eachCertificateKind(t, func(t *testing.T, c *cluster, spec Spec) {
		spec.Control = true
		f := c.fault(spec)
		for _, call := range []string{"prepare", "inject"} {
			if err := doCall(t.Context(), f, call); err != nil {
				t.Fatal(err)
			}
		}
		if seen, err := lookOnce(t, f); !errors.Is(err, ErrNotWitnessed) || seen == "" {
			t.Errorf("seen %q, error %v", seen, err)
		}
		if err := f.Clean(t.Context()); err != nil || len(c.starts) != 0 {
			t.Errorf("started again: %q, %v", c.starts, err)
		}
	})
}

// TestCertificatesAreCleanedFromEveryState, and with nothing of them to recover.
func TestCertificatesAreCleanedFromEveryState(t *testing.T) {
	eachCertificateKind(t, func(t *testing.T, c *cluster, spec Spec) {
		for to := fresh; to <= clean; to++ {
			f := c.fault(spec)
			for _, call := range life {
				if f.state == to {
					break
				}
				if err := doCall(t.Context(), f, call); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := readLedger(f.ledger.path); err != nil || len(r.open) != 0 {
				t.Errorf("%s: the ledger holds %+v, %v", stateNames[to], r.open, err)
			}
			for range 2 {
				if err := f.Clean(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if seen, ok := f.means.LookHealed(t.Context()); !ok {
				t.Errorf("cleaned when %s: %s", stateNames[to], seen)
			}
		}
	})
}

// TestNodeThatCouldNotBeStartedAgain is started at the healing, though it never
// got the other certificate.
func TestNodeThatCouldNotBeStartedAgain(t *testing.T) {
	eachCertificateKind(t, func(t *testing.T, c *cluster, spec Spec) {
		f := c.fault(spec)
		if err := f.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.fail = errFake
		if err := f.Inject(t.Context()); !errors.Is(err, errFake) {
			t.Fatalf("error %v", err)
		}
		c.fail = nil
		if err := f.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(c.starts) != 1 {
			t.Errorf("started again: %q", c.starts)
		}
		if _, err := lookOnce(t, f); err != nil {
			t.Error(err)
		}
	})
}

// TestCertificateLooksThatProveNothing.
func TestCertificateLooksThatProveNothing(t *testing.T) {
	t.Parallel()
	stranger, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*cluster){
		"the control plane is gone":             func(c *cluster) { c.server.CloseAll() },
		"the control plane has a third":         func(c *cluster) { c.server.CloseAll(); c.start(stranger) },
		"the node has the cluster's":            func(c *cluster) { c.held["dp-1"] = c.held["cp"] },
		"the node has one that has not expired": func(c *cluster) { c.held["dp-1"] = stranger },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			f := c.fault(Spec{Kind: CertificateExpired, Node: "dp-1"})
			for _, call := range []string{"prepare", "inject"} {
				if err := doCall(t.Context(), f, call); err != nil {
					t.Fatal(err)
				}
			}
			spoil(c)
			if seen, err := lookOnce(t, f); !errors.Is(err, ErrNotWitnessed) {
				t.Errorf("seen %q, error %v", seen, err)
			}
		})
	}
}

// TestCertificatesThatCannotBeChanged.
func TestCertificatesThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	if err := c.fault(Spec{Kind: CertificateWrong, Node: "cp"}).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "name a data plane") {
		t.Errorf("the control plane's own: %v", err)
	}
	var err error
	if c.held["dp-1"], err = fixtures.NewIdentity(); err != nil {
		t.Fatal(err)
	}
	if err := c.fault(Spec{Kind: CertificateWrong, Node: "dp-1"}).Prepare(t.Context()); !errors.Is(err, ErrNotWitnessed) {
		t.Errorf("one that is refused anyway: %v", err)
	}
}

// TestSeenCertificatesShowNoKey.
func TestSeenCertificatesShowNoKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	f := c.fault(Spec{Kind: CertificateWrong, Node: "dp-1"})
	for _, call := range []string{"prepare", "inject"} {
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := lookOnce(t, f)
	if err != nil || strings.Contains(seen, "PRIVATE") {
		t.Errorf("seen %q, %v", seen, err)
	}
	ledger, err := os.ReadFile(f.ledger.path)
	if err != nil || strings.Contains(string(ledger), "PRIVATE") {
		t.Errorf("ledger %q, %v", ledger, err)
	}
}
