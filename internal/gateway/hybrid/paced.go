// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// pace is how many bytes must go out within a write's time limit.
const pace = 64 << 10

// pacedConn applies the time that is left until a write deadline to each 64 KiB
// of what is written next, not to the whole: a configuration may take long over
// a slow line, while a peer that takes nothing is given up in time. Kong's limit
// too is that of one send operation.
//
// As with all connections under a WebSocket, one goroutine at a time may set
// the deadline and write.
type pacedConn struct {
	net.Conn
	limit time.Duration // 0: none
}

// SetWriteDeadline sets the time limit; see [net.Conn].
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.limit = 0
	if !t.IsZero() {
		c.limit = time.Until(t)
	}
	return c.Conn.SetWriteDeadline(t)
}

// Write writes all of data; see [net.Conn].
func (c *pacedConn) Write(data []byte) (int, error) {
	written := 0
	for {
		n, err := c.Conn.Write(data[written:min(written+pace, len(data))])
		written += n
		if err != nil || written == len(data) {
			return written, err
		}
		if c.limit == 0 {
			continue
		}
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
			return written, err
		}
	}
}

// pacedWriter is a response writer whose connection, once hijacked, is paced.
type pacedWriter struct{ http.ResponseWriter }

var _ http.Hijacker = pacedWriter{}

// Hijack implements [http.Hijacker].
func (w pacedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &pacedConn{Conn: conn}, buffered, nil
}
