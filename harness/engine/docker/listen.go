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
	if dir := filepath.Join("/proc", strconv.Itoa(info.State.Pid)); isContainers(dir, n.id) {
		if addresses, err := netfault.ListenersAt(filepath.Join(dir, "net")); err == nil {
			return addresses, nil
		}
	}
	return n.listeningWithin(ctx)
}

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
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), err)
	}
	reply, err := h.do(ctx, netfault.Request{Do: netfault.Listeners})
	if err != nil {
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), err)
	}
	return reply.Listeners, nil
}
