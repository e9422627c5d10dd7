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
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"blackout/internal/serve"
)

func main() {
	os.Exit(serve.Main("upstream", run))
}

// run serves until ctx ends. It writes its log, one JSON object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("upstream", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8000", "address to serve at, `host:port`")
	if err := serve.Parse(flags, args, out); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	return serve.All(ctx, log, serve.Server{Name: "requests", Address: *listen, Handler: http.HandlerFunc(echo)})
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
