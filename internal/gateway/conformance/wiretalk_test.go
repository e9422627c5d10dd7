// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"bytes"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake asks for it
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/hybrid"
)

// WebSocket opcodes (RFC 6455, section 5.2).
const (
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// conversation is one end of a connection between data plane and control plane,
// spoken frame by frame.
type conversation struct {
	conn   net.Conn
	in     *bufio.Reader
	client bool   // its frames are masked
	hash   string // in the last ping that came
	info   []byte // the data plane's first message
}

// wireTimeout bounds each step of a conversation.
const wireTimeout = 30 * time.Second

func newConversation(t testing.TB, conn net.Conn, client bool) *conversation {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	return &conversation{conn: conn, in: bufio.NewReader(conn), client: client}
}

// write sends one whole frame.
func (c *conversation) write(t testing.TB, opcode byte, payload []byte) {
	t.Helper()
	frame := []byte{0x80 | opcode}
	var mask byte
	if c.client {
		mask = 0x80 // by zeros, which change nothing
	}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, mask|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, mask|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, mask|127), uint64(n))
	}
	if c.client {
		frame = append(frame, 0, 0, 0, 0)
	}
	if _, err := c.conn.Write(append(frame, payload...)); err != nil {
		t.Fatal(err)
	}
}

// read takes one frame, which must be whole, and masked if a client sent it.
func (c *conversation) read() (opcode byte, payload []byte, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wireTimeout)); err != nil {
		return 0, nil, err
	}
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	opcode = head[0] & 15
	if head[0]&0xf0 != 0x80 || (head[1]&0x80 != 0) == c.client {
		return 0, nil, fmt.Errorf("a frame begins with %x: it is a fragment, extended, or masked as it should not be", head)
	}
	length := uint64(head[1] & 0x7f)
	if extra := map[uint64]int{126: 2, 127: 8}[length]; extra > 0 {
		var wide [8]byte
		if _, err := io.ReadFull(c.in, wide[8-extra:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(wide[:])
	}
	var mask [4]byte
	if !c.client {
		if _, err := io.ReadFull(c.in, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(c.in, payload)
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return opcode, payload, err
}

// await reads the next frame of a kind. Of the others only configurations and
// pings may come before it.
func (c *conversation) await(t testing.TB, opcode byte) []byte {
	t.Helper()
	for {
		got, payload, err := c.read()
		if err != nil {
			t.Fatalf("while waiting for opcode %d: %v", opcode, err)
		}
		if got == opPing {
			c.hash = string(payload)
		}
		if got == opcode {
			return payload
		}
		if got != opBinary && got != opPing {
			t.Fatalf("got opcode %d %q, want %d", got, payload, opcode)
		}
	}
}

// ping awaits a ping, answers it and returns its hash.
func (c *conversation) ping(t testing.TB) string {
	t.Helper()
	hash := string(c.await(t, opPing))
	c.write(t, opPong, nil)
	return hash
}

// send sends a configuration.
func (c *conversation) send(t testing.TB, frame []byte) {
	t.Helper()
	c.write(t, opBinary, frame)
}

// recordedControlPlane is a cluster listener that a test speaks for.
type recordedControlPlane struct {
	certificate, key []byte
	identity         hybrid.Identity
	address          string
	listener         net.Listener
}

func newRecordedControlPlane(t testing.TB) *recordedControlPlane {
	t.Helper()
	cp := &recordedControlPlane{}
	cp.certificate, cp.key = clustertest.Certificate(t)
	var err error
	if cp.identity, err = hybrid.NewIdentity(cp.certificate, cp.key); err != nil {
		t.Fatal(err)
	}
	cp.address = "127.0.0.1:0"
	cp.listen(t)
	return cp
}

// listen begins to take connections, at the same address as before.
func (cp *recordedControlPlane) listen(t testing.TB) {
	t.Helper()
	var err error
	if cp.listener, err = tls.Listen("tcp", cp.address, cp.identity.ServerTLS()); err != nil {
		t.Fatal(err)
	}
	cp.address = cp.listener.Addr().String()
	t.Cleanup(cp.stop)
}

// stop refuses connections from now on.
func (cp *recordedControlPlane) stop() { _ = cp.listener.Close() }

// accept takes a data plane's connection up to and with its first ping.
func (cp *recordedControlPlane) accept(t testing.TB) *conversation {
	t.Helper()
	conn, err := cp.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	talk := newConversation(t, conn, false)
	if err := conn.SetDeadline(time.Now().Add(wireTimeout)); err != nil {
		t.Fatal(err)
	}
	request, err := http.ReadRequest(talk.in)
	if err != nil {
		t.Fatal(err)
	}
	if name := conn.(*tls.Conn).ConnectionState().ServerName; name != "kong_clustering" || request.URL.Path != hybrid.Path {
		t.Errorf("SNI %q, path %s", name, request.URL.Path)
	}
	// The recorded answer, header by header.
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 22 Nov 2026 22:37:30 GMT\r\nConnection: upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(request.Header.Get("Sec-WebSocket-Key")))
	if err != nil {
		t.Fatal(err)
	}
	opcode, info, err := talk.read()
	var message map[string]any
	if err == nil {
		err = json.Unmarshal(info, &message)
	}
	if err != nil || opcode != opBinary || message["type"] != "basic_info" {
		t.Fatalf("the first frame is no basic_info: opcode %d, %.100s, %v", opcode, info, err)
	}
	for _, member := range []string{"plugins", "process_conf", "filters", "labels"} {
		if _, given := message[member]; !given {
			t.Errorf("basic_info has no %s", member)
		}
	}
	talk.info = info
	talk.ping(t)
	return talk
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// dialControlPlane connects to a control plane as a data plane of its cluster.
func dialControlPlane(t testing.TB, cp *testNode) *conversation {
	t.Helper()
	pair, err := tls.X509KeyPair(cp.certificate, cp.key)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", cp.Address("cluster"), &tls.Config{Certificates: []tls.Certificate{pair}, ServerName: "kong_clustering",
		InsecureSkipVerify: true}) // #nosec G402 -- a test's own control plane
	if err != nil {
		t.Fatal(err)
	}
	return newConversation(t, conn, true)
}

// request sends a request's recorded text.
func (c *conversation) request(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c.conn, strings.TrimRight(text, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// upgraded reads the answer to it and returns what the key was accepted with.
func (c *conversation) upgraded(t testing.TB) string {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(wireTimeout)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // the conversation goes on beside it
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered with %s", response.Status)
	}
	return response.Header.Get("Sec-WebSocket-Accept")
}

// attach upgrades, introduces a data plane with these plugins and pings. The
// returned function gives the newest configuration that has come.
func (c *conversation) attach(t testing.TB, info []byte) (newest func() []byte) {
	t.Helper()
	c.request(t, "GET "+hybrid.Path+"?node_id=c9a762f6-64fc-40ff-bf01-096f56904d5e&node_hostname=dp-host&node_version=3.9.1 HTTP/1.1\r\n"+
		"Upgrade: websocket\r\nHost: 127.0.0.1\r\nSec-WebSocket-Key: +blhOM3g2Walln+MROsTeQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade")
	c.upgraded(t)
	c.write(t, opBinary, info)
	c.write(t, opPing, bytes.Repeat([]byte("0"), 32))
	frames, done := make(chan []byte, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for {
			opcode, payload, err := c.read()
			if err != nil {
				return
			}
			if opcode == opBinary {
				frames <- payload
			}
		}
	}()
	t.Cleanup(func() { _ = c.conn.Close(); <-done })
	var last []byte
	return func() []byte {
		for {
			select {
			case last = <-frames:
			default:
				return last
			}
		}
	}
}

var errNoConfiguration = errors.New("no configuration has come")
