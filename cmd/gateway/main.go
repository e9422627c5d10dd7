// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command gateway runs one node of the reference gateway: a control plane or a
// data plane, as KONG_ROLE says.
//
//	gateway [-c kong.conf] [--set name=value]…
//	gateway [-c kong.conf] [--set name=value]… version
//	gateway [-c kong.conf] [--set name=value]… config db_import FILE
//
// It is configured by KONG_* variables and a kong.conf, which is looked for in
// /etc/kong and /etc unless -c names it; what --set says beats both. See package
// conf and docs/gateway-configuration.md. It logs JSON lines to standard error and ends cleanly on SIGTERM and
// SIGINT; a second one ends it at once. When it cannot start it says why in one line and exits with 1.
//
// config db_import writes a declarative configuration into a control plane's database and
// ends, as `kong config db_import` does.
package main

import (
	"context"
	crand "crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/node"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	source := conf.Source{Search: conf.DefaultFiles(), Environ: environ}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&source.File, "c", "", "read `FILE`, a kong.conf")
	flags.Func("set", "set a parameter, as `NAME=VALUE`", func(assignment string) error {
		source.Set = append(source.Set, assignment)
		return nil
	})
	flags.Usage = func() {
		const command = "gateway [-c FILE] [--set NAME=VALUE]..."
		_, _ = fmt.Fprintf(stderr, "usage: %[1]s\n       %[1]s version\n       %[1]s config db_import FILE\n", command)
	}
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	switch rest := flags.Args(); {
	case len(rest) == 0:
		return serve(ctx, source, stderr)
	case slices.Equal(rest, []string{"version"}):
		return version(source, stdout, stderr)
	case len(rest) == 3 && slices.Equal(rest[:2], []string{"config", "db_import"}):
		return importDatabase(ctx, source, rest[2], stdout, stderr)
	}
	flags.Usage()
	return exitUsage
}

// importDatabase writes a declarative configuration into the database of the control
// plane that would start here.
func importDatabase(ctx context.Context, source conf.Source, file string, stdout, stderr io.Writer) int {
	config, err := conf.Load(source)
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	written := 0
	if err == nil {
		if written, err = node.ImportDatabase(ctx, config, text); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, strings.ReplaceAll(err.Error(), "\n", "; "))
		return exitError
	}
	if _, err := fmt.Fprintf(stdout, "import successful: %d entities\n", written); err != nil {
		return exitError
	}
	return exitOK
}

// version prints the version that a node started here would have.
func version(source conf.Source, stdout, stderr io.Writer) int {
	shown, err := conf.Version(source)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitError
	}
	if _, err := fmt.Fprintln(stdout, shown); err != nil {
		return exitError
	}
	return exitOK
}

// serve runs the node until ctx ends.
func serve(ctx context.Context, source conf.Source, stderr io.Writer) int {
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	config, err := conf.Load(source)
	if err != nil {
		return refuse(log, err)
	}
	log = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level(config.LogLevel)}))
	// What a library logs goes the same way.
	slog.SetDefault(log)
	restore := collectLess(getenv(source.Environ))
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	running, err := node.Start(ctx, node.Options{
		Config: config, Rand: rand.New(rand.NewChaCha8(seed)), Getenv: getenv(source.Environ), Log: log, // #nosec G404 -- spreads retries
		Configured: restore,
	})
	if err != nil {
		return refuse(log, err)
	}
	if err := running.Wait(); err != nil {
		log.Error("node.ended", "error", err)
		return exitError
	}
	return exitOK
}

// collectLess makes garbage collections rarer until the returned function is called:
// while a node reads its first configuration, its heap grows by what stays, and to look
// through it again and again takes a fifth of the time. A GOGC of the user's stands.
func collectLess(getenv func(string) string) (restore func()) {
	if getenv("GOGC") != "" {
		return func() {}
	}
	const percent = 1000
	before := debug.SetGCPercent(percent)
	return func() { debug.SetGCPercent(before) }
}

// refuse says in one line why the node does not start.
func refuse(log *slog.Logger, err error) int {
	log.Error("node.refused", "error", strings.ReplaceAll(err.Error(), "\n", "; "))
	return exitError
}

// level maps Kong's log levels; notice, its default, shows state changes here.
func level(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "info", "notice":
		return slog.LevelInfo
	case "warn":
		return slog.LevelWarn
	}
	return slog.LevelError
}

func getenv(environ []string) func(string) string {
	return func(name string) string {
		for _, variable := range environ {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	}
}
