// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// introductionLimit bounds the wait for basic_info (Kong 3.9: 5 s).
	introductionLimit = 5 * time.Second
	// pushLimit bounds the sending of a configuration, over a slow link too.
	pushLimit = time.Minute
	// pongLimit bounds the sending of a pong.
	pongLimit = 5 * time.Second
	// hashLength is the length of a ping's payload, in bytes.
	hashLength = 32
)

// converse plays the script to an upgraded connection. It never ends it for a
// data plane's silence: how long the connection stands is the data plane's doing.
func (p *plane) converse(ws *websocket.Conn, v *visit) error {
	if p.script.Mode == SilentUpgrade {
		return swallow(ws, v)
	}
	ws.SetReadLimit(DefaultBytes)
	if err := introduction(ws, v); err != nil {
		return err
	}
	if p.frame != nil {
		if err := p.push(ws, v); err != nil {
			return err
		}
	}
	return attend(ws, v)
}

// swallow reads for ever and answers nothing, not even a farewell.
func swallow(ws *websocket.Conn, v *visit) error {
	count := func(payload string) error { v.frame(payload); return nil }
	ws.SetPingHandler(count)
	ws.SetPongHandler(func(string) error { return count("") })
	ws.SetCloseHandler(func(int, string) error { return count("") })
	for {
		_, message, err := ws.NextReader()
		if err == nil {
			v.frame("")
			_, err = io.Copy(io.Discard, message)
		}
		if err != nil {
			// The library reads no further than a farewell; the connection
			// stands until the other side ends it.
			_, err = io.Copy(io.Discard, ws.NetConn())
			return err
		}
	}
}

// introduction reads the first message. Like Kong 3.9, it takes no control frame
// before it.
func introduction(ws *websocket.Conn, v *visit) error {
	if err := ws.SetReadDeadline(time.Now().Add(introductionLimit)); err != nil {
		return err
	}
	early := func(string) error { v.frame(""); return errors.New("a control frame came before basic_info") }
	ws.SetPingHandler(early)
	ws.SetPongHandler(early)
	kind, message, err := ws.ReadMessage()
	if err != nil {
		return fmt.Errorf("read basic_info: %w", err)
	}
	v.frame("")
	if kind != websocket.BinaryMessage {
		return errors.New("basic_info came in a text frame")
	}
	if err := checkBasicInfo(message); err != nil {
		return err
	}
	v.note(func(c *Connection, _ *Record, now int64) { c.Introduced = now })
	return nil
}

// checkBasicInfo says what is wrong with a data plane's first message. Its list
// of plugins may be an object: so Lua writes an empty one.
func checkBasicInfo(message []byte) error {
	var info struct {
		Type    string `json:"type"`
		Plugins any    `json:"plugins"`
	}
	if err := json.Unmarshal(message, &info); err != nil {
		return fmt.Errorf("decode basic_info: %w", err)
	}
	if info.Type != "basic_info" {
		return fmt.Errorf("the first message has type %q, not basic_info", info.Type)
	}
	switch info.Plugins.(type) {
	case []any, map[string]any:
		return nil
	default:
		return errors.New("basic_info names no plugins")
	}
}

// push sends the configuration in one frame, whatever its size: a server's
// WriteMessage does not split, while a writer would at the end of its buffer.
func (p *plane) push(ws *websocket.Conn, v *visit) error {
	if err := ws.SetWriteDeadline(time.Now().Add(pushLimit)); err != nil {
		return err
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, p.frame); err != nil {
		return fmt.Errorf("send configuration: %w", err)
	}
	v.note(func(c *Connection, _ *Record, now int64) { c.Pushed = now })
	return nil
}

// attend answers pings until the connection ends. Nothing else may come after
// basic_info (Kong 3.6 and later).
func attend(ws *websocket.Conn, v *visit) error {
	if err := ws.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ws.SetPingHandler(func(hash string) error {
		v.frame(hash)
		if len(hash) != hashLength {
			return fmt.Errorf("a ping with %d bytes, not a hash", len(hash))
		}
		return ws.WriteControl(websocket.PongMessage, nil, time.Now().Add(pongLimit))
	})
	ws.SetPongHandler(func(string) error { v.frame(""); return errors.New("a pong that nobody asked for") })
	_, _, err := ws.ReadMessage()
	if err != nil {
		return fmt.Errorf("read from data plane: %w", err)
	}
	v.frame("")
	return errors.New("a message after basic_info")
}
