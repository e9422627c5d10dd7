// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package serve is what the small servers of a run have in common: a command
// line of flags, a log of one JSON object a line on standard error, one or more
// listeners, and an end on SIGINT or SIGTERM that requests in flight do not hold
// up for long. Its central type is [Server].
//
//	func main() { os.Exit(serve.Main("upstream", run)) }
package serve

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
	// HeaderTimeout bounds the wait for a request's header.
	HeaderTimeout = 15 * time.Second
	// shutdownTimeout bounds the wait for requests in flight at the end.
	shutdownTimeout = 2 * time.Second
	// exitUsage is the exit code for a bad command line.
	exitUsage = 64
)

// ErrUsage marks a command line that cannot be understood. The user has been
// told already.
var ErrUsage = errors.New("usage")

// Main runs a command until it ends or is told to, and returns its exit code: 0,
// 64 for a bad command line, 1 for any other error. Run serves until ctx ends,
// and writes its log to out.
func Main(name string, run func(ctx context.Context, args []string, out io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return 1
}

// Parse parses a command line that takes flags only. The error wraps ErrUsage.
func Parse(flags *flag.FlagSet, args []string, out io.Writer) error {
	flags.SetOutput(out)
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, ErrUsage)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "%s takes flags only, not %q\n", flags.Name(), flags.Arg(0))
		return ErrUsage
	}
	return nil
}

// Server is one listener and what answers at it.
type Server struct {
	Name    string // for the log and errors
	Address string // host:port
	Handler http.Handler
}

// All serves until ctx ends or one of the servers fails.
func All(ctx context.Context, log *slog.Logger, servers ...Server) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(func() error { return s.serve(ctx, log) })
	}
	return group.Wait()
}

func (s Server) serve(ctx context.Context, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", s.Name, err)
	}
	log.Info("listening", "for", s.Name, "address", listener.Addr().String())
	serving := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: HeaderTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends long requests with the command
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
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	return <-stopped
}
