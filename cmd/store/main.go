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
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"blackout/internal/s3server"
	"blackout/internal/serve"
)

// The environment variables of the root account. A password on the command line
// would be visible to every user of the machine.
const (
	userVariable     = "STORE_ROOT_USER"
	passwordVariable = "STORE_ROOT_PASSWORD"
)

func main() {
	os.Exit(serve.Main("store", func(ctx context.Context, args []string, out io.Writer) error {
		return run(ctx, args, os.Getenv, out)
	}))
}

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("store", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9000", "address to serve S3 at, `host:port`")
	dir := flags.String("dir", "", "`directory` of the objects and accounts (required)")
	if err := serve.Parse(flags, args, out); err != nil {
		return err
	}
	if *dir == "" {
		fmt.Fprintln(out, "store: --dir is required")
		return serve.ErrUsage
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	handler, err := s3server.New(s3server.Options{
		Dir: *dir, RootUser: getenv(userVariable), RootPassword: getenv(passwordVariable), Log: log,
	})
	if err != nil {
		return fmt.Errorf("%w (the root account is set by %s and %s)", err, userVariable, passwordVariable)
	}
	return serve.All(ctx, log, serve.Server{Name: "S3", Address: *listen, Handler: handler})
}
