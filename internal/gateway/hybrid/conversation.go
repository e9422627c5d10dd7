// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// conversation is an established connection, seen from the data plane. Three
// goroutines share it: one reads, one applies, and one pings. So the control
// plane is answered, and hears of the node, however long a configuration takes.
type conversation struct {
	*Client
	conn    *websocket.Conn
	newest  chan []byte   // the newest frame that was not looked into, at most one
	applied chan struct{} // a ping is due
}

// converse serves an established connection until it ends, and says why.
func (c *Client) converse(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	talk := &conversation{Client: c, conn: conn, newest: make(chan []byte, 1), applied: make(chan struct{}, 1)}
	var workers sync.WaitGroup
	workers.Go(func() {
		defer close(talk.newest)
		cancel(talk.read())
	})
	workers.Go(func() {
		if err := talk.apply(ctx); err != nil {
			cancel(err)
		}
	})
	cancel(talk.keepAlive(ctx))
	// The peer may be gone: neither the farewell nor the close needs to work.
	_ = conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	_ = conn.Close()
	workers.Wait()
	return context.Cause(ctx)
}

// read takes frames until the connection ends; any frame is a sign of life. The
// silence is looked at all the time, not only every 5 s as Kong 3.9 does: there a
// control plane is given up up to 5 s later than here.
func (t *conversation) read() error {
	silence := t.options.Silence
	alive := func() error { return t.conn.SetReadDeadline(time.Now().Add(silence)) }
	t.conn.SetPongHandler(func(string) error { return alive() })
	t.conn.SetPingHandler(func(payload string) error {
		return errors.Join(alive(), t.conn.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(ioTimeout)))
	})
	for {
		if err := alive(); err != nil {
			return fmt.Errorf("read from control plane: %w", err)
		}
		kind, frame, err := t.conn.ReadMessage()
		var timeout interface{ Timeout() bool }
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("did not receive pong frame from control plane within %s", inSeconds(silence))
		case errors.Is(err, websocket.ErrReadLimit):
			return fmt.Errorf("read from control plane: exceeding max payload len (%d bytes; raise cluster_max_payload on both sides)", t.options.MaxPayload)
		case err != nil:
			return fmt.Errorf("read from control plane: %w", err)
		case kind != websocket.BinaryMessage:
			t.options.Log.Info("controlplane.frame_ignored", "reason", "it is a text frame", "bytes", len(frame))
			continue
		}
		select {
		case <-t.newest: // overtaken before it was looked into
		default:
		}
		t.newest <- frame
	}
}

// apply hands configurations to the owner until the reader has ended: what came
// before the connection was lost is applied before the loss is told. A frame that
// cannot be read ends the conversation, as in Kong.
func (t *conversation) apply(ctx context.Context) error {
	for frame := range t.newest {
		message, err := DecodeReconfigure(frame)
		if err != nil {
			return err
		}
		if message.Type != typeReconfigure {
			continue
		}
		t.owner.Configure(ctx, message)
		select {
		case t.applied <- struct{}{}:
		default: // a ping is due already
		}
	}
	return nil
}

// keepAlive pings after each applied configuration and at the interval, until the
// connection is given up.
func (t *conversation) keepAlive(ctx context.Context) error {
	ticker := time.NewTicker(t.options.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.redial:
			return ErrRedial
		case <-t.applied:
		case <-ticker.C:
		}
		if err := t.ping(t.conn); err != nil {
			return err
		}
	}
}

// inSeconds writes a duration as Kong's log does.
func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " seconds"
}
