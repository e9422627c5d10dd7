// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command impostor plays control planes that do not do their work: one that is
// silent, has no configuration, is busy, or pushes one that is empty, old or too
// large (package blackout/internal/impostor).
//
//	impostor --listen 127.0.0.1:8006
//
// Scripts are opened, read and closed at that address, JSON over HTTP:
//
//	PUT    /scripts/<name>   opens a script at a TLS listener of its own
//	GET    /scripts/<name>   what it has seen: each connection, with times
//	DELETE /scripts/<name>   closes it
//	GET    /health           200
//
// Keys are neither logged nor handed out. The command ends on SIGINT or SIGTERM,
// and every script with it.
package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"

	"blackout/internal/impostor"
	"blackout/internal/serve"
)

func main() {
	os.Exit(serve.Main("impostor", run))
}

// run serves the control API until ctx ends, then closes every script. It writes
// its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("impostor", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8006", "address of the control API, `host:port`")
	if err := serve.Parse(flags, args, out); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	scripts := impostor.New(log)
	defer scripts.CloseAll()
	return serve.All(ctx, log, serve.Server{Name: "scripts", Address: *listen, Handler: scripts.Handler()})
}
