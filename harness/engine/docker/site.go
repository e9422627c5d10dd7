// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"blackout/harness/engine"
)

var _ engine.Site = (*site)(nil)

// dataDir is where a node's volume is mounted.
const dataDir = "/data"

// wellKnownPorts are the numbers of ports that Kong has defaults for (Kong 3.9
// kong.conf), so that a recording reads as the field is used to.
var wellKnownPorts = map[string]uint16{
	"proxy":     8000,
	"proxy-tls": 8443,
	"admin":     8001,
	"cluster":   8005,
	"telemetry": 8006,
	"status":    8007,
	"toxiproxy": 8474,
}

// firstFreePort is the number of the first port with any other name.
const firstFreePort = 20000

// site is a node's place.
type site struct {
	engine  *Engine
	name    string
	program engine.Program
	ip      netip.Addr // in the run's network, of all its containers

	starting sync.Mutex // one start at a time
	started  *node      // the latest
	starts   int
	shared   []string    // volumes that other nodes have too, as binds
	disk     engine.Disk // its Dir is empty if there is none

	mu    sync.Mutex
	ports map[string]uint16
	next  uint16
}

// Name implements [engine.Site].
func (s *site) Name() string { return s.name }

// Dir is where the node's volume is mounted.
func (s *site) Dir() string { return dataDir }

// Listen is "0.0.0.0:<port>", or empty for a port that was not reserved.
func (s *site) Listen(port string) string { return s.address("0.0.0.0", port) }

// Peer is "<node>:<port>", or empty for a port that was not reserved.
func (s *site) Peer(port string) string { return s.address(s.name, port) }

func (s *site) address(host, port string) string {
	number, ok := s.number(port)
	if !ok {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(int(number)))
}

func (s *site) number(port string) (uint16, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, ok := s.ports[port]
	return number, ok
}

// AddPort implements [engine.Site]. Where addresses are not routable, a port
// that is added to a running node can be dialled by its peers only.
func (s *site) AddPort(port string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.ports[port]; taken || port == "" {
		return fmt.Errorf("add port %q to %s: the name is empty or taken", port, s.name)
	}
	number, ok := wellKnownPorts[port]
	if !ok {
		number = s.next
		s.next++
	}
	s.ports[port] = number
	return nil
}

// numbers are all of the site's ports by name.
func (s *site) numbers() map[string]uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ports)
}

// object is the name of the site's volume and of its first container.
func (s *site) object() string { return "blackout-" + s.engine.options.Run + "-" + s.name }
