// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command toxiproxy is Shopify's Toxiproxy server with Blackout's own toxics
// registered (packages blackout/internal/toxic and blackout/internal/meter).
//
//	toxiproxy --listen 127.0.0.1:8474
//
// Beside Toxiproxy's API it serves GET /meters, the live readings of the meter
// toxic, PUT /moments/<name>, at which a silence takes hold of no more connections,
// and PUT and DELETE /deaf/<address>, which makes an address answer no connection
// attempt (package blackout/internal/deaf).
//
// It ends on SIGINT or SIGTERM, closing its proxies and their connections.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"blackout/internal/deaf"
	"blackout/internal/meter"
	"blackout/internal/serve"
	"blackout/internal/toxic"
)

func main() { os.Exit(serve.Main("toxiproxy", run)) }

// run serves until ctx ends, then closes every proxy. It writes its log, one JSON
// object a line, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("toxiproxy", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8474", "address of the API, `host:port`")
	if err := serve.Parse(flags, args, out); err != nil {
		return err
	}
	meter.Register()
	toxic.Register()
	deafened := new(deaf.Set)
	proxies := toxiproxy.NewServer(
		toxiproxy.NewMetricsContainer(prometheus.NewRegistry()),
		zerolog.New(out).Level(zerolog.WarnLevel).With().Timestamp().Logger())
	routes := http.NewServeMux()
	routes.Handle(meter.Path, meter.Handler())
	routes.Handle(toxic.MomentsPath, toxic.Moments())
	routes.Handle(deaf.Path, deafened.Handler())
	routes.Handle(deaf.Path+"/", deafened.Handler())
	routes.Handle("/", proxies.Routes())
	log := slog.New(slog.NewJSONHandler(out, nil)).With("toxiproxy", toxiproxy.Version)
	err := serve.All(ctx, log, serve.Server{Name: "the API", Address: *listen, Handler: routes})
	return errors.Join(err, deafened.Close(), proxies.Collection.Clear())
}
