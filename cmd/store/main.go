// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command store is an S3 server for machines without Docker (package
// blackout/internal/s3server): it verifies signatures, knows accounts with
// different rights, and keeps its objects in a directory.
//
//	STORE_ROOT_USER=root STORE_ROOT_PASSWORD=… store --listen 127.0.0.1:9000 --dir /var/lib/store
//
// It ends on SIGINT or SIGTERM.
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

	"blackout/internal/s3server"
)

const (
	// shutdownTimeout bounds the wait for requests in flight at the end.
	shutdownTimeout = 5 * time.Second
	// headerTimeout bounds the wait for a request's header.
	headerTimeout = 15 * time.Second
	// exitUsage is the exit code for a bad command line.
	exitUsage = 64
)

// The environment variables of the root account. A password on the command line
// would be visible to every user of the machine.
const (
	userVariable     = "STORE_ROOT_USER"
	passwordVariable = "STORE_ROOT_PASSWORD"
)

func main() {
	os.Exit(realMain())
}

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "store: %v\n", err)
	return 1
}

// errUsage marks a command line that cannot be understood. The user has been
// told already.
var errUsage = errors.New("usage")

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("store", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:9000", "address to serve S3 at, `host:port`")
	dir := flags.String("dir", "", "`directory` of the objects and accounts (required)")
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, errUsage)
	}
	if *dir == "" || flags.NArg() > 0 {
		fmt.Fprintln(out, "store takes flags only, and --dir is required")
		return errUsage
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	handler, err := s3server.New(s3server.Options{
		Dir: *dir, RootUser: getenv(userVariable), RootPassword: getenv(passwordVariable), Log: log,
	})
	if err != nil {
		return fmt.Errorf("%w (the root account is set by %s and %s)", err, userVariable, passwordVariable)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen for S3: %w", err)
	}
	log.Info("listening", "address", listener.Addr().String(), "dir", *dir)
	return serve(ctx, listener, handler, log)
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve S3: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return errors.Join(fmt.Errorf("requests still in flight after %s: %w", shutdownTimeout, err), server.Close())
	}
	return nil
}
