// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"blackout/internal/serve"
)

// Endpoint is a listener for the store over TLS. A node gets one of its own, so
// that what goes wrong with its certificate goes wrong for this node alone.
type Endpoint struct {
	Listen string `json:"listen"` // host:port
	Certificate
}

// Certificate is a chain and its key, PEM.
type Certificate struct {
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

func (c Certificate) pair() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &pair, nil
}

// endpoints are those that were opened, by name.
type endpoints struct {
	handler http.Handler
	log     *slog.Logger

	mu     sync.Mutex
	opened map[string]*endpoint
	ends   sync.WaitGroup
}

type endpoint struct {
	server *http.Server
	first  *tls.Certificate
	shown  atomic.Pointer[tls.Certificate]
}

// open begins to serve the store over TLS. It returns once connections are
// accepted.
func (e *endpoints) open(ctx context.Context, name string, at Endpoint) error {
	pair, err := at.pair()
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened[name] != nil {
		return fmt.Errorf("endpoint %s is open", name)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at.Listen)
	if err != nil {
		return fmt.Errorf("open endpoint %s: %w", name, err)
	}
	e.log.Info("listening", "for", name, "address", listener.Addr().String())
	opened := newEndpoint(pair, e.handler, e.log)
	e.ends.Go(func() {
		if err := opened.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("endpoint ended", "for", name, "error", err)
		}
	})
	if e.opened == nil {
		e.opened = make(map[string]*endpoint)
	}
	e.opened[name] = opened
	return nil
}

// newEndpoint makes every request take a handshake of its own, in which the
// certificate is looked at: no connection is kept, no session resumed. HTTP/2
// would share connections, and cannot reset one request.
func newEndpoint(pair *tls.Certificate, handler http.Handler, log *slog.Logger) *endpoint {
	opened := &endpoint{first: pair}
	opened.shown.Store(pair)
	opened.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: serve.HeaderTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelInfo), // a client that refuses the certificate is an error to it
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		TLSConfig: &tls.Config{
			MinVersion:             tls.VersionTLS12,
			SessionTicketsDisabled: true,
			GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return opened.shown.Load(), nil },
		},
	}
	opened.server.SetKeepAlivesEnabled(false)
	return opened
}

// show lets an endpoint show another certificate; nil is its first.
func (e *endpoints) show(name string, c *Certificate) error {
	e.mu.Lock()
	opened := e.opened[name]
	e.mu.Unlock()
	if opened == nil {
		return fmt.Errorf("no endpoint %s is open", name)
	}
	pair := opened.first
	if c != nil {
		var err error
		if pair, err = c.pair(); err != nil {
			return err
		}
	}
	opened.shown.Store(pair)
	return nil
}

// close ends all endpoints and waits for them.
func (e *endpoints) close() error {
	e.mu.Lock()
	var errs []error
	for _, opened := range e.opened {
		errs = append(errs, opened.server.Close())
	}
	e.mu.Unlock()
	e.ends.Wait()
	return errors.Join(errs...)
}
