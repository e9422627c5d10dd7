// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// ErrAddress is returned, wrapped, for an address that is none, or not this machine's
// own alone.
var ErrAddress = errors.New("not an address to serve on")

// Check says what is wrong with an address; see [Listen].
func Check(address string) error {
	_, err := parse(address)
	return err
}

// Listen listens on an address of this machine that no other can reach: ":8080",
// "127.0.0.1:8080", "localhost:8080" or "[::1]:8080"; port 0 is a free one. It returns
// [ErrAddress] for any other, and the system's error for a port that is taken.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	at, err := parse(address)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", at.String())
}

// parse reads an address. A name is not looked up: who answers for it could say anything.
func parse(address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %q: write :PORT, as in :8080", ErrAddress, address)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %q: the port is a number from 0 to 65535", ErrAddress, address)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() || ip.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: %q: the page is served to this machine alone: write :PORT, or a loopback address", ErrAddress, address)
	}
	return netip.AddrPortFrom(ip, uint16(number)), nil
}

// hostsOf are what the Host of a request to an address may be. Any other is that of
// a page elsewhere whose name was made to lead here.
func hostsOf(address net.Addr) []string {
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return []string{address.String()}
	}
	hosts := []string{address.String(), "localhost:" + port}
	if port == "80" { // which a browser leaves out
		hosts = append(hosts, "localhost", address.(*net.TCPAddr).IP.String())
	}
	return hosts
}
