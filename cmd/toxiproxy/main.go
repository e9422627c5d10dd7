// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command toxiproxy is Shopify's Toxiproxy server with Blackout's own toxics
// registered. Beside Toxiproxy's API it serves GET /meters, the live readings
// of the meter toxic (package blackout/internal/meter).
//
//	toxiproxy --listen 127.0.0.1:8474
//
// It ends on SIGINT or SIGTERM, closing its proxies and their connections.
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

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"blackout/internal/meter"
)

const (
	// shutdownTimeout bounds the wait for API calls in flight at the end.
	shutdownTimeout = 5 * time.Second
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
	fmt.Fprintf(os.Stderr, "toxiproxy: %v\n", err)
	return 1
}

// errUsage marks a command line that cannot be understood. The flag package has
// told the user already.
var errUsage = errors.New("usage")

// run serves until ctx ends. It writes its log, one JSON object a line, to log.
func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("toxiproxy", flag.ContinueOnError)
	flags.SetOutput(log)
	listen := flags.String("listen", "127.0.0.1:8474", "address of the API, `host:port`")
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, errUsage)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(log, "unexpected argument %q\n", flags.Arg(0))
		return errUsage
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	logger.Info("listening", "address", listener.Addr().String(), "toxiproxy", toxiproxy.Version)
	return serve(ctx, listener, log)
}

// serve answers the API on listener until ctx ends, then closes every proxy.
func serve(ctx context.Context, listener net.Listener, log io.Writer) error {
	meter.Register()
	proxies := toxiproxy.NewServer(
		toxiproxy.NewMetricsContainer(prometheus.NewRegistry()),
		zerolog.New(log).Level(zerolog.WarnLevel).With().Timestamp().Logger())
	routes := http.NewServeMux()
	routes.Handle(meter.Path, meter.Handler())
	routes.Handle("/", proxies.Routes())
	server := &http.Server{Handler: routes, ReadHeaderTimeout: headerTimeout}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(end)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve the API: %w", ended))
	}
	return errors.Join(err, proxies.Collection.Clear())
}
