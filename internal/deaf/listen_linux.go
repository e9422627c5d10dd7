// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package deaf

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// takeNothing is the classic BPF program "return 0": of each packet, keep no byte.
var takeNothing = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}

// listenConfig gives a socket the filter before it is bound.
var listenConfig = net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
	var filterErr error
	err := conn.Control(func(fd uintptr) {
		program := unix.SockFprog{Len: uint16(len(takeNothing)), Filter: &takeNothing[0]}
		filterErr = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	if err := errors.Join(err, filterErr); err != nil {
		return fmt.Errorf("attach a packet filter: %w", err)
	}
	return nil
}}

func supported() error { return nil }
