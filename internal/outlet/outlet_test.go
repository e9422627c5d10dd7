// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience bounds what must come about; impatience is how long a silence is
// listened to.
const (
	patience   = 20 * time.Second
	impatience = 2 * time.Second
)

// plane is a control plane made of the library's server.
type plane struct {
	address string
	options Options
}

func newPlane(t *testing.T, handler http.HandlerFunc) plane {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return plane{server.Listener.Addr().String(), Options{
		TLS:    &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
		NodeID: "6c1b0a3e-0f39-4a1e-9b51-3a8f0c1d2e4f", Hostname: "witness", Version: "3.9.1", Wait: patience,
	}}
}

// upgraded is a handler that talks once it was introduced to.
func upgraded(t *testing.T, upgrader websocket.Upgrader, talk func(*websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Errorf("read basic_info: %v", err)
		}
		talk(conn)
	}
}

// linger keeps the connection until the other side closes it. It answers pings.
func linger(conn *websocket.Conn) { _, _, _ = conn.ReadMessage() }

// deaf lingers and answers nothing.
func deaf(conn *websocket.Conn) {
	conn.SetPingHandler(func(string) error { return nil })
	linger(conn)
}

func packed(t testing.TB, message string) []byte {
	t.Helper()
	var frame bytes.Buffer
	w := gzip.NewWriter(&frame)
	if _, err := w.Write([]byte(message)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return frame.Bytes()
}

const (
	table   = `{"_format_version":"3.0","services":[{"name":"probed"}]}`
	message = `{"type":"reconfigure","timestamp":1.5,"config_table":` + table + `,"config_hash":"0123456789abcdef0123456789abcdef"}`
)

// TestAnswers: each way in which a control plane may behave is told apart.
func TestAnswers(t *testing.T) {
	t.Parallel()
	push := func(payload []byte) func(*websocket.Conn) {
		return func(conn *websocket.Conn) {
			_ = conn.WriteMessage(websocket.BinaryMessage, payload) // the asker may have left
			linger(conn)
		}
	}
	frame := packed(t, message)
	plain := websocket.Upgrader{}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		wait    time.Duration
		limit   int64
		ok      func(Answer) bool
		text    string
	}{
		"a configuration": {handler: upgraded(t, plain, push(frame)), text: "configuration 0123", ok: func(a Answer) bool {
			return a.Upgraded() && a.Err == nil && string(a.Configuration.Table) == table && a.Frame.Final && a.Frame.Bytes == int64(len(frame))
		}},
		"no configuration": {handler: upgraded(t, plain, linger), wait: impatience, text: "answers pings, no configuration, and silence", ok: func(a Answer) bool {
			return a.Upgraded() && a.Silent() && a.Pongs == 1 && a.Frame == nil
		}},
		"no pong": {handler: upgraded(t, plain, deaf), wait: impatience, text: "answers no ping", ok: func(a Answer) bool {
			return a.Upgraded() && a.Silent() && a.Pongs == 0 && a.Frame == nil
		}},
		"no HTTP answer": {handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, wait: impatience, text: "no HTTP answer, and silence", ok: func(a Answer) bool {
			return a.Secured && a.Silent() && a.Status == 0
		}},
		"hung up on": {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, text: "EOF", ok: func(a Answer) bool {
			return a.Secured && !a.Silent() && a.Status == 0 && a.Err != nil
		}},
		"busy": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, text: "status 503, Retry-After 7", ok: func(a Answer) bool { return a.Err == nil && a.Status == 503 && a.RetryAfter == "7" }},
		"a larger frame than the limit": {handler: upgraded(t, plain, push(make([]byte, 100_000))), limit: 99_999, text: "a frame of 100000 bytes", ok: func(a Answer) bool {
			return a.Err == nil && a.Configuration == nil && a.Frame.Bytes == 100_000
		}},
		"as large a frame as the limit": {handler: upgraded(t, plain, push(frame)), limit: int64(len(frame)), text: "configuration", ok: func(a Answer) bool { return a.Configuration != nil }},
		"fragments": {handler: upgraded(t, websocket.Upgrader{WriteBufferSize: 64}, func(conn *websocket.Conn) {
			if w, err := conn.NextWriter(websocket.BinaryMessage); err == nil {
				_, _ = w.Write(frame[:50]) // less than one buffer, so that it waits
				_, _ = w.Write(frame[50:])
				_ = w.Close()
			}
			linger(conn)
		}), text: "several frames", ok: func(a Answer) bool { return a.Err != nil && !a.Frame.Final && a.Configuration == nil }},
		"a text frame": {handler: upgraded(t, plain, func(conn *websocket.Conn) { _ = conn.WriteMessage(websocket.TextMessage, frame); linger(conn) }),
			text: "opcode 1", ok: func(a Answer) bool { return a.Err != nil && a.Configuration == nil }},
		"not gzip": {handler: upgraded(t, plain, push([]byte(message))), text: "decompress", ok: func(a Answer) bool { return a.Err != nil && a.Frame != nil && a.Configuration == nil }},
		"another message": {handler: upgraded(t, plain, push(packed(t, `{"type":"other"}`))), text: `type "other"`, ok: func(a Answer) bool {
			return a.Err != nil && a.Configuration == nil
		}},
		"a close frame": {handler: upgraded(t, plain, func(conn *websocket.Conn) {
			_ = conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(patience))
		}),
			text: "closed the connection", ok: func(a Answer) bool { return a.Upgraded() && a.Err != nil && !a.Silent() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, c.handler)
			p.options.Limit = c.limit
			if c.wait > 0 {
				p.options.Wait = c.wait
			}
			if a := Ask(t.Context(), p.address, p.options); !c.ok(a) || !strings.Contains(a.String(), c.text) {
				t.Errorf("%q: %+v", a, a)
			}
		})
	}
}

// TestIntroduction: what a control plane is told is what it needs, in frames that
// another implementation understands.
func TestIntroduction(t *testing.T) {
	t.Parallel()
	for _, plugins := range []int{0, 3, 100, 5000} { // short, medium and long frames
		t.Run(fmt.Sprint(plugins), func(t *testing.T) {
			t.Parallel()
			pings, queries, infos := make(chan string, 1), make(chan string, 1), make(chan []byte, 1)
			p := newPlane(t, func(w http.ResponseWriter, r *http.Request) {
				queries <- r.URL.RawQuery
				conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					t.Errorf("upgrade: %v", err)
					return
				}
				defer conn.Close()
				conn.SetPingHandler(func(hash string) error { pings <- hash; return errors.New("enough") })
				_, info, err := conn.ReadMessage()
				if err != nil {
					t.Errorf("read basic_info: %v", err)
				}
				infos <- info
				linger(conn)
			})
			for i := range plugins {
				p.options.Plugins = append(p.options.Plugins, fmt.Sprintf("plugin-%d", i))
			}
			Ask(t.Context(), p.address, p.options)
			var info struct {
				Type    string
				Plugins []struct{ Name string }
			}
			if err := json.Unmarshal(<-infos, &info); err != nil || info.Type != "basic_info" || len(info.Plugins) != plugins {
				t.Errorf("basic_info of type %q with %d plugins, error %v", info.Type, len(info.Plugins), err)
			}
			if hash := <-pings; hash != noConfiguration {
				t.Errorf("ping %q", hash)
			}
			want := "node_id=" + p.options.NodeID + "&node_hostname=witness&node_version=3.9.1"
			if query := <-queries; query != want {
				t.Errorf("query %q, want %q", query, want)
			}
		})
	}
}

// TestUnreachable: what never got as far as TLS is no silence of a control plane.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := newPlane(t, nil)
	p.options.Wait = impatience
	strange := p.options
	strange.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com", MinVersion: tls.VersionTLS12}
	for name, a := range map[string]Answer{
		"refused":           Ask(t.Context(), "127.0.0.1:1", p.options),
		"silent before TLS": Ask(t.Context(), silent.Addr().String(), p.options),
		"not trusted":       Ask(t.Context(), p.address, strange),
	} {
		if a.Secured || a.Silent() || a.Err == nil || !strings.Contains(a.String(), "no TLS connection") {
			t.Errorf("%s: %q, %+v", name, a, a)
		}
	}
}

// TestAskEndsWithItsContext, which is no silence of the control plane either.
func TestAskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	p := newPlane(t, func(_ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() })
	ctx, giveUp := context.WithCancel(t.Context())
	go func() { <-arrived; giveUp() }()
	if a := Ask(ctx, p.address, p.options); !errors.Is(a.Err, context.Canceled) || a.Silent() {
		t.Errorf("%+v", a)
	}
}

func TestWrongAcceptIsNoUpgrade(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n")
		_ = buffer.Flush()
	})
	if a := Ask(t.Context(), p.address, p.options); a.Err == nil || !strings.Contains(a.Err.Error(), "Sec-WebSocket-Accept") {
		t.Errorf("%+v", a)
	}
}
