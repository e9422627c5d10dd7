// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package node makes a control plane or a data plane of the gateway's parts.
// Its central type is [Node].
//
//	n, err := node.Start(ctx, node.Options{Config: config, Rand: rng, Getenv: os.Getenv, Log: log})
//	err = n.Wait() // until ctx has ended and everything is released
//
// The way of a configuration: the Admin API changes the control plane's
// database; the control plane exports it and pushes it to the data planes; a
// data plane validates it whole, builds its router, swaps it in, keeps it on
// its disk, and only then calls itself ready. A data plane that starts without
// a usable configuration on its disk begins with declarative_config. If there is
// none either and the control plane cannot give it one, it imports the copy in
// object storage, if it may.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/conf"
)

// drainTimeout bounds how long requests in flight may go on at the end.
const drainTimeout = 5 * time.Second

// Options set up a [Node]. Config and Rand must be set.
type Options struct {
	Config   *conf.Config
	Rand     *rand.Rand          // spreads the data plane's reconnects; used by one goroutine
	Getenv   func(string) string // the object store's credentials; os.Getenv
	Hostname string              // os.Hostname
	Log      *slog.Logger        // slog.Default()

	// Configured is called once: when a data plane has put its first configuration into
	// force, has refused one or ends without any, and when a control plane has started.
	// nil does nothing.
	Configured func()

	// OpenBucket opens the object store; nil means [fallback.Parameters.Open].
	OpenBucket func(config *conf.Config, getenv func(string) string) (bucket.Bucket, error)
}

// Node is a running control plane or data plane.
type Node struct {
	options   Options
	log       *slog.Logger
	id        string
	addresses map[string][]string
	servers   []*http.Server

	// work is the context of everything that goes on beside the listeners. It
	// ends after they have drained, so that what the last request changed is
	// still carried on.
	work       context.Context
	stop       context.CancelFunc
	background sync.WaitGroup
	release    []func() error // in the order of acquisition; called backwards once the background has ended

	broken chan error // a listener's or a task's failure; ends the node
	done   chan struct{}
	err    error // valid once done is closed
}

// Start starts a node. It ends with ctx; see [Node.Wait]. When Start returns an
// error, which is one line, everything is released.
func Start(ctx context.Context, options Options) (*Node, error) {
	if err := complete(&options); err != nil {
		return nil, err
	}
	n := &Node{options: options, addresses: map[string][]string{}, broken: make(chan error, 1), done: make(chan struct{})}
	n.work, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.assemble(ctx); err != nil {
		return nil, errors.Join(err, n.end(ctx))
	}
	n.log.Info("node.started", "version", options.Config.Version, "listeners", n.addresses, "prefix", options.Config.Prefix)
	if len(options.Config.Ignored) > 0 {
		n.log.Warn("node.parameters_ignored", "parameters", options.Config.Ignored)
	}
	go func() {
		defer close(n.done)
		n.err = n.supervise(ctx)
	}()
	return n, nil
}

func complete(options *Options) error {
	if options.Getenv == nil {
		options.Getenv = os.Getenv
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Configured == nil {
		options.Configured = func() {}
	}
	options.Configured = sync.OnceFunc(options.Configured)
	if options.OpenBucket == nil {
		options.OpenBucket = openBucket
	}
	if options.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("learn the host's name: %w", err)
		}
		options.Hostname = name
	}
	return nil
}

// assemble builds the node of its role.
func (n *Node) assemble(ctx context.Context) error {
	config := n.options.Config
	controlPlane := config.Role == conf.ControlPlane
	if err := parameters(config).Validate(controlPlane); err != nil {
		return err
	}
	if err := os.MkdirAll(config.Prefix, 0o755); err != nil {
		return fmt.Errorf("create the prefix: %w", err)
	}
	err := config.WriteEnvironment()
	if err != nil {
		return err
	}
	if n.id, err = nodeID(config); err != nil {
		return err
	}
	n.log = n.options.Log.With("role", config.Role, "node", n.id)
	if controlPlane {
		defer n.options.Configured()
		return n.assembleControlPlane(ctx)
	}
	return n.assembleDataPlane(ctx)
}

// Address is where the node listens under a name: "proxy", "admin", "status" or
// "cluster". It is empty if the node has no such listener.
func (n *Node) Address(listener string) string {
	if addresses := n.addresses[listener]; len(addresses) > 0 {
		return addresses[0]
	}
	return ""
}

// Wait waits until the node has ended and released everything. The error is nil
// if it ended because it was told to.
func (n *Node) Wait() error {
	<-n.done
	return n.err
}

// supervise ends the node with ctx, or when a part of it fails.
func (n *Node) supervise(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
		n.log.Info("node.stopping")
	case failure = <-n.broken:
		n.log.Error("node.failed", "error", failure)
	}
	err := errors.Join(failure, n.end(ctx))
	n.log.Info("node.stopped")
	return err
}

// end drains the listeners, ends the rest and releases what was acquired.
func (n *Node) end(ctx context.Context) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	var draining sync.WaitGroup
	for _, server := range n.servers {
		draining.Go(func() {
			if server.Shutdown(drain) != nil {
				_ = server.Close() // cuts off what would not end; there is nothing left to save
			}
		})
	}
	draining.Wait()
	n.stop()
	n.background.Wait()
	var failures []error
	for i := len(n.release) - 1; i >= 0; i-- {
		failures = append(failures, n.release[i]())
	}
	return errors.Join(failures...)
}

// run starts a task that lasts until the work context ends; a failure before
// that ends the node.
func (n *Node) run(name string, task func(ctx context.Context) error) {
	n.background.Go(func() {
		if err := task(n.work); err != nil && n.work.Err() == nil {
			n.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

func (n *Node) fail(err error) {
	select {
	case n.broken <- err:
	default: // one failure is enough
	}
}
