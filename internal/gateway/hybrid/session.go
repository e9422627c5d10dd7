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
	server  *Server
	log     *slog.Logger
	plugins pluginVersions // of the data plane; set before the writer starts

	mu      sync.Mutex
	dp      DataPlane
	pending *Publication // the newest that was not sent yet

	wake  chan struct{} // something is pending
	pongs chan struct{} // answers owed
	hung  sync.Once
}

func newSession(conn *websocket.Conn, dp DataPlane, server *Server) *session {
	return &session{
		conn: conn, dp: dp, server: server,
		log:  server.options.Log.With("dataplane", dp.ID, "hostname", dp.Hostname, "version", dp.Version),
		wake: make(chan struct{}, 1), pongs: make(chan struct{}, 8),
	}
}

// offer replaces what waits to be sent.
func (c *session) offer(p *Publication) {
	c.mu.Lock()
	c.pending = p
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // the writer is on its way
	}
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

// welcome reads the first message and checks that the versions fit. Nothing may
// come before that message, not even a control frame.
func (c *session) welcome(ctx context.Context) error {
	options := &c.server.options
	c.conn.SetReadLimit(options.MaxPayload)
	if err := c.conn.SetReadDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("read basic_info: %w", err)
	}
	early := func(string) error { return errors.New("a control frame came before basic_info") }
	c.conn.SetPingHandler(early)
	c.conn.SetPongHandler(early)
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
	c.plugins = versionsOf(info.Plugins)
	c.mu.Lock()
	c.dp.Labels, c.dp.SyncStatus = info.Labels, SyncNormal
	pending := c.pending
	c.mu.Unlock()
	if err := compatible(options.Version, c.dp.Version); err != nil {
		c.log.Warn("dataplane.refused", "reason", err.Error())
		c.setStatus(SyncVersionIncompatible)
		c.record(ctx)
		return err
	}
	if pending != nil { // so that the first ping records what the data plane will get
		status, _ := c.server.plugins.fits(c.plugins, pending.Plugins)
		c.setStatus(status)
	}
	return nil
}

// read takes pings until the connection ends. After basic_info nothing else may
// come (Kong 3.6 and later).
func (c *session) read(ctx context.Context) error {
	silence := c.server.options.Silence
	c.conn.SetPingHandler(func(hash string) error { return c.ping(ctx, hash) })
	c.conn.SetPongHandler(func(string) error { return errors.New("the data plane sent an unexpected pong") })
	if err := c.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return fmt.Errorf("read from data plane: %w", err)
	}
	_, _, err := c.conn.NextReader()
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return errors.New("the data plane sent a message after basic_info")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("did not receive ping frame from data plane within %s", inSeconds(silence))
	}
	return fmt.Errorf("read from data plane: %w", err)
}

// ping takes a ping. It is answered before it is recorded: a database that takes
// its time must not make the data plane believe that nobody is here.
func (c *session) ping(ctx context.Context, hash string) error {
	if len(hash) != hashLength {
		return fmt.Errorf("the data plane sent an invalid hash of %d bytes", len(hash))
	}
	select {
	case c.pongs <- struct{}{}:
	default: // the writer is busy: the answers it owes already will do
	}
	c.mu.Lock()
	c.dp.ConfigHash = hash
	c.mu.Unlock()
	c.record(ctx)
	return c.conn.SetReadDeadline(time.Now().Add(c.server.options.Silence))
}

// setStatus reports whether the status is a new one.
func (c *session) setStatus(status string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.dp.SyncStatus != status
	c.dp.SyncStatus = status
	return changed
}

func (c *session) record(ctx context.Context) {
	c.mu.Lock()
	dp := c.dp
	c.mu.Unlock()
	if err := c.server.options.Record(ctx, dp); err != nil && ctx.Err() == nil {
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
		case <-c.wake:
			err = c.push(ctx)
		case <-c.pongs:
			err = c.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(ioTimeout))
		}
		if err != nil {
			return err
		}
	}
}

// push sends what is pending, if the data plane can do with it. If not, nothing
// is sent and the connection stays, for a later configuration may fit (Kong 3.9).
func (c *session) push(ctx context.Context) error {
	c.mu.Lock()
	p := c.pending
	c.pending = nil
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	status, misfit := c.server.plugins.fits(c.plugins, p.Plugins)
	if c.setStatus(status) {
		c.record(ctx)
	}
	if misfit != nil {
		c.log.Warn("dataplane.skipped", "sync_status", status, "error", fmt.Errorf("%s: %w", unsent, misfit))
		return nil
	}
	return c.send(p.Frame)
}

// unsent is how Kong 3.9 begins to say why a data plane is not given a
// configuration.
const unsent = "unable to send updated configuration to data plane"

// send writes a frame. A server's WriteMessage makes one frame of a message of
// any size, which is what a real data plane asks for.
func (c *session) send(frame []byte) error {
	if int64(len(frame)) > c.server.options.MaxPayload {
		return fmt.Errorf("%s: payload too big (%d bytes; raise cluster_max_payload on both sides)", unsent, len(frame))
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("%s: %w", unsent, err)
	}
	if err := c.conn.WriteMessage(websocket.BinaryMessage, frame); err != nil {
		return fmt.Errorf("%s: %w", unsent, err)
	}
	return nil
}
