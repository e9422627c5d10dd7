// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"net"
	"time"

	"blackout/harness/history"
)

// Connection keeps one idle connection to a data plane's proxy and waits for its
// end, which tells the beginning of an outage within a fraction of a millisecond
// and costs nothing. It then dials until a new one stands, which tells the end.
// A node that is frozen or cut off ends no connection: that is for requests to
// find. A node may also end an idle connection in good health; the next one then
// stands at once.
type Connection struct {
	Endpoint
	Node    string
	Redial  time.Duration // from one failed attempt to the next
	Timeout time.Duration // of an attempt
}

// Run watches until ctx ends. It records when a connection stands and when it
// ends. Of attempts that fail it records the first of each kind in a row.
func (c Connection) Run(ctx context.Context, rec *history.Writer) {
	dial := c.dialer(c.Timeout)
	next := time.NewTicker(c.Redial)
	defer next.Stop()
	for failed := ""; ; {
		at := rec.Now()
		conn, err := dial(ctx, "tcp", c.Address)
		if err == nil {
			rec.Event(history.Event{At: at, Until: rec.Now(), Kind: history.ConnOpen, Node: c.Node})
			err, failed = hold(ctx, conn), ""
			at = rec.Now()
		}
		if ctx.Err() != nil {
			return
		}
		if how := ending(err); how != failed {
			rec.Event(history.Event{At: at, Kind: history.ConnClose, Node: c.Node, Text: how})
			failed = how
		}
		select {
		case <-ctx.Done():
			return
		case <-next.C: // at once after a connection that lasted
		}
	}
}

// hold reads a connection until it ends, which it also does with ctx, and
// returns how.
func hold(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var unasked [512]byte
	for {
		if _, err := conn.Read(unasked[:]); err != nil {
			return err
		}
	}
}

// ending names how a connection ended or could not be made.
func ending(err error) string {
	switch Classify(err) {
	case history.EOF:
		return "fin"
	case history.Reset:
		return "reset"
	case history.Refused:
		return "refused"
	case history.Timeout:
		return "timeout"
	}
	return "other"
}
