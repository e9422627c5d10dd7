// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// sslRequest is the question whether the server speaks TLS, which it answers with
// one byte before it knows who asks; see "Message Formats" in PostgreSQL's manual.
const sslRequest = 80877103

// The first bytes of its answers.
const (
	speaksTLS     = 'S'
	speaksNoTLS   = 'N'
	errorResponse = 'E'
)

// Ask asks whoever is at the other end of a fresh connection whether it speaks TLS.
// One that answers as PostgreSQL does, yes or no, is one.
func Ask(ctx context.Context, conn net.Conn) error { return ask(ctx, conn, speaksTLS, speaksNoTLS) }

// ask takes an answer that begins as one of the given ways.
func ask(ctx context.Context, conn net.Conn, good ...byte) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // fails only if it is closed
	defer stop()
	question := binary.BigEndian.AppendUint32(nil, 8) // its length
	if _, err := conn.Write(binary.BigEndian.AppendUint32(question, sslRequest)); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("no answer of the database: %w", err)
	}
	if !slices.Contains(good, answer[0]) {
		return fmt.Errorf("not a PostgreSQL that can be asked: it answers %q", answer[0])
	}
	return nil
}

// Held is a connection to a server on which it has answered.
type Held struct{ conn net.Conn }

// Hold asks on a fresh connection and keeps it. If it fails, the connection is
// closed.
func Hold(ctx context.Context, conn net.Conn) (*Held, error) {
	if err := Ask(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Held{conn}, nil
}

// Ask asks once more. A server answers a second time that this is an error, which is
// an answer, and hangs up: it never leaves who asks without one.
func (h *Held) Ask(ctx context.Context) error { return ask(ctx, h.conn, speaksNoTLS, errorResponse) }

// Close ends the connection.
func (h *Held) Close() error { return h.conn.Close() }
