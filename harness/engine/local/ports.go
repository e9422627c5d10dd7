// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Ports come from below the range in which Linux (32768 and up) and macOS
// (49152 and up) choose the local port of an outgoing connection. From inside
// it, a client could take a node's port while the node restarts.
const (
	firstPort = 20000
	lastPort  = 31999
	blockSize = 100
	blocks    = (lastPort - firstPort + 1) / blockSize
)

// ports hands out ports of one address, each once.
//
// Between the moment a port is found free and the moment a node binds it, and
// whenever a node is down, somebody else could take it. Against other engines
// the ports of a whole block are claimed at once by holding its first port
// open; the claim ends by itself with the harness.
type ports struct {
	host netip.Addr

	mu     sync.Mutex
	block  int // the next to try
	tried  int
	next   int // the next port to hand out; end when the block is used up
	end    int
	guards []net.Listener
}

// newPorts starts at a block that depends on the key, so that engines on one
// machine seldom try the same one.
func newPorts(host netip.Addr, key string) *ports {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(key)) // a hash never fails
	return &ports{host: host, block: int(hash.Sum64() % blocks)}
}

// take returns "<host>:<port>" of a port that nothing is bound to.
func (p *ports) take() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.next == p.end {
			if err := p.claimBlock(); err != nil {
				return "", err
			}
		}
		address := p.at(p.next)
		p.next++
		free, err := isFree(address)
		if err != nil {
			return "", err
		}
		if !free {
			continue
		}
		return address, nil
	}
}

// claimBlock moves on to a block that no other engine holds.
func (p *ports) claimBlock() error {
	for ; p.tried < blocks; p.tried++ {
		first := firstPort + p.block*blockSize
		p.block = (p.block + 1) % blocks
		guard, err := bind(p.at(first))
		if err != nil {
			return err
		}
		if guard == nil {
			continue
		}
		p.tried++
		p.guards = append(p.guards, guard)
		p.next, p.end = first+1, first+blockSize
		return nil
	}
	return fmt.Errorf("find a port: all of %d to %d are taken: end other runs first", firstPort, lastPort)
}

// release gives the claimed blocks back.
func (p *ports) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, guard := range p.guards {
		errs = append(errs, guard.Close())
	}
	p.guards, p.next, p.end = nil, 0, 0
	return errors.Join(errs...)
}

// isFree says whether nothing is bound to an address, and nothing is when it returns.
func isFree(address string) (free bool, err error) {
	unforked(func() {
		var listener net.Listener
		if listener, err = bind(address); listener == nil {
			return
		}
		if free, err = true, listener.Close(); err != nil {
			err = fmt.Errorf("give back port %s: %w", address, err)
		}
	})
	return free, err
}

// bind listens on an address; a taken one yields no listener and no error.
func bind(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("try port %s: %w", address, err)
	}
	return listener, nil
}

// at is a port of the host.
func (p *ports) at(port int) string { return netip.AddrPortFrom(p.host, uint16(port)).String() }
