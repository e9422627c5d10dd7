// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listener is a TCP socket that listens.
type Listener struct {
	Address netip.AddrPort
	Inode   uint64 // of the socket, as in a link of /proc/<pid>/fd
}

// stateListen is TCP_LISTEN of the kernel's include/net/tcp_states.h, as
// /proc/net/tcp writes it.
const stateListen = "0A"

// ParseListeners finds the listening sockets in the text of /proc/net/tcp or
// /proc/net/tcp6, see proc(5):
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 …
//
// Lines that are not of that shape are left out.
func ParseListeners(table string) []Listener {
	var found []Listener
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != stateListen {
			continue
		}
		address, ok := parseAddress(fields[1])
		inode, err := strconv.ParseUint(fields[9], 10, 64)
		if ok && err == nil {
			found = append(found, Listener{Address: address, Inode: inode})
		}
	}
	return found
}

// parseAddress reads "0100007F:1F40": words of four bytes in the machine's own
// order, and a port.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	bytes, err := hex.DecodeString(host)
	if err != nil || len(bytes)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := bytes; len(word) > 0; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	ip, ok := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), ok
}

// dnsServer is where Docker's name server listens, in every namespace.
var dnsServer = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// ListeningSockets are the TCP sockets that listen in the network namespace of this
// process.
func ListeningSockets() ([]Listener, error) {
	if found, err := askKernel(); err == nil {
		return found, nil
	}
	return readTables("/proc/self/net") // a kernel that does not answer, or may not be asked
}

// ListenersOf lists the TCP addresses that are listened on in the network namespace of
// the process whose directory in /proc it is given, in order and without Docker's own.
func ListenersOf(process string) ([]netip.AddrPort, error) {
	if found, err := askOf(process); err == nil {
		return addresses(found), nil
	}
	found, err := readTables(filepath.Join(process, "net")) // for a user who may not enter it
	return addresses(found), err
}

// addresses are those of listeners, in order and without Docker's own.
func addresses(listeners []Listener) []netip.AddrPort {
	var found []netip.AddrPort
	for _, l := range listeners {
		if l.Address.Addr() != dnsServer {
			found = append(found, l.Address)
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found)
}

// readTables finds the listening sockets in the tables of a directory.
func readTables(dir string) ([]Listener, error) {
	var found []Listener
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(dir, table))
		if table == "tcp6" && errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list listeners: %w", err)
		}
		found = append(found, ParseListeners(string(text))...)
	}
	return found, nil
}
