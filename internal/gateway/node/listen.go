// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blackout/internal/gateway/conf"
)

// Times after which a listener gives up a client, nginx's.
const (
	headerTimeout = time.Minute      // of the TLS handshake and of a request's header
	idleTimeout   = 75 * time.Second // between two requests
)

// service is a handler with the listeners it is served at.
type service struct {
	name      string
	addresses []conf.Listener
	handler   http.Handler
	track     func(net.Conn, http.ConnState) // told of connections, if set

	wrap      func(net.Listener) net.Listener // what the listeners are served through, if set
	maxHeader int                             // the most that a request's header may have, in bytes; 0: net/http's limit

	// tls is what the listeners with TLS speak it with.
	tls *tls.Config

	// patience is how long a client may take over the handshake and a request's
	// header; 0 stands for headerTimeout.
	patience time.Duration
}

// bound is a service with its listeners, which do not answer yet.
type bound struct {
	service
	listeners []boundListener
}

// boundListener is a listener with what it was asked to be.
type boundListener struct {
	net.Listener
	wanted conf.Listener
}

// bind takes the addresses of all services. Binding comes before everything
// that leaves a trace, so that a node that cannot have its addresses has
// answered nobody and changed nothing.
func (n *Node) bind(services []service) ([]bound, error) {
	var all []bound
	var taken []net.Listener
	for _, s := range services {
		b := bound{service: s}
		for _, wanted := range s.addresses {
			listener, err := listen(wanted)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("listen for %s_listen: %w", s.name, err), closeAll(taken))
			}
			taken = append(taken, listener)
			n.addresses[s.name] = append(n.addresses[s.name], listener.Addr().String())
			b.listeners = append(b.listeners, boundListener{listener, wanted})
		}
		all = append(all, b)
	}
	// Harmless after the servers have closed them; needed if none ever runs.
	n.release = append(n.release, func() error { _ = closeAll(taken); return nil })
	return all, nil
}

// listen takes one address. It refuses a listener that would be served
// otherwise than it was asked for.
func listen(wanted conf.Listener) (net.Listener, error) {
	if wanted.ProxyProtocol {
		return nil, fmt.Errorf("%s: the PROXY protocol is not supported; use a listener without proxy_protocol", wanted)
	}
	return net.Listen("tcp", wanted.Address)
}

func closeAll(listeners []net.Listener) error {
	var failures []error
	for _, listener := range listeners {
		failures = append(failures, listener.Close())
	}
	return errors.Join(failures...)
}

// serve answers on the bound listeners.
func (n *Node) serve(all []bound) {
	for _, b := range all {
		for _, listener := range b.listeners {
			n.serveOne(b.service, listener)
		}
	}
}

// serveOne answers on one listener. Each has a server of its own, because they
// differ in what they speak.
func (n *Node) serveOne(s service, listener boundListener) {
	if s.patience == 0 {
		s.patience = headerTimeout
	}
	server := &http.Server{
		Handler: s.handler, ConnState: s.track, ReadHeaderTimeout: s.patience, IdleTimeout: idleTimeout,
		DisableGeneralOptionsHandler: true, MaxHeaderBytes: s.maxHeader, Protocols: new(http.Protocols),
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	server.Protocols.SetHTTP1(true)
	serve := server.Serve
	if listener.wanted.TLS {
		server.TLSConfig = s.tls
		server.Protocols.SetHTTP2(listener.wanted.HTTP2)
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	} else {
		server.Protocols.SetUnencryptedHTTP2(listener.wanted.HTTP2)
	}
	n.servers = append(n.servers, server)
	n.background.Go(func() {
		wrapped := listener.Listener
		if s.wrap != nil {
			wrapped = s.wrap(wrapped)
		}
		if err := serve(wrapped); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("serve %s: %w", s.name, err))
		}
	})
}
