// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"blackout/harness/engine"
)

// Available reports why Docker cannot be used on this machine, as
// [engine.ErrUnavailable], or nil if it can.
func Available(ctx context.Context) error {
	daemon, err := connect(ctx)
	if err != nil {
		return err
	}
	return daemon.Close()
}

// Platform is what the daemon runs, "<GOOS>/<GOARCH>": programs are built for
// it. The two vocabularies are the same for what Go can build.
func Platform(ctx context.Context) (string, error) {
	daemon, err := connect(ctx)
	if err != nil {
		return "", err
	}
	defer daemon.Close()
	version, err := daemon.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("%w: ask the docker daemon for its platform: %w", engine.ErrUnavailable, err)
	}
	return version.Os + "/" + version.Arch, nil
}

// prepare sets up Testcontainers, which reads its settings once per process and
// offers no other way than the environment and a package variable to set them.
var prepare = sync.OnceValue(func() error {
	// Its log goes to standard error, past the harness's own.
	tclog.SetDefault(tclog.NewNoopLogger())
	return os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
})

// connect returns a client of the daemon that Testcontainers finds, so that
// both always speak to the same one. The daemon has answered once.
func connect(ctx context.Context) (*client.Client, error) {
	if err := prepare(); err != nil {
		return nil, fmt.Errorf("%w: set up testcontainers: %w", engine.ErrUnavailable, err)
	}
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		// Testcontainers would go on to the next daemon that it can think of.
		if err := pingNamed(ctx); err != nil {
			return nil, fmt.Errorf("%w: no docker daemon answers at %s (%s): %w", engine.ErrUnavailable, host, client.EnvOverrideHost, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("find the docker daemon: %w", context.Cause(ctx))
	}
	daemon, err := newClient(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("%w: no docker daemon answers at %s or at the user's own socket; start one or set %s: %w",
			engine.ErrUnavailable, client.DefaultDockerHost, client.EnvOverrideHost, err)
	}
	if _, err := daemon.Client.Ping(ctx, client.PingOptions{}); err != nil {
		return nil, fmt.Errorf("%w: the docker daemon at %s does not answer: %w", engine.ErrUnavailable, daemon.DaemonHost(), err)
	}
	return daemon.Client, nil
}

// findLimit bounds the search for a daemon.
const findLimit = 20 * time.Second

// newClient asks Testcontainers for its client. It remembers the first daemon that
// it finds, and panics where it finds none, also when its context ends on the
// way: it gets one that does not, and the panic becomes an error.
func newClient(ctx context.Context) (daemon *testcontainers.DockerClient, err error) {
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("testcontainers: %v", p)
		}
	}()
	return testcontainers.NewDockerClientWithOpts(ctx)
}

// newProvider is what makes containers, of Testcontainers' choice.
func newProvider() (testcontainers.ContainerProvider, error) {
	provider, err := testcontainers.ProviderDefault.GetProvider(testcontainers.WithLogger(tclog.NewNoopLogger()))
	if err != nil {
		return nil, fmt.Errorf("%w: testcontainers: %w", engine.ErrUnavailable, err)
	}
	return provider, nil
}

// pingNamed asks the daemon that the environment names for a sign of life.
func pingNamed(ctx context.Context) error {
	daemon, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	_, err = daemon.Ping(ctx, client.PingOptions{})
	return errors.Join(err, daemon.Close())
}

// publishing is how ports are published: the address that the daemon binds on
// its machine, and the host at which that is dialled from here. A local daemon
// binds loopback only; a remote one has to bind what can be reached.
func publishing(daemonHost string) (bind, dial string) {
	at, err := url.Parse(daemonHost)
	if err == nil && at.Hostname() != "" {
		return "0.0.0.0", at.Hostname()
	}
	return "127.0.0.1", "127.0.0.1"
}
