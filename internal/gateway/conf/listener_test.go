// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

func TestListeners(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		value string
		want  []conf.Listener
	}{
		"plain": {"0.0.0.0:8000", []conf.Listener{{Address: "0.0.0.0:8000"}}},
		"Kong's default": {"0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384", []conf.Listener{
			{Address: "0.0.0.0:8000", ReusePort: true, Backlog: 16384},
			{Address: "0.0.0.0:8443", TLS: true, HTTP2: true, ReusePort: true, Backlog: 16384},
		}},
		"IPv6":  {"[::]:8000 ipv6only=on", []conf.Listener{{Address: "[::]:8000", IPv6Only: "on"}}},
		"name":  {"localhost:1 proxy_protocol deferred bind", []conf.Listener{{Address: "localhost:1", ProxyProtocol: true, Deferred: true, Bind: true}}},
		"alive": {"1.2.3.4:1 so_keepalive=30m::10", []conf.Listener{{Address: "1.2.3.4:1", KeepAlive: "30m::10"}}},
		"off":   {"off", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_STATUS_LISTEN="+c.value)})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(config.StatusListen, c.want) {
				t.Errorf("got %+v, want %+v", config.StatusListen, c.want)
			}
			var written []string
			for _, listener := range config.StatusListen {
				written = append(written, listener.String())
			}
			if name != "off" && strings.Join(written, ", ") != c.value {
				t.Errorf("written as %q", written)
			}
		})
	}
}

func TestListenersThatAreNone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"8000":                         `"8000" is no host:port`,
		":8000":                        `":8000" is no host:port`,
		"1.2.3.4:70000":                "has no valid port",
		"1.2.3.4:1 quic":               `"quic" is no flag of the listener 1.2.3.4:1`,
		"1.2.3.4:1 ssl=on":             `"ssl=on" is no flag`,
		"1.2.3.4:1 backlog=-1":         `"backlog=-1" is no flag`,
		"1.2.3.4:1 ipv6only=maybe":     `"ipv6only=maybe" is no flag`,
		"1.2.3.4:1 so_keepalive=::":    `"so_keepalive=::" is no flag`,
		"1.2.3.4:1 so_keepalive=a:b:c": `"so_keepalive=a:b:c" is no flag`,
	} {
		_, err := conf.Load(conf.Source{Environ: dataPlane(t, "KONG_STATUS_LISTEN="+value)})
		if err == nil || !strings.HasPrefix(err.Error(), "status_listen: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", value, err, want)
		}
	}
}
