// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blackout/internal/gateway/conf"
)

// service is a handler with the listeners it is served at.
type service struct {
	name      string
	addresses []conf.Listener
	handler   http.Handler
	wrap      func(net.Listener) net.Listener // laid over the listeners, if set
	track     func(net.Conn, http.ConnState)  // told of connections, if set
}

// bound is a service with its listeners, which do not answer yet.
type bound struct {
	service
	listeners []net.Listener
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
			if s.wrap != nil {
				listener = s.wrap(listener)
			}
			b.listeners = append(b.listeners, listener)
		}
		all = append(all, b)
	}
	// Harmless after the servers have closed them; needed if none ever runs.
	n.release = append(n.release, func() error { _ = closeAll(taken); return nil })
	return all, nil
}

// listen takes one address. It refuses a listener that would be served
// otherwise than it was asked for. The cluster's own TLS is laid over it later.
func listen(wanted conf.Listener) (net.Listener, error) {
	switch {
	case wanted.TLS:
		return nil, fmt.Errorf("%s: TLS is not supported yet; use a listener without ssl", wanted)
	case wanted.ProxyProtocol:
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
		n.serveOne(b)
	}
}

func (n *Node) serveOne(b bound) {
	server := &http.Server{
		Handler: b.handler, ConnState: b.track, ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	n.servers = append(n.servers, server)
	for _, listener := range b.listeners {
		n.background.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				n.fail(fmt.Errorf("serve %s: %w", b.name, err))
			}
		})
	}
}
