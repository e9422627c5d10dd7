// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package impostor is a control plane that follows a script instead of a
// database: it speaks the hybrid protocol of Kong 3.4 to 3.9 ("v1 full sync")
// and does, or leaves undone, what a fault asks for. It shares no code with the
// reference gateway, so that a bug of the one cannot hide one of the other.
//
// Its central type is [Server]: one process plays many scripts, each at a TLS
// listener of its own. The harness opens and closes them over HTTP, see
// [Server.Handler] and [Client], and reads what each has seen: a [Record] of
// every connection with times, which makes it a witness and a counter of attempts.
//
//	server := impostor.New(log)
//	address, err := server.Open(ctx, "dp-1>cp", impostor.Script{Mode: impostor.NoDatabase, …})
//	record, ok := server.Record("dp-1>cp", 0)
//	server.Close("dp-1>cp")
package impostor

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// ErrOpen is returned, wrapped, by Open for a name that is in use.
var ErrOpen = errors.New("the script is open already")

// ErrScript is returned, wrapped, by Open for a script that cannot be played.
var ErrScript = errors.New("unusable script")

// Server plays scripts. It is safe for concurrent use.
type Server struct {
	log  *slog.Logger
	zero time.Time // of the clock of all records

	mu     sync.Mutex
	planes map[string]*plane
}

// New makes a server without scripts.
func New(log *slog.Logger) *Server {
	return &Server{log: log, zero: time.Now(), planes: make(map[string]*plane)}
}

// Open plays a script under a name until it is closed, and returns the address
// at which it listens.
func (s *Server) Open(ctx context.Context, name string, script Script) (address string, err error) {
	p, err := s.newPlane(name, script)
	if err != nil {
		return "", fmt.Errorf("open script %s: %w: %w", name, ErrScript, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.planes[name] != nil {
		return "", fmt.Errorf("open script %s: %w: close it first", name, ErrOpen)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", script.Listen)
	if err != nil {
		return "", fmt.Errorf("open script %s: %w", name, err)
	}
	s.planes[name] = p
	p.start(listener)
	p.log.Info("script.opened", "mode", script.Mode, "address", listener.Addr().String())
	return listener.Addr().String(), nil
}

func (s *Server) newPlane(name string, script Script) (*plane, error) {
	if err := script.validate(); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(script.Identity.Certificate), []byte(script.Identity.Key))
	if err != nil {
		return nil, fmt.Errorf("cluster certificate and key: %w", err)
	}
	frame, err := script.frame(time.Now())
	if err != nil {
		return nil, err
	}
	return &plane{
		script: script, frame: frame, digest: sha256.Sum256(pair.Certificate[0]),
		// The client is judged by its certificate's digest alone, as in Kong's
		// shared mode, and only once it asks for the outlet.
		tls:    &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12},
		record: &record{zero: s.zero},
		log:    s.log.With("script", name),
	}, nil
}

// Close ends a script's connections, waits for that, and returns what it had
// seen. It returns false if no script has that name.
func (s *Server) Close(name string) (Record, bool) {
	s.mu.Lock()
	p := s.planes[name]
	delete(s.planes, name)
	s.mu.Unlock()
	if p == nil {
		return Record{}, false
	}
	p.close()
	seen := p.record.after(0)
	p.log.Info("script.closed", "attempts", seen.Attempts, "upgrades", seen.Upgrades)
	return seen, true
}

// CloseAll closes every script.
func (s *Server) CloseAll() {
	for _, name := range s.names() {
		s.Close(name)
	}
}

// Record is what a script has seen so far, its connections from the one after
// the given number on. It returns false if no script has that name.
func (s *Server) Record(name string, after int) (Record, bool) {
	s.mu.Lock()
	p := s.planes[name]
	s.mu.Unlock()
	if p == nil {
		return Record{}, false
	}
	return p.record.after(after), true
}

func (s *Server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.planes))
}
