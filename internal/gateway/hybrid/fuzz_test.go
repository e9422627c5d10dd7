// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake asks for it
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"blackout/internal/gateway/entity"
)

// fuzzLimit is the payload limit of both sides while they are fuzzed, in bytes.
const fuzzLimit = 1 << 16

// script is a connection whose peer has said everything it will say.
type script struct {
	net.Conn // nil: what is not below is not used
	in       io.Reader

	mu     sync.Mutex
	out    bytes.Buffer
	closed bool
}

func (s *script) Read(into []byte) (int, error) { return s.in.Read(into) }

func (s *script) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	return s.out.Write(data)
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *script) written() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.out.Bytes())
}

func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// hijacked is a response writer whose connection is a script.
type hijacked struct {
	*httptest.ResponseRecorder
	conn *script
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// rawFrame is a frame as a client (masked, by zeros) or a server writes it.
func rawFrame(client bool, opcode byte, payload []byte) []byte {
	head := []byte{0x80 | opcode, 126, byte(len(payload) >> 8), byte(len(payload))} // #nosec G115 -- short ones
	if len(payload) < 126 {
		head = []byte{0x80 | opcode, byte(len(payload))} // #nosec G115 -- as above
	}
	if client {
		head[1] |= 0x80
		head = append(head, 0, 0, 0, 0)
	}
	return append(head, payload...)
}

// FuzzServerFrames is a control plane that reads whatever a data plane of its
// cluster may send after the upgrade. It records only whole hashes, and ends.
func FuzzServerFrames(f *testing.F) {
	hash := []byte(entity.EmptyHash)
	info, ping := rawFrame(true, 2, []byte(rawBasicInfo)), rawFrame(true, 9, hash)
	f.Add(append(bytes.Clone(info), ping...))
	f.Add(append(bytes.Clone(ping), info...))
	f.Add(append(bytes.Clone(info), rawFrame(true, 9, hash[1:])...))
	f.Add(append(bytes.Clone(info), info...))
	f.Add(append(bytes.Clone(info), rawFrame(true, 8, []byte{3, 232})...))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x02, 0x80, 0, 0, 0, 0, 0x80, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, said []byte) {
		server := NewServer(ServerOptions{Version: "3.9.1", MaxPayload: fuzzLimit, Log: quiet,
			Record: func(_ context.Context, dp DataPlane) error {
				if dp.ConfigHash != "" && len(dp.ConfigHash) != hashLength {
					t.Errorf("recorded the hash %q", dp.ConfigHash)
				}
				return nil
			}})
		server.Publish(Publication{Frame: []byte("frame"), Plugins: []string{"acl"}})
		conn := &script{in: bytes.NewReader(said)}
		request := httptest.NewRequest(http.MethodGet, Path, nil)
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "+blhOM3g2Walln+MROsTeQ=="} {
			request.Header.Set(name, value)
		}
		upgraded, err := new(websocket.Upgrader).Upgrade(hijacked{httptest.NewRecorder(), conn}, request, nil)
		if err != nil {
			t.Fatal(err)
		}
		server.serve(t.Context(), upgraded, DataPlane{ID: "id", Version: "3.9.1", SyncStatus: SyncUnknown})
		if server.Clients() != 0 || !conn.closed {
			t.Error("the session is not over")
		}
	})
}

// FuzzClientFrames is a data plane that reads whatever a control plane of its
// cluster may send after the upgrade.
func FuzzClientFrames(f *testing.F) {
	var reconfigure, bomb bytes.Buffer
	for buffer, text := range map[*bytes.Buffer]string{
		&reconfigure: `{"type":"reconfigure","config_table":{"_format_version":"3.0"},"config_hash":"` + strings.Repeat("1", 32) + `"}`,
		&bomb:        `{"type":"reconfigure","config_table":{"x":"` + strings.Repeat(" ", 1<<20) + `"}}`,
	} {
		writer := gzip.NewWriter(buffer)
		_, _ = writer.Write([]byte(text)) // to memory: never fails
		_ = writer.Close()
	}
	f.Add(append(rawFrame(false, 2, reconfigure.Bytes()), rawFrame(false, 10, nil)...))
	f.Add(rawFrame(false, 2, bomb.Bytes()))
	f.Add(rawFrame(false, 1, []byte("text")))
	f.Add(rawFrame(false, 9, []byte("ping")))
	f.Add(rawFrame(false, 8, nil))
	f.Add([]byte{0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x02, 0x01, 0x1f, 0x80, 0x01, 0x8b})
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := &script{}
		conn.in = &answer{conn: conn, then: bytes.NewReader(said)}
		dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		upgraded, response, err := dialer.DialContext(t.Context(), "ws://control-plane"+Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		upgraded.SetReadLimit(fuzzLimit)
		owner := newRecorder()
		client := NewClient(ClientOptions{MaxPayload: fuzzLimit, Rand: rand.New(rand.NewPCG(1, 2)), Log: quiet}, owner)
		if client.converse(t.Context(), upgraded) == nil {
			t.Error("the conversation ended without a reason")
		}
		close(owner.messages)
		for message := range owner.messages {
			if message.Type != typeReconfigure || message.Hash != "" && len(message.Hash) != hashLength {
				t.Errorf("was given %+v", message)
			}
		}
	})
}

// answer is a control plane's part of the upgrade, for the key that the client
// has sent by the time it reads, and what comes after it.
type answer struct {
	conn  *script
	ahead io.Reader // nil before the first read
	then  io.Reader
}

func (a *answer) Read(into []byte) (int, error) {
	if a.ahead == nil {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(a.conn.written())))
		if err != nil {
			return 0, err
		}
		sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- as above
		head := fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		a.ahead = io.MultiReader(strings.NewReader(head), a.then)
	}
	return a.ahead.Read(into)
}
