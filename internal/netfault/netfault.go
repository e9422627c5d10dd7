// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package netfault acts in a network namespace from within: it drops packets,
// keeps questions from the name server, counts connection attempts and lists
// listeners. cmd/netfault is the program that joins a node's namespace and does
// there what a harness asks of it: one [Request] a line on standard input, one
// [Reply] a line on standard output. Its central type is [Server].
//
// What was dropped is let through again when the input ends, so that a rule does
// not outlive the harness that wanted it. Nothing here knows of containers.
package netfault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// Operation is what can be asked for.
type Operation string

// The operations. All may be repeated.
const (
	Open      Operation = "open"       // begin to count attempts
	Drop      Operation = "drop"       // drop all packets of a TCP port of this namespace
	Accept    Operation = "accept"     // end that
	DropDNS   Operation = "drop-dns"   // drop all packets to Docker's name server
	AcceptDNS Operation = "accept-dns" // end that
	Attempts  Operation = "attempts"   // how often somebody tried to connect, by source and port
	Resolve   Operation = "resolve"    // ask the name server for a name's addresses
	Listeners Operation = "listeners"  // the TCP addresses that somebody in this namespace listens on
)

// Request asks for one operation.
type Request struct {
	Number int       `json:"n"`
	Do     Operation `json:"do"`
	Port   uint16    `json:"port,omitempty"` // of Drop and Accept
	Name   string    `json:"name,omitempty"` // of Resolve
}

// Reply answers the request of the same number.
type Reply struct {
	Number      int              `json:"n"`
	Error       string           `json:"error,omitempty"`
	Unsupported bool             `json:"unsupported,omitempty"` // the kernel or its administrator refuses
	Attempts    []Attempt        `json:"attempts,omitempty"`
	Addresses   []netip.Addr     `json:"addresses,omitempty"`
	Listeners   []netip.AddrPort `json:"listeners,omitempty"`
}

// Attempt counts the SYNs of one source to one TCP port, those that were sent
// again because nobody answered included.
type Attempt struct {
	From  netip.Addr `json:"from"`
	Port  uint16     `json:"port"`
	Count uint64     `json:"count"`
}

// ErrUnsupported is returned, wrapped, where packets cannot be filtered.
var ErrUnsupported = errors.New("packets cannot be filtered here")

// Filter is a packet filter in this namespace.
type Filter interface {
	Drop(port uint16) error
	Accept(port uint16) error
	DropDNS() error
	AcceptDNS() error
	Attempts() ([]Attempt, error)
	Close() error // lets everything through again
}

// Server carries out requests. Its fields are how it acts on the world; both are
// needed.
type Server struct {
	Open      func() (Filter, error)                              // called once, before the first use
	Listeners func() ([]netip.AddrPort, error)                    // that are in the namespace
	Resolve   func(context.Context, string) ([]netip.Addr, error) // asks the name server

	filter Filter
}

// resolveLimit bounds one question to the name server.
const resolveLimit = 2 * time.Second

// NewServer acts on the namespace of this process.
func NewServer() *Server {
	return &Server{
		Open: func() (Filter, error) { return openRules() },
		Listeners: func() ([]netip.AddrPort, error) {
			found, err := ListeningSockets()
			return addresses(found), err
		},
		Resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
			// The C library might answer from a cache or a file of its own.
			return (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip", name)
		},
	}
}

// Serve carries out the requests of in, one after the other, until in or ctx
// ends, and lets everything through again. When ctx ends first, a read of in goes
// on until in is closed.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	defer func() {
		if s.filter != nil {
			err = errors.Join(err, s.filter.Close())
		}
	}()
	requests, read := make(chan Request), make(chan error, 1)
	go func() { read <- readRequests(ctx, in, requests) }()
	replies := json.NewEncoder(out)
	for {
		select {
		case request := <-requests:
			if err := replies.Encode(s.reply(ctx, request)); err != nil {
				return fmt.Errorf("reply: %w", err)
			}
		case err := <-read:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// readRequests hands on what is asked for until in or ctx ends.
func readRequests(ctx context.Context, in io.Reader, requests chan<- Request) error {
	for lines := json.NewDecoder(in); ; {
		var request Request
		err := lines.Decode(&request)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		select {
		case requests <- request:
		case <-ctx.Done():
			return nil
		}
	}
}

// reply carries out one request.
func (s *Server) reply(ctx context.Context, request Request) Reply {
	reply := Reply{Number: request.Number}
	var err error
	switch request.Do {
	case Resolve:
		ctx, cancel := context.WithTimeout(ctx, resolveLimit)
		defer cancel()
		reply.Addresses, err = s.Resolve(ctx, request.Name)
	case Listeners:
		reply.Listeners, err = s.Listeners()
	default:
		reply.Attempts, err = s.filtering(request)
	}
	if err != nil {
		reply.Error, reply.Unsupported = err.Error(), errors.Is(err, ErrUnsupported)
	}
	return reply
}

// filtering carries out a request that needs the filter.
func (s *Server) filtering(request Request) (attempts []Attempt, err error) {
	if s.filter == nil {
		if s.filter, err = s.Open(); err != nil {
			s.filter = nil // not a nil pointer in it
			return nil, err
		}
	}
	switch request.Do {
	case Open:
		return nil, nil
	case Drop:
		return nil, s.filter.Drop(request.Port)
	case Accept:
		return nil, s.filter.Accept(request.Port)
	case DropDNS:
		return nil, s.filter.DropDNS()
	case AcceptDNS:
		return nil, s.filter.AcceptDNS()
	case Attempts:
		return s.filter.Attempts()
	default:
		return nil, fmt.Errorf("unknown operation %q: this program is not the harness's own", request.Do)
	}
}
