// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command upstream is the service behind the gateway under test. It echoes what
// it was asked, so that an answer shows which configuration generation routed
// the request: a probed service's path is /gen/<n>.
//
//	upstream --listen 127.0.0.1:8000
//
// Every path is answered with 200 and
// {"path":"/gen/7/x","generation":7,"host":"…","method":"GET"}; generation is
// absent if the path does not begin with /gen/<n>. GET /.health is answered
// with 200 and no body. The command ends on SIGINT or SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	fmt.Fprintf(os.Stderr, "upstream: %v\n", err)
	return 1
}

// errUsage marks a command line that cannot be understood. The user has been
// told already.
var errUsage = errors.New("usage")

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("upstream", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8000", "address to serve at, `host:port`")
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, errUsage)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "unexpected argument %q\n", flags.Arg(0))
		return errUsage
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	slog.New(slog.NewJSONHandler(out, nil)).Info("listening", "address", listener.Addr().String())
	server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: headerTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if server.Shutdown(bounded) == nil {
		return nil
	}
	return server.Close()
}

// answer is the body of every answer.
type answer struct {
	Path       string `json:"path"`
	Generation *int   `json:"generation,omitempty"`
	Host       string `json:"host"`
	Method     string `json:"method"`
}

func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/.health" {
		return
	}
	body := answer{Path: r.URL.Path, Host: r.Host, Method: r.Method}
	if n, ok := generation(r.URL.Path); ok {
		body.Generation = &n
	}
	w.Header().Set("Content-Type", "application/json")
	// The gateway may have given up on the request; it knows.
	_ = json.NewEncoder(w).Encode(body)
}

// generation is the n of a path that begins with /gen/<n>.
func generation(path string) (int, bool) {
	rest, found := strings.CutPrefix(path, "/gen/")
	if !found {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), err == nil
}
