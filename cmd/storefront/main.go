// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command storefront is a reverse proxy in front of an object store that gives
// every request an author: it records the access key that a request is signed
// with, what was asked, the answer's status, and how much of it reached the
// client. Requests and answers pass unchanged, Host header included, so that
// signatures hold.
//
//	storefront --listen 127.0.0.1:9001 --upstream 127.0.0.1:9000 --events 127.0.0.1:9002
//
// The record is read at the events address:
//
//	GET /events?after=<n>&wait=<duration>   requests that ended, numbered in the order of their end
//	GET /health                             200
//
// Times are nanoseconds on the front's own monotonic clock since its start; an
// answer's "now" lets the reader map them onto its clock. Signatures and tokens
// are neither recorded nor logged. The command ends on SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// shutdownTimeout bounds the wait for requests in flight at the end.
	shutdownTimeout = 2 * time.Second
	// headerTimeout bounds the wait for a request's header.
	headerTimeout = 15 * time.Second
	// exitUsage is the exit code for a bad command line.
	exitUsage = 64
)

func main() {
	os.Exit(realMain())
}

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "storefront: %v\n", err)
	return 1
}

// errUsage marks a command line that cannot be understood. The user has been
// told already.
var errUsage = errors.New("usage")

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("storefront", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:9001", "address for the store's clients, `host:port`")
	upstream := flags.String("upstream", "", "address of the store, `host:port` (required)")
	events := flags.String("events", "127.0.0.1:9002", "address of the record, `host:port`")
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, errUsage)
	}
	if *upstream == "" || flags.NArg() > 0 {
		fmt.Fprintln(out, "storefront takes flags only, and --upstream is required")
		return errUsage
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	record := newRecord()
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range []server{
		{"store", *listen, newFront(*upstream, record, log)},
		{"events", *events, record.handler()},
	} {
		group.Go(func() error { return server.serve(ctx, log) })
	}
	return group.Wait()
}

// server is one listener.
type server struct {
	name    string
	address string
	handler http.Handler
}

// serve serves until ctx ends.
func (s server) serve(ctx context.Context, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", s.name, err)
	}
	log.Info("listening", "for", s.name, "address", listener.Addr().String())
	serving := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends long polls with the command
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if serving.Shutdown(bounded) == nil {
			stopped <- nil
			return
		}
		stopped <- serving.Close()
	})()
	if err := serving.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.name, err)
	}
	return <-stopped
}
