// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command storefront is a reverse proxy in front of an object store that gives
// every request an author and can be told to answer as a store does that is ill
// (package blackout/internal/s3front).
//
//	storefront --listen 127.0.0.1:9001 --upstream 127.0.0.1:9000 --events 127.0.0.1:9002
//
// Its record is read, and its rules are given, at the events address, which the
// store's clients must not know. The command ends on SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"blackout/internal/s3front"
	"blackout/internal/serve"
)

func main() {
	os.Exit(serve.Main("storefront", run))
}

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("storefront", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9001", "address for the store's clients, `host:port`")
	upstream := flags.String("upstream", "", "address of the store, `host:port` (required)")
	events := flags.String("events", "127.0.0.1:9002", "address of the record and the rules, `host:port`")
	if err := serve.Parse(flags, args, out); err != nil {
		return err
	}
	if *upstream == "" {
		fmt.Fprintln(out, "storefront: --upstream is required")
		return serve.ErrUsage
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	front := s3front.New(*upstream, log)
	err := serve.All(ctx, log,
		serve.Server{Name: "store", Address: *listen, Handler: front},
		serve.Server{Name: "events", Address: *events, Handler: front.Control()})
	return errors.Join(err, front.Close())
}
