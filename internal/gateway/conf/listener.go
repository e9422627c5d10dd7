// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Listener is an address that the node listens at, with the flags that Kong 3.9
// knows. Of the flags that tune the socket none changes what is served.
type Listener struct {
	Address string // "host:port"; port 0 leaves the choice to the kernel

	TLS           bool // "ssl"
	HTTP2         bool // without TLS: for clients that know beforehand
	ProxyProtocol bool // every connection starts with a PROXY header

	ReusePort bool   // "reuseport"
	Deferred  bool   // "deferred"
	Bind      bool   // "bind"
	Backlog   int    // "backlog=16384"; 0 means the system's
	IPv6Only  string // "ipv6only=on" or "off"; empty means the system's
	KeepAlive string // "so_keepalive=on", "off" or "idle:interval:count"; empty means the system's
}

// String is the listener as it is written in a kong.conf.
func (l Listener) String() string {
	words := []string{l.Address}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"http2", l.HTTP2}, {"ssl", l.TLS}, {"proxy_protocol", l.ProxyProtocol}, {"deferred", l.Deferred}, {"bind", l.Bind}, {"reuseport", l.ReusePort}} {
		if flag.set {
			words = append(words, flag.name)
		}
	}
	if l.Backlog > 0 {
		words = append(words, "backlog="+strconv.Itoa(l.Backlog))
	}
	if l.IPv6Only != "" {
		words = append(words, "ipv6only="+l.IPv6Only)
	}
	if l.KeepAlive != "" {
		words = append(words, "so_keepalive="+l.KeepAlive)
	}
	return strings.Join(words, " ")
}

// listen takes "off" or a list of "host:port [flag …]".
func listen(field func(*Config) *[]Listener) setter {
	return func(c *Config, value string) error {
		*field(c) = nil
		if value == "off" || value == "" {
			return nil
		}
		for _, element := range list(value) {
			listener, err := parseListener(element)
			if err != nil {
				return err
			}
			*field(c) = append(*field(c), listener)
		}
		return nil
	}
}

func parseListener(text string) (Listener, error) {
	words := strings.Fields(text)
	if words[0] == "off" {
		return Listener{}, errors.New(`"off" must stand alone`)
	}
	address, err := hostPort(words[0])
	listener := Listener{Address: address}
	for _, word := range words[1:] {
		if err == nil {
			err = listener.flag(word)
		}
	}
	return listener, err
}

// flag takes one word after the address.
func (l *Listener) flag(word string) error {
	name, value, hasValue := strings.Cut(word, "=")
	flags := map[string]*bool{
		"ssl": &l.TLS, "http2": &l.HTTP2, "proxy_protocol": &l.ProxyProtocol,
		"reuseport": &l.ReusePort, "deferred": &l.Deferred, "bind": &l.Bind,
	}
	if flag := flags[name]; flag != nil && !hasValue {
		*flag = true
		return nil
	}
	switch {
	case name == "backlog":
		backlog, err := strconv.ParseUint(value, 10, 31)
		l.Backlog = int(backlog)
		if err == nil {
			return nil
		}
	case name == "ipv6only" && (value == "on" || value == "off"):
		l.IPv6Only = value
		return nil
	case name == "so_keepalive" && (value == "on" || value == "off" || isKeepAlive(value)):
		l.KeepAlive = value
		return nil
	}
	return fmt.Errorf("%q is no flag of the listener %s; there are ssl, http2, proxy_protocol, deferred, bind, reuseport, "+
		"backlog=N, ipv6only=on|off and so_keepalive=on|off|idle:interval:count", short(word), short(l.Address))
}

// isKeepAlive takes "idle:interval:count", any of which may be missing.
func isKeepAlive(value string) bool {
	return strings.Count(value, ":") == 2 && strings.Trim(value, "0123456789smhd:") == "" && value != "::"
}

// hostPort checks a "host:port".
func hostPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", fmt.Errorf("%q is no host:port", short(address))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no valid port", short(address))
	}
	return address, nil
}
