// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// slowConn takes its time over every read.
type slowConn struct {
	net.Conn
	delay time.Duration
}

func (c slowConn) Read(into []byte) (int, error) {
	<-time.After(c.delay) // of the bubble's clock
	return c.Conn.Read(into)
}

// pipes is a listener that accepts the connections it is given.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, open := <-p; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestASlowDataPlaneGetsALargeConfiguration(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	synctest.Test(t, func(t *testing.T) {
		identity := newIdentity(t) // valid by the bubble's clock
		server := NewServer(ServerOptions{Identity: identity, Version: "3.9.1", Log: quiet,
			Record: func(context.Context, DataPlane) error { return nil }})
		server.Publish(Publication{Frame: noise})
		connections := make(pipes, 1)
		web := &http.Server{Handler: server, TLSConfig: identity.ServerTLS()}
		go func() { _ = web.ServeTLS(connections, "", "") }()
		defer func() { close(connections); _ = web.Close(); server.Close() }()

		dialer := websocket.Dialer{TLSClientConfig: identity.clientTLS(), NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			connections <- far
			return slowConn{near, 100 * time.Millisecond}, nil
		}}
		conn, _, err := dialer.Dial("wss://control-plane"+Path+rawQuery, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(rawBasicInfo)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, got, err := conn.ReadMessage()
		if err != nil || !bytes.Equal(got, noise) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if took := time.Since(began); took <= ioTimeout {
			t.Errorf("it took %s: not slow enough for this test", took)
		}
	})
}

func TestPacedConnGivesAPeerUpThatTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		go func() { _, _ = far.Read(make([]byte, pace)) }() // and no more
		conn := &pacedConn{Conn: near}
		began := time.Now()
		if err := conn.SetWriteDeadline(began.Add(ioTimeout)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write(make([]byte, 2*pace))
		if n != pace || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != ioTimeout {
			t.Errorf("%d bytes in %s, %v", n, time.Since(began), err)
		}
	})
}
