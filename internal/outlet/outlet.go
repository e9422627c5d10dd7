// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package outlet asks a control plane for its configuration the way a data
// plane of Kong 3.4 to 3.9 does (hybrid protocol "v1 full sync"), once, and
// tells how far it got. It is a witness: it shares no code with the gateways
// that it looks at, nor with package impostor, and writes and reads WebSocket
// frames by itself, because a library hides what a fault is about: how large a
// frame was announced, and whether it came in one piece.
//
//	answer := outlet.Ask(ctx, "127.0.0.1:8005", outlet.Options{TLS: config, NodeID: id, …})
//	if answer.Configuration == nil { … }
//
// Its central type is [Answer]. What is asked sees a data plane that connects
// and leaves again: a row in its list of data planes, nothing more.
package outlet

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- RFC 6455 asks for it; nothing rests on it being secure
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Path is where a control plane takes data planes.
const Path = "/v1/outlet"

// DefaultLimit is the largest frame, in bytes, that a data plane takes (Kong 3.9
// `cluster_max_payload`).
const DefaultLimit = 16 << 20

// Options say who asks and how. TLS, NodeID, Version and Wait must be set.
type Options struct {
	TLS      *tls.Config // the certificate that is shown, and how the control plane's is verified
	NodeID   string      // UUID under which the control plane lists the asker
	Hostname string
	Version  string        // "x.y.z", no newer than the control plane's
	Plugins  []string      // that the asker can run: a control plane that has others configured pushes nothing
	Wait     time.Duration // bounds the conversation, and so is how long a silence is listened to
	Limit    int64         // bytes of the largest frame that is read; of a larger one only the header is. 0: DefaultLimit
}

// Answer is how far one conversation came.
type Answer struct {
	Secured       bool   // the TLS handshake was completed
	Status        int    // of the answer to the upgrade; 0: none came
	RetryAfter    string // that answer's header
	Pongs         int    // before the first data frame
	Frame         *Frame // the first data frame's header; nil: none came
	Configuration *Configuration

	// Err is what ended the conversation before a configuration was read; nil
	// after an answer other than 101, and after a frame larger than the limit.
	Err error
}

// Configuration is what a control plane has pushed.
type Configuration struct {
	Hash  string // as the control plane says
	Table []byte // config_table, JSON
}

// Upgraded says whether the control plane took the connection.
func (a Answer) Upgraded() bool { return a.Status == http.StatusSwitchingProtocols }

// Silent says whether the connection stood until the end of the wait.
func (a Answer) Silent() bool { return a.Secured && errors.Is(a.Err, os.ErrDeadlineExceeded) }

// String is what was seen, in a few words.
func (a Answer) String() string {
	var text string
	switch {
	case !a.Secured:
		return fmt.Sprintf("no TLS connection: %v", a.Err)
	case a.Status == 0:
		text = "TLS, no HTTP answer"
	case !a.Upgraded():
		text = fmt.Sprintf("status %d", a.Status)
		if a.RetryAfter != "" {
			text += ", Retry-After " + a.RetryAfter
		}
	case a.Configuration != nil:
		return fmt.Sprintf("configuration %s in %d bytes", a.Configuration.Hash, a.Frame.Bytes)
	case a.Frame != nil:
		text = fmt.Sprintf("a frame of %d bytes", a.Frame.Bytes)
	case a.Pongs > 0:
		text = "upgraded, answers pings, no configuration"
	default:
		text = "upgraded, answers no ping, no configuration"
	}
	switch {
	case a.Silent():
		text += ", and silence"
	case a.Err != nil:
		text += fmt.Sprintf(": %v", a.Err)
	}
	return text
}

// Ask holds one conversation with the control plane at address, "host:port".
func Ask(ctx context.Context, address string, o Options) Answer {
	conn, err := Dial(ctx, address, o)
	if err != nil {
		return Answer{Err: err}
	}
	return conn.Ask(ctx)
}

// Conn is a connection on which nothing has been asked yet.
type Conn struct {
	options  Options
	address  string
	deadline time.Time
	tls      *tls.Conn
	in       *bufio.Reader
}

// Dial connects and completes the TLS handshake: the conversation's first part,
// after which whoever lies between has seen the connection. The wait begins
// here. Ask must follow.
func Dial(ctx context.Context, address string, o Options) (*Conn, error) {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	deadline := time.Now().Add(o.Wait)
	raw, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, o.TLS)
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := conn.HandshakeContext(bounded); err != nil {
		_ = raw.Close() // a handshake that was cut short has closed it already
		return nil, fmt.Errorf("TLS handshake with %s: %w", address, err)
	}
	return &Conn{options: o, address: address, deadline: deadline, tls: conn, in: bufio.NewReader(conn)}, nil
}

// Ask upgrades the connection, introduces itself, pings once, listens for the
// first data frame, and closes the connection.
func (c *Conn) Ask(ctx context.Context) Answer {
	a := Answer{Secured: true}
	a.Err = c.tls.SetDeadline(c.deadline)
	if a.Err == nil {
		interrupted := context.AfterFunc(ctx, func() { _ = c.tls.SetDeadline(time.Unix(1, 0)) })
		a.Err = c.converse(&a)
		interrupted()
	}
	// How it ends says nothing any more; a connection that stands is not drained.
	_ = c.tls.NetConn().Close()
	if err := context.Cause(ctx); err != nil {
		a.Err = err
	}
	return a
}

func (c *Conn) converse(a *Answer) error {
	if err := c.upgrade(a); err != nil || !a.Upgraded() {
		return err
	}
	if err := c.introduce(); err != nil {
		return err
	}
	return c.listen(a)
}

// upgrade asks for the outlet with the three query keys in the order, and
// without the escapes, that Kong uses.
func (c *Conn) upgrade(a *Answer) error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	_, err := fmt.Fprintf(c.tls, "GET %s?node_id=%s&node_hostname=%s&node_version=%s HTTP/1.1\r\nHost: %s\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		Path, c.options.NodeID, c.options.Hostname, c.options.Version, c.address, key)
	if err != nil {
		return fmt.Errorf("ask for the outlet: %w", err)
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return fmt.Errorf("read the answer to the upgrade: %w", err)
	}
	defer response.Body.Close() // that of a 101 is empty
	a.Status, a.RetryAfter = response.StatusCode, response.Header.Get("Retry-After")
	if a.Upgraded() && response.Header.Get("Sec-WebSocket-Accept") != accept(key) {
		return errors.New("read the answer to the upgrade: its Sec-WebSocket-Accept does not fit the key")
	}
	return nil
}

// accept is the proof that the other side understood the upgrade (RFC 6455,
// section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// basicInfo is a data plane's first message. A plugin without a version fits
// any.
func basicInfo(plugins []string) ([]byte, error) {
	type plugin struct {
		Name string `json:"name"`
	}
	list := []plugin{}
	for _, name := range plugins {
		list = append(list, plugin{name})
	}
	return json.Marshal(map[string]any{"type": "basic_info", "plugins": list, "process_conf": struct{}{}, "filters": struct{}{}})
}

// noConfiguration is the hash that a node without a configuration pings with.
const noConfiguration = "00000000000000000000000000000000"

func (c *Conn) introduce() error {
	info, err := basicInfo(c.options.Plugins)
	if err != nil {
		return fmt.Errorf("introduce the node: %w", err)
	}
	err = errors.Join(writeFrame(c.tls, opBinary, info), writeFrame(c.tls, opPing, []byte(noConfiguration)))
	if err != nil {
		return fmt.Errorf("introduce the node: %w", err)
	}
	return nil
}

// listen takes frames up to the first data frame.
func (c *Conn) listen(a *Answer) error {
	for {
		f, err := readHeader(c.in)
		if err != nil {
			return fmt.Errorf("listen to the control plane: %w", err)
		}
		switch f.opcode {
		case opPong, opPing:
			if _, err := c.in.Discard(int(f.Bytes)); err != nil {
				return fmt.Errorf("listen to the control plane: %w", err)
			}
			if f.opcode == opPong {
				a.Pongs++
			}
		case opClose:
			return errors.New("listen to the control plane: it closed the connection")
		default:
			a.Frame = &f
			return c.take(a)
		}
	}
}
