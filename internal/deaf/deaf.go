// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package deaf keeps addresses at which connection attempts are not answered at
// all: a SYN meets neither a SYN-ACK nor a reset, as if a firewall dropped it.
// Toxiproxy cannot stage that, because the kernel has answered before it learns of
// a connection.
//
// It takes no privilege. The listening socket has a packet filter of its own that
// takes nothing, and the kernel consults a listener's filter before it answers
// (tcp_v4_rcv and tcp_v6_rcv in Linux). The filter is there before the socket
// listens, so no attempt slips by.
//
// The central type is [Set], the deaf addresses of a process. Its handler serves
//
//	GET    /deaf            204 if this system can, 501 if not
//	PUT    /deaf/<address>  makes an address, "host:port", deaf
//	DELETE /deaf/<address>  frees it; one that is not deaf is fine
package deaf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Path is where a [Set.Handler] is served, as is everything below it.
const Path = "/deaf"

// Listen makes an address deaf until the listener is closed. The error is
// [errors.ErrUnsupported], wrapped, where the system has no such means.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := listenConfig.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("make %s deaf: %w", address, err)
	}
	return listener, nil
}

// Set is the deaf addresses of a process. The zero value has none. It is safe for
// concurrent use.
type Set struct {
	mu        sync.Mutex
	listeners map[string]net.Listener
}

// Add makes an address deaf; one that is so already is fine.
func (s *Set) Add(ctx context.Context, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners[address] != nil {
		return nil
	}
	listener, err := Listen(ctx, address)
	if err != nil {
		return err
	}
	if s.listeners == nil {
		s.listeners = make(map[string]net.Listener)
	}
	s.listeners[address] = listener
	return nil
}

// Remove frees an address; one that is not deaf is fine.
func (s *Set) Remove(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	listener := s.listeners[address]
	if listener == nil {
		return nil
	}
	delete(s.listeners, address)
	return listener.Close()
}

// Close frees all addresses.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, listener := range s.listeners {
		errs = append(errs, listener.Close())
	}
	s.listeners = nil
	return errors.Join(errs...)
}

// Handler serves the set over HTTP.
func (s *Set) Handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+Path, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, supported())
	})
	routes.HandleFunc("PUT "+Path+"/{address}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.Add(r.Context(), r.PathValue("address")))
	})
	routes.HandleFunc("DELETE "+Path+"/{address}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.Remove(r.PathValue("address")))
	})
	return routes
}

// answer says what came of a request.
func answer(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, errors.ErrUnsupported):
		http.Error(w, err.Error(), http.StatusNotImplemented)
	default:
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
