// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package topology says what a run is made of: nodes, the links between them
// and the timers they run with. Everything here is a value; nothing starts
// anything. A changed topology is a changed copy: a scale-out is t.With(node), and
// what has to be started and stopped is the difference, t.To(next). Its central
// type is [Topology].
package topology

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
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
	Store      = "store"    // the first store; a second has a name of its own
	Upstream   = "upstream" // the first upstream
	StoreFront = "storefront"
	Toxiproxy  = "toxiproxy"
	Database   = "database" // PostgreSQL, on the harness's machine whatever the engine
	Witness    = "witness"  // the harness itself, as an end of an edge that is never cut
)

// Node is a gateway node.
type Node struct {
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	Import bool   `json:"import,omitempty"` // may read the snapshot when it is created
	Export bool   `json:"export,omitempty"` // writes the snapshot: a backup node

	// Account gives the node a reader's credential for the store although it may
	// not import: what it does not do, it could.
	Account bool `json:"account,omitempty"`

	// ControlPlane is the one that a data plane dials; empty: the first.
	ControlPlane string `json:"control_plane,omitempty"`

	// Database is a control plane's: those with the same name share it. Empty: one
	// of its own. Where it is kept is the topology's to say, see
	// [Topology.Postgres].
	Database string `json:"database,omitempty"`

	// Routes is how many routes a control plane's database has when it first starts,
	// beside the probed one, in the generation [Filled]. `kong config db_import` brings
	// in what would take as many calls of the Admin API. 0: the database is empty.
	Routes int `json:"routes,omitempty"`

	// Store is the one that the node's account is for; empty: the first.
	Store string `json:"store,omitempty"`

	// StoreTLS lets the node reach its store over TLS, by a certificate of an
	// authority that it is told to trust.
	StoreTLS bool `json:"store_tls,omitempty"`

	// Encryption is what the node asks of the store for what it writes there: "AES256"
	// (SSE-S3) or "aws:kms" (SSE-KMS); empty: nothing. The embedded store has keys of
	// its own only, AES256.
	Encryption string `json:"encryption,omitempty"`

	// ProxyTLS lets a data plane proxy at a second port too, over TLS: there it shows
	// the certificates of its configuration.
	ProxyTLS bool `json:"proxy_tls,omitempty"`

	// Disk is the size in bytes of a file system of its own for the node's prefix,
	// which disk faults need; 0: none.
	Disk int64 `json:"disk,omitempty"`

	// Parameters are further kong.conf parameters by name, before all others.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Filled is the generation of what a database is filled with, see [Node.Routes].
const Filled = 1

// HasAccount says whether a node has a credential of its own for a store.
func (n Node) HasAccount() bool { return n.Import || n.Export || n.Account }

// equal says whether two nodes are the same in everything.
func (n Node) equal(o Node) bool {
	parameters := maps.Equal(n.Parameters, o.Parameters)
	n.Parameters, o.Parameters = nil, nil
	return parameters && reflect.DeepEqual(n, o)
}

// Edge is a directed link through Toxiproxy, from the one that dials.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// String is the edge's name, "dp-1>cp".
func (e Edge) String() string { return e.From + ">" + e.To }

// Topology is everything that a run is made of. There is one Toxiproxy, and a
// front before each store.
type Topology struct {
	Nodes     []Node   `json:"nodes"`
	Upstreams []string `json:"upstreams,omitempty"` // empty: one, [Upstream]
	Stores    []string `json:"stores,omitempty"`    // empty: one, [Store]

	// Postgres lets the control planes keep their databases in one PostgreSQL, each
	// reached by an edge that can be cut. Without it a control plane keeps its
	// database in a file of its own, SQLite: there is no edge to cut.
	Postgres bool `json:"postgres,omitempty"`
}

// With is a copy of t that also has the nodes.
func (t Topology) With(nodes ...Node) Topology {
	t.Nodes = append(slices.Clone(t.Nodes), nodes...)
	return t
}

// Without is a copy of t that has not the node of a name.
func (t Topology) Without(name string) Topology {
	t.Nodes = slices.DeleteFunc(slices.Clone(t.Nodes), func(n Node) bool { return n.Name == name })
	return t
}

// WithParameter is a copy of t in which a node has a kong.conf parameter.
func (t Topology) WithParameter(node, name, value string) Topology {
	t.Nodes = slices.Clone(t.Nodes)
	for i, n := range t.Nodes {
		if n.Name == node {
			parameters := map[string]string{name: value}
			for k, v := range n.Parameters {
				if k != name {
					parameters[k] = v
				}
			}
			t.Nodes[i].Parameters = parameters
		}
	}
	return t
}

// WithStores is a copy of t with these stores.
func (t Topology) WithStores(names ...string) Topology {
	t.Stores = slices.Clone(names)
	return t
}

// WithPostgres is a copy of t whose control planes keep their databases in
// PostgreSQL.
func (t Topology) WithPostgres() Topology {
	t.Postgres = true
	return t
}

// WithUpstreams is a copy of t with these upstreams.
func (t Topology) WithUpstreams(names ...string) Topology {
	t.Upstreams = slices.Clone(names)
	return t
}

// Difference is what has to be done to a running topology to make it another.
type Difference struct {
	Start  []Node   // nodes that are new
	Stop   []string // nodes that are gone
	Change []Node   // nodes that are started again, with other settings
}

// To is what makes t into the topology next. Stores, upstreams and the kind of
// database do not change while a topology runs.
func (t Topology) To(next Topology) (Difference, error) {
	if !slices.Equal(t.StoreNames(), next.StoreNames()) || !slices.Equal(t.UpstreamNames(), next.UpstreamNames()) {
		return Difference{}, errors.New("topology: stores and upstreams cannot change while it runs")
	}
	if t.Postgres != next.Postgres {
		return Difference{}, errors.New("topology: where control planes keep their databases cannot change while it runs")
	}
	var d Difference
	for _, n := range next.Nodes {
		was, ok := t.Node(n.Name)
		switch {
		case !ok:
			d.Start = append(d.Start, n)
		case was.Role != n.Role || was.Disk != n.Disk || was.Routes != n.Routes || t.placed(was) != next.placed(n):
			return Difference{}, fmt.Errorf("topology: %s: its role, disk, routes at the start, control plane, store and account cannot change while it runs", n.Name)
		case !was.equal(n):
			d.Change = append(d.Change, n)
		}
	}
	for _, n := range t.Nodes {
		if _, stays := next.Node(n.Name); !stays {
			d.Stop = append(d.Stop, n.Name)
		}
	}
	return d, nil
}

// placed is what a node's edges, ports and account depend on.
func (t Topology) placed(n Node) string {
	return fmt.Sprint(t.Edges(n), n.Export, n.Database, n.StoreTLS, n.ProxyTLS)
}

// Node is the gateway node of a name.
func (t Topology) Node(name string) (Node, bool) {
	i := slices.IndexFunc(t.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return t.Nodes[i], true
}

// ControlPlane is the name of the first control plane.
func (t Topology) ControlPlane() string {
	for _, n := range t.ControlPlanes() {
		return n.Name
	}
	return ""
}

// ControlPlanes are the control planes, in order.
func (t Topology) ControlPlanes() []Node { return t.role(ControlPlane) }

// DataPlanes are the nodes that proxy, backup nodes included, in order.
func (t Topology) DataPlanes() []Node { return t.role(DataPlane) }

func (t Topology) role(role Role) []Node {
	var nodes []Node
	for _, n := range t.Nodes {
		if n.Role == role {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// StoreNames are the stores, in order.
func (t Topology) StoreNames() []string { return orOne(t.Stores, Store) }

// UpstreamNames are the upstreams, in order.
func (t Topology) UpstreamNames() []string { return orOne(t.Upstreams, Upstream) }

func orOne(names []string, one string) []string {
	if len(names) == 0 {
		return []string{one}
	}
	return names
}

// FrontOf is the name of the front before a store.
func FrontOf(store string) string {
	if store == Store {
		return StoreFront
	}
	return store + "-front"
}

// Edges are a node's links: to its control plane if it is a data plane, to its
// database if it is a control plane that keeps it in PostgreSQL, and to its store
// if it has an account there.
func (t Topology) Edges(n Node) []Edge {
	var edges []Edge
	switch {
	case n.Role == DataPlane:
		edges = append(edges, Edge{From: n.Name, To: cmp.Or(n.ControlPlane, t.ControlPlane())})
	case t.Postgres:
		edges = append(edges, DatabaseEdge(n.Name))
	}
	if n.HasAccount() {
		edges = append(edges, Edge{From: n.Name, To: cmp.Or(n.Store, t.StoreNames()[0])})
	}
	return edges
}

// CPEdge is the edge on which a node dials its control plane; one that is not
// part of t yet dials the first.
func (t Topology) CPEdge(node string) Edge {
	n, _ := t.Node(node)
	return Edge{From: node, To: cmp.Or(n.ControlPlane, t.ControlPlane())}
}

// StoreEdge is the edge on which a node reaches its store; one that is not part
// of t yet reaches the first.
func (t Topology) StoreEdge(node string) Edge {
	n, _ := t.Node(node)
	return Edge{From: node, To: cmp.Or(n.Store, t.StoreNames()[0])}
}

// DatabaseEdge is the edge on which a control plane reaches its database, if that
// is in PostgreSQL.
func DatabaseEdge(controlPlane string) Edge { return Edge{From: controlPlane, To: Database} }

// ToDatabase says whether an edge leads to the control planes' database.
func (e Edge) ToDatabase() bool { return e.To == Database }

// ToStore says whether an edge leads to a store.
func (t Topology) ToStore(e Edge) bool { return slices.Contains(t.StoreNames(), e.To) }

// Validate reports the first thing that makes t unusable.
func (t Topology) Validate() error {
	seen := map[string]bool{Toxiproxy: true, Witness: true, Database: true}
	take := func(name string) error {
		if name == "" || seen[name] {
			return fmt.Errorf("topology: node name %q is empty, reserved or used twice", name)
		}
		seen[name] = true
		return nil
	}
	for _, name := range t.StoreNames() {
		if err := errors.Join(take(name), take(FrontOf(name))); err != nil {
			return err
		}
	}
	for _, name := range t.UpstreamNames() {
		if err := take(name); err != nil {
			return err
		}
	}
	for _, n := range t.Nodes {
		if err := errors.Join(take(n.Name), t.validate(n)); err != nil {
			return err
		}
	}
	if len(t.ControlPlanes()) == 0 {
		return errors.New("topology: no control plane")
	}
	return nil
}

// encryptions are what a store can be asked for, by the names of S3.
var encryptions = []string{AES256, KMS}

// The kinds of encryption.
const (
	AES256 = "AES256"  // SSE-S3: by keys that the store manages
	KMS    = "aws:kms" // SSE-KMS: by keys of a key management service
)

func (t Topology) validate(n Node) error {
	switch n.Role {
	case ControlPlane:
		if n.Import {
			return fmt.Errorf("topology: %s: a control plane cannot import a snapshot", n.Name)
		}
		if n.ProxyTLS {
			return fmt.Errorf("topology: %s: a control plane does not proxy, over TLS or without", n.Name)
		}
	case DataPlane:
		if dialled, ok := t.Node(n.ControlPlane); n.ControlPlane != "" && (!ok || dialled.Role != ControlPlane) {
			return fmt.Errorf("topology: %s: there is no control plane %q to dial", n.Name, n.ControlPlane)
		}
	default:
		return fmt.Errorf("topology: %s: unknown role %q", n.Name, n.Role)
	}
	if n.Routes < 0 || n.Routes > 0 && n.Role != ControlPlane {
		return fmt.Errorf("topology: %s: %d routes at the start: give a control plane a number from 0, and nobody else", n.Name, n.Routes)
	}
	if n.Encryption != "" && (!n.Export || !slices.Contains(encryptions, n.Encryption)) {
		return fmt.Errorf("topology: %s: encryption %q: a node that exports asks for one of %s", n.Name, n.Encryption, strings.Join(encryptions, ", "))
	}
	if n.Store != "" && !slices.Contains(t.StoreNames(), n.Store) {
		return fmt.Errorf("topology: %s: there is no store %q", n.Name, n.Store)
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
