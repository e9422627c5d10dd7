// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"blackout/harness/engine"
)

var _ engine.Node = (*node)(nil)

// A container whose process was ended by signal n exits with 128+n, as a shell
// would report it (n below 65).
const (
	signalExit = 128
	maxSignal  = 64
)

// node is a container that was started.
type node struct {
	site *site
	id   string

	mu      sync.Mutex
	started chan struct{} // closed by the next Restart

	helping sync.Mutex // one start of a helper at a time
	help    *helper    // in the network of the latest life that needed one
}

// Name implements [engine.Node].
func (n *node) Name() string { return n.site.name }

func (n *node) inspect(ctx context.Context) (container.InspectResponse, error) {
	result, err := n.site.engine.daemon.ContainerInspect(ctx, n.id, client.ContainerInspectOptions{})
	if err != nil {
		return container.InspectResponse{}, fmt.Errorf("inspect %s: %w", n.Name(), err)
	}
	return result.Container, nil
}

// Endpoint implements [engine.Node]. The container of a process that does not
// run has no address.
func (n *node) Endpoint(ctx context.Context, port string) (string, error) {
	number, ok := n.site.number(port)
	if !ok {
		return "", fmt.Errorf("endpoint of %s: no port %q was reserved", n.Name(), port)
	}
	info, err := n.inspect(ctx)
	if err != nil {
		return "", err
	}
	if err := runs(info.State); err != nil {
		return "", fmt.Errorf("endpoint of %s: %w", n.Name(), err)
	}
	if n.site.engine.routable {
		return netip.AddrPortFrom(n.site.ip, number).String(), nil
	}
	return n.publishedAddress(info, number)
}

func (n *node) publishedAddress(info container.InspectResponse, number uint16) (string, error) {
	port, ok := network.PortFrom(number, network.TCP)
	if ok && info.NetworkSettings != nil {
		for _, binding := range info.NetworkSettings.Ports[port] {
			_, dial := publishing(n.site.engine.daemon.DaemonHost())
			return net.JoinHostPort(dial, binding.HostPort), nil
		}
	}
	return "", fmt.Errorf("endpoint of %s: port %d was added after the start and is not published; reserve it before", n.Name(), number)
}

// State implements [engine.Node]. Its Life is the time of the start, as the
// daemon's clock showed it.
func (n *node) State(ctx context.Context) (engine.State, error) {
	info, err := n.inspect(ctx)
	if err != nil {
		return engine.State{}, err
	}
	return stateOf(info.State), nil
}

func stateOf(s *container.State) engine.State {
	if s == nil {
		return engine.State{}
	}
	state := engine.State{Running: s.Running, Paused: s.Paused}
	if hasRun(s) {
		state.Life = s.StartedAt
	}
	switch {
	case s.Running:
	case s.ExitCode > signalExit && s.ExitCode <= signalExit+maxSignal:
		state.ExitCode = -1
	default:
		state.ExitCode = s.ExitCode
	}
	return state
}

// Handle names the node's container.
func (n *node) Handle(context.Context) (engine.Handle, error) {
	return engine.Handle{"engine": n.site.engine.Name(), "container": n.id}, nil
}

// Resume lets the paused container that a handle names go on. One that is gone, or
// not paused, is no error.
func Resume(ctx context.Context, process engine.Handle) error {
	daemon, err := connect(ctx)
	if err != nil {
		return err
	}
	defer daemon.Close()
	_, err = daemon.ContainerUnpause(ctx, process["container"], client.ContainerUnpauseOptions{})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	info, inspectErr := daemon.ContainerInspect(ctx, process["container"], client.ContainerInspectOptions{})
	if errdefs.IsNotFound(inspectErr) || inspectErr == nil && info.Container.State != nil && !info.Container.State.Paused {
		return nil
	}
	return fmt.Errorf("resume container %s: %w", process["container"], err)
}

// survived looks once whether the process runs.
func (n *node) survived(ctx context.Context) error {
	info, err := n.inspect(ctx)
	if err != nil {
		return err
	}
	return runs(info.State)
}

// runs returns an error if the process does not run, which wraps
// [engine.ErrEnded] only if it once did.
func runs(s *container.State) error {
	switch state := stateOf(s); {
	case state.Running:
		return nil
	case !hasRun(s):
		return errors.New("its process was never started")
	default:
		return fmt.Errorf("%w with code %d; its log says why", engine.ErrEnded, state.ExitCode)
	}
}

// hasRun reports whether a container's process was ever started. Until then the
// daemon gives the zero time as that of the start.
func hasRun(s *container.State) bool {
	if s == nil {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	return err == nil && !at.IsZero()
}

// Kill implements [engine.Node]; a process that has ended already is no error.
func (n *node) Kill(ctx context.Context) error {
	if err := n.signal(ctx, "SIGKILL"); err != nil {
		return fmt.Errorf("kill %s: %w", n.Name(), err)
	}
	if err := n.ended(ctx); err != nil {
		return fmt.Errorf("kill %s: %w", n.Name(), err)
	}
	return nil
}

// Stop implements [engine.Node]; a process that has ended already is no error.
// Docker's own stop counts in whole seconds, so the wait is made here.
func (n *node) Stop(ctx context.Context, grace time.Duration) error {
	if err := n.signal(ctx, "SIGTERM"); err != nil {
		return fmt.Errorf("stop %s: %w", n.Name(), err)
	}
	patience, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	err := n.ended(patience)
	if err == nil {
		return nil
	}
	if patience.Err() == nil || ctx.Err() != nil {
		return fmt.Errorf("stop %s: %w", n.Name(), err)
	}
	return n.Kill(ctx)
}

// signal sends a signal; to a process that does not run it does nothing.
func (n *node) signal(ctx context.Context, name string) error {
	_, err := n.site.engine.daemon.ContainerKill(ctx, n.id, client.ContainerKillOptions{Signal: name})
	if errdefs.IsConflict(err) { // "is not running"
		return nil
	}
	return err
}

// ended waits until the process does not run.
func (n *node) ended(ctx context.Context) error {
	wait := n.site.engine.daemon.ContainerWait(ctx, n.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case answer := <-wait.Result:
		if answer.Error != nil {
			return errors.New(answer.Error.Message)
		}
		return nil
	case err := <-wait.Error:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restart implements [engine.Node].
func (n *node) Restart(ctx context.Context) error {
	ctx, end, err := n.site.engine.begin(ctx)
	if err != nil {
		return fmt.Errorf("restart %s: %w", n.Name(), err)
	}
	defer end()
	state, err := n.State(ctx)
	if err == nil && state.Running {
		err = errors.New("its process still runs; end it first")
	}
	if err == nil {
		_, err = n.site.engine.daemon.ContainerStart(ctx, n.id, client.ContainerStartOptions{})
	}
	if err != nil {
		return fmt.Errorf("restart %s: %w", n.Name(), err)
	}
	n.wakeFollowers()
	return nil
}

// Pause implements [engine.Node].
func (n *node) Pause(ctx context.Context) error {
	if _, err := n.site.engine.daemon.ContainerPause(ctx, n.id, client.ContainerPauseOptions{}); err != nil {
		return fmt.Errorf("pause %s: %w", n.Name(), err)
	}
	return nil
}

// Resume implements [engine.Node].
func (n *node) Resume(ctx context.Context) error {
	if _, err := n.site.engine.daemon.ContainerUnpause(ctx, n.id, client.ContainerUnpauseOptions{}); err != nil {
		return fmt.Errorf("resume %s: %w", n.Name(), err)
	}
	return nil
}

// Log implements [engine.Node]. Both streams are in it in the order in which
// the daemon received them.
func (n *node) Log(ctx context.Context) (io.ReadCloser, error) {
	frames, err := n.site.engine.daemon.ContainerLogs(ctx, n.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n.Name(), err)
	}
	defer frames.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, frames); err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n.Name(), err)
	}
	return io.NopCloser(&text), nil
}
