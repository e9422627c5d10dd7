// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"blackout/internal/netfault"
)

// Listening implements [engine.Node] for the processes of the node's group.
func (n *node) Listening(context.Context) ([]netip.AddrPort, error) {
	group := n.process().cmd.Process.Pid
	sockets, err := socketsOf(group)
	if err != nil {
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), err)
	}
	listeners, err := netfault.ListeningSockets()
	if err != nil {
		return nil, fmt.Errorf("list what %s listens on: %w", n.Name(), err)
	}
	var addresses []netip.AddrPort
	for _, l := range listeners {
		if sockets[l.Inode] {
			addresses = append(addresses, l.Address)
		}
	}
	slices.SortFunc(addresses, netip.AddrPort.Compare)
	return slices.Compact(addresses), nil
}

// socketsOf are the inodes of the sockets that a process group has open. A
// process that ends meanwhile has none.
func socketsOf(group int) (map[uint64]bool, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	sockets := make(map[uint64]bool)
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil || groupOf(string(stat)) != group {
			continue // it has ended, or is somebody else's
		}
		links, err := filepath.Glob(filepath.Dir(path) + "/fd/*")
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			if inode, ok := socketInode(link); ok {
				sockets[inode] = true
			}
		}
	}
	return sockets, nil
}

// groupOf is the process group in the text of /proc/<pid>/stat, see proc(5):
// "7 (name) S 1 7 …", where the name may hold anything.
func groupOf(stat string) int {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return 0
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return 0
	}
	return group
}

// socketInode reads a link of /proc/<pid>/fd, "socket:[12345]".
func socketInode(link string) (uint64, bool) {
	target, err := os.Readlink(link)
	if err != nil {
		return 0, false // closed meanwhile
	}
	text, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64)
	return inode, err == nil
}
