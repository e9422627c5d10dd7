// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command netfault carries out, in the network namespace that it is started in,
// what it is asked for on standard input; see package netfault. A harness starts
// it in a container that joins a node's namespace, with CAP_NET_ADMIN. When its
// input ends, or on SIGTERM, it takes its rules away and ends.
//
//	echo '{"n":1,"do":"listeners"}' | netfault
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"blackout/internal/netfault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := netfault.NewServer().Serve(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "netfault:", err)
		os.Exit(1)
	}
}
