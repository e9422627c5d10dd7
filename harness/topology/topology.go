// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package topology says what a run is made of: nodes, the links between them
// and the timers they run with. Everything here is a value; nothing starts
// anything. A scale-out is a changed copy: t.With(node). Its central type is
// [Topology].
package topology

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
)

// Role is what a gateway node does.
type Role string

// The roles, named as in Kong's `role` parameter.
const (
	ControlPlane Role = "control_plane"
	DataPlane    Role = "data_plane"
)

// The names of the nodes that are not gateways.
const (
	Store      = "store"
	StoreFront = "storefront"
	Upstream   = "upstream"
	Toxiproxy  = "toxiproxy"
	Witness    = "witness" // the harness itself, as an end of an edge that is never cut
)

// Node is a gateway node.
type Node struct {
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	Import bool   `json:"import,omitempty"` // may read the snapshot when it is created
	Export bool   `json:"export,omitempty"` // writes the snapshot: the backup node

	// Account gives the node a reader's credential for the store although it may
	// not import: what it does not do, it could.
	Account bool `json:"account,omitempty"`
}

// HasAccount says whether a node has a credential of its own for the store.
func (n Node) HasAccount() bool { return n.Import || n.Export || n.Account }

// Edge is a directed link through Toxiproxy, from the one that dials.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// String is the edge's name, "dp-1>cp".
func (e Edge) String() string { return e.From + ">" + e.To }

// Topology is a control plane and the nodes around it. There is always one
// store behind one store front, one upstream and one Toxiproxy.
type Topology struct {
	Nodes []Node `json:"nodes"`
}

// With is a copy of t that also has node.
func (t Topology) With(node Node) Topology {
	return Topology{Nodes: append(slices.Clone(t.Nodes), node)}
}

// ControlPlane is the name of the control plane.
func (t Topology) ControlPlane() string {
	for _, n := range t.Nodes {
		if n.Role == ControlPlane {
			return n.Name
		}
	}
	return ""
}

// DataPlanes are the nodes that proxy, backup nodes included, in order.
func (t Topology) DataPlanes() []Node {
	var nodes []Node
	for _, n := range t.Nodes {
		if n.Role == DataPlane {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Edges are a node's links: to the control plane if it is a data plane, and to
// the store if it has an account there.
func (t Topology) Edges(n Node) []Edge {
	var edges []Edge
	if n.Role == DataPlane {
		edges = append(edges, t.CPEdge(n.Name))
	}
	if n.HasAccount() {
		edges = append(edges, StoreEdge(n.Name))
	}
	return edges
}

// CPEdge is the edge on which a node dials the control plane.
func (t Topology) CPEdge(node string) Edge { return Edge{From: node, To: t.ControlPlane()} }

// StoreEdge is the edge on which a node reaches the store.
func StoreEdge(node string) Edge { return Edge{From: node, To: Store} }

// Validate reports the first thing that makes t unusable.
func (t Topology) Validate() error {
	seen := map[string]bool{Store: true, StoreFront: true, Upstream: true, Toxiproxy: true, Witness: true}
	planes := 0
	for _, n := range t.Nodes {
		if n.Name == "" || seen[n.Name] {
			return fmt.Errorf("topology: node name %q is empty, reserved or used twice", n.Name)
		}
		seen[n.Name] = true
		switch n.Role {
		case ControlPlane:
			planes++
			if n.Import {
				return fmt.Errorf("topology: %s: a control plane cannot import a snapshot", n.Name)
			}
		case DataPlane:
		default:
			return fmt.Errorf("topology: %s: unknown role %q", n.Name, n.Role)
		}
	}
	if planes != 1 {
		return fmt.Errorf("topology: %d control planes, want one", planes)
	}
	return nil
}

// Profiles are the timer profiles by name: "kong", Kong's defaults, for nightly
// runs and evidence; "fast" for continuous integration.
var Profiles = map[string]history.Profile{
	"kong": {
		Name:            "kong",
		ReconnectMin:    5 * time.Second,
		ReconnectMax:    10 * time.Second,
		PingInterval:    30 * time.Second,
		Silence:         45 * time.Second,
		DialTimeout:     5 * time.Second,
		NoConfiguration: 10 * time.Second,
		ExportDelay:     60 * time.Second,
	},
	"fast": {
		Name:            "fast",
		ReconnectMin:    500 * time.Millisecond,
		ReconnectMax:    time.Second,
		PingInterval:    time.Second,
		Silence:         3 * time.Second,
		DialTimeout:     time.Second,
		NoConfiguration: time.Second,
		ExportDelay:     time.Second,
	},
}
