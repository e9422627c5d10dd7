// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// session is one data plane's connection, seen from the control plane.
type session struct {
	conn    *websocket.Conn
	dp      DataPlane // belongs to the reading goroutine
	options ServerOptions
	log     *slog.Logger

	frames chan []byte   // the newest frame to send, at most one
	pongs  chan struct{} // answers owed
	hung   sync.Once
}

func newSession(conn *websocket.Conn, dp DataPlane, options ServerOptions) *session {
	return &session{
		conn: conn, dp: dp, options: options,
		log:    options.Log.With("dataplane", dp.ID, "hostname", dp.Hostname, "version", dp.Version),
		frames: make(chan []byte, 1), pongs: make(chan struct{}, 8),
	}
}

// offer replaces the frame that waits to be sent. Only one goroutine at a time
// may call it.
func (c *session) offer(frame []byte) {
	select {
	case <-c.frames:
	default:
	}
	c.frames <- frame
}

// hangUp says goodbye and closes the connection. The close frame has no status,
// as Kong's has none; that it may not arrive is of no matter.
func (c *session) hangUp() {
	c.hung.Do(func() {
		deadline := time.Now().Add(time.Second)
		_ = c.conn.WriteControl(websocket.CloseMessage, nil, deadline)
		_ = c.conn.Close()
	})
}

// run serves the connection until it ends and says why.
func (c *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := c.welcome(ctx); err != nil {
		c.hangUp()
		return err
	}
	c.log.Info("dataplane.connected", "ip", c.dp.IP)
	var writer sync.WaitGroup
	writer.Go(func() {
		// The end of either direction ends the other.
		defer c.hangUp()
		if err := c.write(ctx); err != nil {
			cancel(err)
		}
	})
	err := c.read(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(err)
	c.hangUp()
	writer.Wait()
	return err
}

// welcome reads the first message and checks that the versions fit.
func (c *session) welcome(ctx context.Context) error {
	c.conn.SetReadLimit(c.options.MaxPayload)
	if err := c.conn.SetReadDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("read basic_info: %w", err)
	}
	early := errors.New("a control frame came before basic_info")
	c.conn.SetPingHandler(func(string) error { return early })
	kind, data, err := c.conn.ReadMessage()
	if err != nil {
		return fmt.Errorf("read basic_info: %w", err)
	}
	if kind != websocket.BinaryMessage {
		return errors.New("basic_info came in a text frame")
	}
	info, err := decodeBasicInfo(data)
	if err != nil {
		return err
	}
	c.dp.Labels = info.Labels
	if err := compatible(c.options.Version, c.dp.Version); err != nil {
		c.dp.SyncStatus = SyncVersionIncompatible
		c.log.Warn("dataplane.refused", "reason", err.Error())
		c.record(ctx)
		return err
	}
	c.dp.SyncStatus = SyncNormal
	return nil
}

// read takes pings until the connection ends. After basic_info nothing else may
// come (Kong 3.6 and later).
func (c *session) read(ctx context.Context) error {
	c.conn.SetPingHandler(func(hash string) error { return c.ping(ctx, hash) })
	c.conn.SetPongHandler(func(string) error { return errors.New("the data plane sent an unexpected pong") })
	if err := c.conn.SetReadDeadline(time.Now().Add(c.options.Silence)); err != nil {
		return fmt.Errorf("read from data plane: %w", err)
	}
	_, _, err := c.conn.ReadMessage()
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return errors.New("the data plane sent a message after basic_info")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("did not receive ping frame from data plane within %s", c.options.Silence)
	}
	return fmt.Errorf("read from data plane: %w", err)
}

func (c *session) ping(ctx context.Context, hash string) error {
	if len(hash) != hashLength {
		return fmt.Errorf("the data plane sent an invalid hash of %d bytes", len(hash))
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(c.options.Silence)); err != nil {
		return err
	}
	c.dp.ConfigHash = hash
	c.record(ctx)
	select {
	case c.pongs <- struct{}{}:
	default: // the writer is busy: the answers it owes already will do
	}
	return nil
}

func (c *session) record(ctx context.Context) {
	if err := c.options.Record(ctx, c.dp); err != nil {
		c.log.Error("dataplane.unrecorded", "error", err)
	}
}

// write sends what is offered, and pongs. It is the connection's only writer of
// data frames.
func (c *session) write(ctx context.Context) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case frame := <-c.frames:
			err = c.send(frame)
		case <-c.pongs:
			err = c.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(ioTimeout))
		}
		if err != nil {
			return err
		}
	}
}

// send writes a frame. A server's WriteMessage makes one frame of a message of
// any size, which is what a real data plane asks for.
func (c *session) send(frame []byte) error {
	if int64(len(frame)) > c.options.MaxPayload {
		return fmt.Errorf("unable to send updated configuration to data plane: payload too big (%d bytes; raise cluster_max_payload on both sides)", len(frame))
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("send configuration: %w", err)
	}
	if err := c.conn.WriteMessage(websocket.BinaryMessage, frame); err != nil {
		return fmt.Errorf("send configuration: %w", err)
	}
	return nil
}
