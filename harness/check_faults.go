// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"slices"

	"blackout/harness/fault"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// Faults are all faults that a plan's steps inject, in their order.
func Faults(p plan.Plan) []fault.Spec {
	var out []fault.Spec
	for _, s := range p.Steps {
		if a, ok := s.Action.(injecting); ok {
			out = append(out, a.injects()...)
		}
	}
	return out
}

// faults follows what a step injects and heals.
func (c *checker) faults(s plan.Step) error {
	if a, ok := s.Action.(injecting); ok {
		if err := c.inject(s.Number, a.injects()); err != nil {
			return err
		}
	}
	if a, ok := s.Action.(ScaleOut); ok {
		if err := a.check(); err != nil {
			return err
		}
	}
	if a, ok := s.Action.(Heal); ok {
		for _, target := range a.Targets {
			if !slices.ContainsFunc(c.open, func(u unhealed) bool { return u.Target() == target }) {
				return fmt.Errorf("there is no fault on %s to heal", target)
			}
		}
	}
	if a, ok := s.Action.(healing); ok {
		c.open = slices.DeleteFunc(c.open, func(u unhealed) bool { return a.heals(u.Spec) })
	}
	return nil
}

// inject follows the faults that a step injects.
func (c *checker) inject(step int, faults []fault.Spec) error {
	for _, f := range faults {
		if err := c.fault(f); err != nil {
			return err
		}
		if i := slices.IndexFunc(c.open, func(u unhealed) bool { return f.Node == "" && u.Edge == f.Edge }); i >= 0 {
			return fmt.Errorf("%s: step %d injects %s on that edge: heal it first", f, c.open[i].step, c.open[i].Kind)
		}
		c.open = append(c.open, unhealed{f, step})
	}
	return nil
}

// check says why a fault cannot be in force before the nodes that are added start.
func (a ScaleOut) check() error {
	for _, f := range a.Faults {
		if !slices.ContainsFunc(a.Nodes, func(n topology.Node) bool { return n.Name == f.Node || n.Name == f.Edge.From }) {
			return fmt.Errorf("%s: it concerns no node that this step adds: inject it in a step of its own", f)
		}
		if f.Kind.Family() == fault.Nodes || f.Kind == fault.DNSFailure {
			return fmt.Errorf("%s: the node does not run before this step: inject it in a later one", f)
		}
	}
	return nil
}

// edge says why a fault of an edge cannot be injected now. The edge to a database that
// is a file may be named: the run then says that it has no such edge, and what needs
// the fault is not measured.
func (c *checker) edge(f fault.Spec) error {
	n, there := c.now.Node(f.Edge.From)
	database := n.Role == topology.ControlPlane && f.Edge.ToDatabase()
	switch {
	case !there || !database && !slices.Contains(c.now.Edges(n), f.Edge):
		return fmt.Errorf("%s: there is no such edge", f)
	case database && f.Kind.Family() == fault.ControlPlanes:
		return fmt.Errorf("%s: it acts on the edge to a control plane, and this one leads to a database", f)
	case database && slices.Contains(heavy, f.Kind):
		return fmt.Errorf("%s: a question to a database is a few bytes, too little to see that in: use another kind", f)
	}
	return nil
}

// heavy are the kinds that only an exchange of many bytes shows.
var heavy = []fault.Kind{fault.Bandwidth, fault.Slicing, fault.Truncate}

// certificates are the kinds that act on how a data plane identifies itself.
var certificates = []fault.Kind{fault.CertificateWrong, fault.CertificateExpired, fault.CertificateRotated}

// storeCertificates are the kinds that act on how a store identifies itself.
var storeCertificates = []fault.Kind{fault.StoreUnknownCA, fault.StoreOtherHost}

// fault says why a fault cannot be injected now.
func (c *checker) fault(f fault.Spec) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Node == "" {
		return c.edge(f)
	}
	n, there := c.now.Node(f.Node)
	switch {
	case !there:
		return fmt.Errorf("%s: no step before it starts %s", f, f.Node)
	case (f.Kind.Family() == fault.Stores || f.Kind == fault.CredentialRevoked) && !n.HasAccount():
		return fmt.Errorf("%s: %s has no account of a store", f, f.Node)
	case f.Kind.Family() == fault.Disks && n.Disk == 0:
		return fmt.Errorf("%s: %s has no disk of its own: give it a size", f, f.Node)
	case slices.Contains(certificates, f.Kind) && n.Role == topology.ControlPlane:
		return fmt.Errorf("%s: it acts on a node that dials a control plane: name a data plane", f)
	case slices.Contains(storeCertificates, f.Kind) && (!n.HasAccount() || !n.StoreTLS):
		return fmt.Errorf("%s: %s does not reach a store over TLS", f, f.Node)
	}
	return nil
}
