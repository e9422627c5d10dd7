// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Where the fields of the kernel's include/uapi/linux/inet_diag.h lie.
const (
	diagRequestSize = 56 // struct inet_diag_req_v2
	diagAnswerSize  = 72 // struct inet_diag_msg
	diagPort        = 4  // of inet_diag_msg: id.idiag_sport, in network order
	diagAddress     = 8  // id.idiag_src, sixteen bytes, of which IPv4 takes four
	diagInode       = 68 // idiag_inode
	diagByFamily    = 20 // SOCK_DIAG_BY_FAMILY of sock_diag.h
	tcpListen       = 10 // TCP_LISTEN of tcp_states.h
)

// askOf asks the kernel for the TCP sockets that listen in the network namespace of a
// process, whose directory in /proc it is given. That takes CAP_SYS_ADMIN.
func askOf(process string) ([]Listener, error) {
	namespace, err := os.Open(filepath.Join(process, "ns", "net"))
	if err != nil {
		return nil, fmt.Errorf("ask the kernel what listens: %w", err)
	}
	defer namespace.Close()
	return askIn(int(namespace.Fd()))
}

// askKernel asks for those in the network namespace of this thread.
func askKernel() ([]Listener, error) { return askIn(0) }

// askIn asks for the TCP sockets that listen in a network namespace, see sock_diag(7); 0
// is this thread's. Unlike /proc/net/tcp this does not walk the table of established
// connections, whose size grows with the machine's memory, all namespaces' included.
func askIn(namespace int) ([]Listener, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{NetNS: namespace})
	if err != nil {
		return nil, fmt.Errorf("ask the kernel what listens: %w", err)
	}
	var found []Listener
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		answers, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: diagByFamily, Flags: netlink.Request | netlink.Dump},
			Data:   diagRequest(family),
		})
		if err != nil {
			_ = conn.Close() // the answer that did not come is what matters
			return nil, fmt.Errorf("ask the kernel what listens: %w", err)
		}
		for _, answer := range answers {
			if l, ok := parseDiag(answer.Data); ok {
				found = append(found, l)
			}
		}
	}
	return found, conn.Close()
}

// diagRequest asks for the listening TCP sockets of an address family.
func diagRequest(family byte) []byte {
	request := make([]byte, diagRequestSize)
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], 1<<tcpListen)
	return request
}

// parseDiag reads a struct inet_diag_msg; what follows it is left out.
func parseDiag(answer []byte) (Listener, bool) {
	if len(answer) < diagAnswerSize {
		return Listener{}, false
	}
	size := 4
	if answer[0] == unix.AF_INET6 {
		size = 16
	}
	ip, ok := netip.AddrFromSlice(answer[diagAddress : diagAddress+size])
	port := binary.BigEndian.Uint16(answer[diagPort:])
	return Listener{
		Address: netip.AddrPortFrom(ip.Unmap(), port),
		Inode:   uint64(binary.NativeEndian.Uint32(answer[diagInode:])),
	}, ok
}
