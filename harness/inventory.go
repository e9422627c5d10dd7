// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"maps"
	"slices"
	"sync"

	"blackout/harness/engine"
	"blackout/harness/topology"
)

// inventory is what a cluster has reserved and started, by name. It is safe for
// concurrent use; what was entered stays, also when its process has ended.
type inventory struct {
	mu        sync.Mutex
	sites     map[string]engine.Site
	nodes     map[string]engine.Node
	former    map[string][]engine.Node // those that ran at a node's site before it, in order
	disks     map[string]engine.Disk
	processes map[string]engine.Process // of gateway nodes, as last started, without their own parameters
	stopped   map[string]bool           // ended by the harness, and not started since
	lives     map[string]int            // how often a node was started
	addresses map[port]string           // as found in the node's present life
	edges     []topology.Edge
}

// port is a port of a node.
type port struct{ node, name string }

func newInventory() *inventory {
	return &inventory{
		sites: make(map[string]engine.Site), nodes: make(map[string]engine.Node),
		former: make(map[string][]engine.Node), disks: make(map[string]engine.Disk),
		processes: make(map[string]engine.Process), stopped: make(map[string]bool),
		lives: make(map[string]int), addresses: make(map[port]string),
	}
}

// site is a node's place, or nil if none was reserved.
func (i *inventory) site(name string) engine.Site {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sites[name]
}

// node is a node, or nil if it was never started.
func (i *inventory) node(name string) engine.Node {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.nodes[name]
}

// process is what a gateway node was last started with, but for its own
// parameters. Its map is the inventory's.
func (i *inventory) process(name string) engine.Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.processes[name]
}

func (i *inventory) addSite(site engine.Site) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sites[site.Name()] = site
}

// addNode enters a node and says whether it is new. An engine may start another at
// the same site (another container), or the same one once more.
func (i *inventory) addNode(node engine.Node) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	name := node.Name()
	was, known := i.nodes[name]
	i.begin(name)
	if known && was == node {
		return false
	}
	if known {
		i.former[name] = append(i.former[name], was)
	}
	i.nodes[name] = node
	return true
}

// lifetimes are all nodes that ran at a node's site, in order.
func (i *inventory) lifetimes(name string) []engine.Node {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append(slices.Clone(i.former[name]), i.nodes[name])
}

// disk is a node's own disk, if it has one.
func (i *inventory) disk(name string) (engine.Disk, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	disk, ok := i.disks[name]
	return disk, ok
}

func (i *inventory) addDisk(name string, disk engine.Disk) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.disks[name] = disk
}

func (i *inventory) setProcess(name string, process engine.Process) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.processes[name] = process
	delete(i.stopped, name)
}

// markStarted notes that a node's process is started again as it was.
func (i *inventory) markStarted(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.stopped, name)
	i.begin(name)
}

// begin is the beginning of another life of a node; mu is held.
func (i *inventory) begin(node string) {
	i.lives[node]++
	maps.DeleteFunc(i.addresses, func(p port, _ string) bool { return p.node == node })
}

// address is where a port of a node is dialled, or empty if that was not found in
// the node's present life, and which life that is.
func (i *inventory) address(p port) (address string, life int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.addresses[p], i.lives[p.node]
}

// life is how often a node was started.
func (i *inventory) life(node string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.lives[node]
}

// setAddress notes what was found in a life of a node, unless it has begun another.
func (i *inventory) setAddress(p port, life int, address string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lives[p.node] == life {
		i.addresses[p] = address
	}
}

// openEdges are the edges that were opened, in that order.
func (i *inventory) openEdges() []topology.Edge {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.edges)
}

func (i *inventory) isOpen(edge topology.Edge) bool { return slices.Contains(i.openEdges(), edge) }

func (i *inventory) addEdge(edge topology.Edge) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.edges = append(i.edges, edge)
}

// markStopped notes that a node's end is the harness's doing, until it is started
// again.
func (i *inventory) markStopped(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped[name] = true
}

func (i *inventory) wasStopped(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stopped[name]
}

// started are the names of the nodes, sorted.
func (i *inventory) started() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(maps.Keys(i.nodes))
}
