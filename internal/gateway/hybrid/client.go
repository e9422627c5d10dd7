// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"blackout/internal/gateway/entity"
)

// Owner is told what happens to a [Client]. Its methods are called from the
// client's goroutines: Configure alone may take time, the others must not block.
type Owner interface {
	// Dialing: an attempt to connect begins. What [Owner.Configure] takes until the
	// next one was sent after it.
	Dialing()

	// Connected: the control plane took the connection and the first message.
	Connected()

	// Disconnected: a connection that was established ended, and why.
	Disconnected(err error)

	// AttemptFailed: a connection was not established, and why.
	AttemptFailed(err error)

	// Configure takes a configuration. Only the newest is given: one that
	// arrives while another is being applied replaces what waits.
	Configure(ctx context.Context, message Reconfigure)

	// Hash is the hash of the configuration in force, for the next ping.
	Hash() string
}

// ClientOptions set up a [Client]. Address, Identity, NodeID, Hostname, Version
// and Rand must be set; the defaults of the rest are Kong 3.9's.
type ClientOptions struct {
	Address  string // "host:port" of the control plane
	Identity Identity

	NodeID, Hostname, Version string
	Plugins                   []Plugin
	Labels                    map[string]string
	ProcessConf               map[string]any // the configuration to tell; no secret may be in it

	ReconnectMin, ReconnectMax time.Duration // the wait before the next attempt is drawn from this range; 5 s, 10 s
	PingInterval               time.Duration // 30 s
	Silence                    time.Duration // without a frame before the control plane is given up; 45 s
	DialTimeout                time.Duration // TCP, TLS and upgrade together; 5 s
	MaxPayload                 int64         // bytes of one frame; 16 MiB

	// HonourRetryAfter makes the client wait as long as a control plane asks it
	// to that answers with 429 or 503, but not longer than five minutes. Kong 3.9
	// does not.
	HonourRetryAfter bool

	// ReconnectSpread is the most that is added, drawn anew, to the wait after the
	// loss of a connection that was established: a large fleet that loses its
	// control plane at one moment comes back spread over this time. Kong 3.9 has
	// no such thing, 0.
	ReconnectSpread time.Duration

	Rand *rand.Rand   // used by one goroutine
	Log  *slog.Logger // slog.Default()
}

// ErrRedial is why a connection ended that [Client.Redial] gave up.
var ErrRedial = errors.New("the control plane is asked anew for its configuration")

// Client is the data plane's side.
type Client struct {
	options ClientOptions
	owner   Owner
	redial  chan struct{} // holds one token: see Redial
}

// NewClient makes a client. It does nothing before [Client.Run].
func NewClient(options ClientOptions, owner Owner) *Client {
	orDefault(&options.ReconnectMin, 5*time.Second)
	orDefault(&options.ReconnectMax, 10*time.Second)
	orDefault(&options.PingInterval, 30*time.Second)
	orDefault(&options.Silence, 45*time.Second)
	orDefault(&options.DialTimeout, 5*time.Second)
	if options.MaxPayload <= 0 {
		options.MaxPayload = 16 << 20
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Client{options: options, owner: owner, redial: make(chan struct{}, 1)}
}

// Redial makes the client ask for the configuration anew, which a control plane
// sends to whoever connects: a connection that stands is given up, and the next
// attempt follows at once. Without one, the next attempt is all that is needed.
// Redial does not wait.
func (c *Client) Redial() {
	select {
	case c.redial <- struct{}{}:
	default: // it will be
	}
}

// dialled forgets what was asked of Redial before the attempt that begins.
func (c *Client) dialled() {
	select {
	case <-c.redial:
	default:
	}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run keeps a connection to the control plane until ctx ends. It never gives
// up: after a failed attempt or a lost connection it waits for a time drawn
// anew, so that a fleet does not come back as one.
func (c *Client) Run(ctx context.Context) error {
	for {
		c.dialled()
		c.owner.Dialing()
		conn, err := c.dial(ctx)
		if err == nil {
			c.owner.Connected()
			err = c.converse(ctx, conn)
			if ctx.Err() == nil {
				c.owner.Disconnected(err)
			}
		} else if ctx.Err() == nil {
			c.owner.AttemptFailed(err)
		}
		if errors.Is(err, ErrRedial) && ctx.Err() == nil {
			continue
		}
		wait := c.waitAfter(err, conn != nil)
		c.options.Log.Debug("controlplane.retry", "address", c.options.Address, "wait", wait, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// waitAfter draws the time until the next attempt: after err, which ended a
// connection that was established, or not.
func (c *Client) waitAfter(err error, established bool) time.Duration {
	span := c.draw(c.options.ReconnectMax - c.options.ReconnectMin)
	wait := c.options.ReconnectMin + span
	if established {
		wait += c.draw(c.options.ReconnectSpread)
	}
	var refused *refusal
	if c.options.HonourRetryAfter && errors.As(err, &refused) {
		// The drawn part stays, for the whole fleet is told the same.
		wait = max(wait, min(refused.retryAfter, maxRetryAfter)+span)
	}
	return wait
}

// draw returns a time from 0 to limit.
func (c *Client) draw(limit time.Duration) time.Duration {
	return time.Duration(c.options.Rand.Int64N(int64(max(limit, 0)) + 1))
}

// dial connects, upgrades and introduces the node.
func (c *Client) dial(ctx context.Context) (*websocket.Conn, error) {
	processConf := c.options.ProcessConf
	if processConf == nil {
		processConf = map[string]any{} // null would be another type
	}
	info, err := json.Marshal(basicInfo{
		Type: typeBasicInfo, Plugins: append([]Plugin{}, c.options.Plugins...),
		ProcessConf: processConf, Filters: map[string]any{}, Labels: c.options.Labels,
	})
	if err != nil {
		return nil, fmt.Errorf("encode basic_info: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	dialer := websocket.Dialer{
		TLSClientConfig: c.options.Identity.clientTLS(),
		// A client's message that is larger than this buffer would go out in
		// several frames, and a real control plane takes only the first.
		WriteBufferSize: len(info) + 1024,
	}
	conn, response, err := dialer.DialContext(ctx, c.url(), http.Header{"User-Agent": nil})
	if err != nil {
		return nil, fmt.Errorf("connect to control plane %s: %w", c.options.Address, refusedBy(response, err))
	}
	if err := c.introduce(conn, info); err != nil {
		_ = conn.Close() // it failed already
		return nil, err
	}
	return conn, nil
}

// url names the three query keys in the order, and without the escapes, that
// Kong uses.
func (c *Client) url() string {
	return fmt.Sprintf("wss://%s%s?node_id=%s&node_hostname=%s&node_version=%s",
		c.options.Address, Path, c.options.NodeID, c.options.Hostname, c.options.Version)
}

func (c *Client) introduce(conn *websocket.Conn, info []byte) error {
	conn.SetReadLimit(c.options.MaxPayload)
	if err := conn.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("send basic_info: %w", err)
	}
	if err := conn.WriteMessage(websocket.BinaryMessage, info); err != nil {
		return fmt.Errorf("send basic_info: %w", err)
	}
	return c.ping(conn)
}

func (c *Client) ping(conn *websocket.Conn) error {
	hash := c.owner.Hash()
	if len(hash) != hashLength {
		hash = entity.EmptyHash
	}
	if err := conn.WriteControl(websocket.PingMessage, []byte(hash), time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("send ping: %w", err)
	}
	return nil
}
