// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"blackout/harness/engine"
	"blackout/internal/netfault"
)

// Listening implements [engine.Node]. Docker's own name server is left out. Where
// the container's processes are this machine's, its tables are read in /proc;
// elsewhere Options.Netfault reads them from within.
func (n *node) Listening(ctx context.Context) ([]netip.AddrPort, error) {
	info, err := n.inspect(ctx)
	if err == nil {
		err = runs(info.State)
	}
	if err != nil {
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), err)
	}
	if dir := processDir(info.State.Pid); isContainers(dir, n.id) {
		if addresses, err := netfault.ListenersOf(dir); err == nil {
			return addresses, nil
		}
	}
	addresses, err := n.listeningWithin(ctx)
	if err != nil {
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), n.unlessEnded(ctx, info.State.Pid, err))
	}
	return addresses, nil
}

// unlessEnded is an error met with a process of the container, or engine.ErrEnded,
// wrapped, if that process is no more: it may have ended meanwhile.
func (n *node) unlessEnded(ctx context.Context, pid int, err error) error {
	info, again := n.inspect(ctx)
	if again == nil && (runs(info.State) != nil || info.State.Pid != pid) {
		return fmt.Errorf("%w meanwhile", engine.ErrEnded)
	}
	return err
}

// Process implements [engine.Node]: the container's first process.
func (n *node) Process(ctx context.Context) (int, error) {
	info, err := n.inspect(ctx)
	if err == nil {
		err = runs(info.State)
	}
	if err != nil {
		return 0, fmt.Errorf("find process of %s: %w", n.Name(), err)
	}
	if !isContainers(processDir(info.State.Pid), n.id) {
		return 0, fmt.Errorf("find process of %s: %w: the container's processes are not this machine's", n.Name(), engine.ErrUnsupported)
	}
	return info.State.Pid, nil
}

// processDir is the directory of /proc of a process id, which may be nobody's.
func processDir(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid)) }

// isContainers says whether a directory of /proc is that of a process of the
// container, and not of one that happens to have its id on this machine.
func isContainers(dir, container string) bool {
	groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	return err == nil && strings.Contains(string(groups), container)
}

// listeningWithin asks in the node's network namespace.
func (n *node) listeningWithin(ctx context.Context) ([]netip.AddrPort, error) {
	h, err := n.helper(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := h.do(ctx, netfault.Request{Do: netfault.Listeners})
	return reply.Listeners, err
}
