// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// dial upgrades a connection as the library does, and says nothing yet.
func (b *bench) dial(address string) *websocket.Conn {
	b.t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: b.ask.TLS, HandshakeTimeout: patience}
	conn, response, err := dialer.DialContext(b.t.Context(), "wss://"+address+asking(node), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	response.Body.Close()
	b.t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

const introductory = `{"type":"basic_info","plugins":{}}`

// TestNodesThatBreakTheProtocol are dropped, as Kong 3.9 drops them.
func TestNodesThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	type message struct {
		kind    int
		payload string
	}
	hello := message{websocket.BinaryMessage, introductory}
	for what, c := range map[string]struct {
		messages []message
		why      string
	}{
		"ping first":           {[]message{{websocket.PingMessage, absent}}, "before basic_info"},
		"pong first":           {[]message{{websocket.PongMessage, ""}}, "before basic_info"},
		"text first":           {[]message{{websocket.TextMessage, introductory}}, "text frame"},
		"something else first": {[]message{{websocket.BinaryMessage, `{"type":"error"}`}}, "not basic_info"},
		"not JSON":             {[]message{{websocket.BinaryMessage, `{`}}, "decode basic_info"},
		"no plugins":           {[]message{{websocket.BinaryMessage, `{"type":"basic_info"}`}}, "names no plugins"},
		"an empty ping":        {[]message{hello, {websocket.PingMessage, ""}}, "0 bytes"},
		"a pong":               {[]message{hello, {websocket.PongMessage, ""}}, "pong"},
		"another message":      {[]message{hello, hello}, "after basic_info"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			conn := b.dial(b.open(Script{Mode: NoDatabase}))
			for _, m := range c.messages {
				if err := conn.WriteMessage(m.kind, []byte(m.payload)); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := conn.ReadMessage(); err == nil || timedOut(err) {
				t.Errorf("the connection stands: %v", err)
			}
			seen := b.await("the connection ends", func(r Record) bool { return r.Connections[0].End > 0 })
			if got := seen.Connections[0]; !strings.Contains(got.Error, c.why) || got.Frames != len(c.messages) {
				t.Errorf("%d frames and error %q", got.Frames, got.Error)
			}
		})
	}
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestSilenceIsComplete: not even a farewell is answered.
func TestSilenceIsComplete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.dial(b.open(Script{Mode: SilentUpgrade}))
	for _, kind := range []int{websocket.BinaryMessage, websocket.PingMessage, websocket.PongMessage, websocket.CloseMessage} {
		if err := conn.WriteMessage(kind, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.await("all was read", func(r Record) bool { return r.Frames == 4 })
	if err := conn.SetReadDeadline(time.Now().Add(impatience)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !timedOut(err) {
		t.Errorf("something came: %v", err)
	}
}

// TestPingsAreAnswered with pongs that are empty, and their hashes kept.
func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.dial(b.open(Script{Mode: NoDatabase}))
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte(introductory)); err != nil {
		t.Fatal(err)
	}
	pongs := 0
	conn.SetPongHandler(func(payload string) error {
		if pongs++; payload != "" {
			t.Errorf("pong with %q", payload)
		}
		if pongs == 2 {
			return errors.New("enough")
		}
		return nil
	})
	hashes := []string{absent, strings.Repeat("a", hashLength)}
	for _, hash := range hashes {
		if err := conn.WriteMessage(websocket.PingMessage, []byte(hash)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := conn.ReadMessage(); err == nil || err.Error() != "enough" || pongs != 2 {
		t.Errorf("%d pongs, then %v", pongs, err)
	}
	if seen := b.await("pings are seen", func(r Record) bool { return r.Frames == 3 }); seen.Connections[0].Hash != hashes[1] {
		t.Errorf("record %+v", seen)
	}
}

// TestHashes holds the published test vectors of Kong 3.9.
func TestHashes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]hashes{
		`{}`: {"2da3c26e4dbd6dd6ea3ab60a3dd7fb3e", absent, absent, absent, absent, absent},
		`{"routes":[],"services":[],"plugins":[]}`: {"81aac97a81ad03c0cf0b36663806488e", emptySum, emptySum, emptySum, absent, absent},
		`{"upstreams":[],"targets":[]}`:            {"4d60dd9998ea4314039da5ca2f1db96f", absent, absent, absent, emptySum, emptySum},
	} {
		if got, err := hashTable([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`null`: "5bf07a8b7343015026657d1108d8206e",
		`10`:   "d3d9446802a44259755d38e6d163e820",
		`0.9`:  "a894124cc6d5c5c71afe060d5dde0762",
		`[]`:   emptySum,
		`{}`:   emptySum,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if got := hash(value); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// emptySum is the hash of an empty section.
const emptySum = "99914b932bd37a50b983c5e7c90ae93b"

func TestSerialisedForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[1]`:               "1",
		`[1,2,3,4,5]`:       "1;2;3;4;5",
		`[1,2,3,4,5,6]`:     "1;2;3;4;5;6;",
		`{"b":true,"a":[]}`: "a:{};b:true;",
		`[null,false,"x"]`:  "/null/;false;x",
		`1700000000.123`:    "1700000000.123",
		`1700000000`:        "1700000000",
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if got := string(serialise(nil, value)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzHashTable(f *testing.F) {
	f.Add([]byte(table))
	f.Add([]byte(`{"routes":[[{}]],"services":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := hashTable(text)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := json.Indent(&again, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		if same, err := hashTable(again.Bytes()); err != nil || same != got || len(got.Config) != hashLength {
			t.Errorf("%+v, indented %+v, %v", got, same, err)
		}
	})
}

func FuzzScript(f *testing.F) {
	f.Add([]byte(`{"mode":"busy","listen":"127.0.0.1:0","status":503,"retry_after":1000000000}`))
	f.Add([]byte(`{"mode":"older-database","listen":":1","config_table":{}}`))
	f.Add([]byte(`{"mode":"oversized","listen":":1","config_table":{},"bytes":10}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeScript(bytes.NewReader(text))
		if err != nil {
			return
		}
		s.Bytes = min(s.Bytes, 1000) // a test, not a payload
		if s.Mode == Oversized && s.Bytes == 0 {
			return
		}
		if frame, err := s.frame(time.Unix(0, 0)); err != nil || s.Mode == Empty && frame == nil {
			t.Errorf("frame of %d bytes, error %v", len(frame), err)
		}
	})
}

func FuzzBasicInfo(f *testing.F) {
	f.Add([]byte(introductory))
	f.Add([]byte(`{"type":"basic_info","plugins":[{"name":"key-auth"}]}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		if checkBasicInfo(message) == nil && !json.Valid(message) {
			t.Errorf("taken: %q", message)
		}
	})
}
