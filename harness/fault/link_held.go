// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"blackout/internal/toxic"
)

// halfOpen is the means of HalfOpen: the connections that stand at its injection
// are silenced for good, new ones are let through.
type halfOpen struct {
	*link

	held Held // opened before the fault
}

// Prepare implements [Means]. It leaves a connection open, which Clean closes.
func (h *halfOpen) Prepare(ctx context.Context) error {
	if h.probes.Hold == nil {
		return fmt.Errorf("%w: nobody can hold a connection through %s", ErrCannotStage, h.spec.Edge)
	}
	if err := h.link.Prepare(ctx); err != nil {
		return err
	}
	// Its opening is the harness's connection, not the node's.
	err := h.edges.Probe(ctx, h.spec.Edge, func(ctx context.Context) error {
		return h.bounded(ctx, func(ctx context.Context) (err error) {
			h.held, err = h.probes.Hold(ctx)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("%w: hold a connection through %s before the fault: %w", ErrNotWitnessed, h.spec.Edge, err)
	}
	return nil
}

// Inject implements [Means]. Both directions stop to take hold of connections at
// one moment.
func (h *halfOpen) Inject(ctx context.Context) error {
	p, err := h.edges.find(h.spec.Edge)
	if err != nil {
		return err
	}
	moment := h.edges.moment(h.spec.Edge)
	for _, t := range eachWay(h.spec, toxic.SilenceType, map[string]any{"until": moment}) {
		if err := h.edges.server.add(ctx, p.Name, t); err != nil {
			return err
		}
	}
	return h.edges.server.come(ctx, moment)
}

// Look implements [Means]: the held connection gets no answer, which is another
// thing than an end, and a new one works. It is asked again after that, so that an
// answer that was only late is not taken for none.
func (h *halfOpen) Look(ctx context.Context) (string, bool) {
	how, err := h.ask(ctx)
	if err != nil {
		return err.Error(), false
	}
	seen := fmt.Sprintf("a connection through %s that stood before %s", h.spec.Edge, how)
	if how != probeUnanswered {
		return seen, false
	}
	g, err := h.look(ctx, h.probes.Cut)
	switch {
	case err != nil:
		return err.Error(), false
	case g.err != nil:
		return fmt.Sprintf("%s, and a new one %s (%v)", seen, endingOf(g.err), g.err), false
	}
	how, err = h.ask(ctx)
	if err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("a connection through %s that stood before %s, a new one works", h.spec.Edge, how), how == probeUnanswered
}

// LookHealed implements [Means]: what stood is silent no more. It has ended, since
// what it lost is lost.
func (h *halfOpen) LookHealed(ctx context.Context) (string, bool) {
	how, err := h.ask(ctx)
	if err != nil {
		return err.Error(), false
	}
	if how == probeUnanswered {
		return fmt.Sprintf("a connection through %s that stood before the fault is still not answered", h.spec.Edge), false
	}
	seen, ok := h.link.LookHealed(ctx)
	return fmt.Sprintf("%s; the connection that stood before %s", seen, how), ok
}

// ask says how a question on the held connection ends.
func (h *halfOpen) ask(ctx context.Context) (ending, error) {
	err := h.bounded(ctx, h.held.Ask)
	if ctx.Err() != nil {
		return "", errCutShort
	}
	return endingOf(err), nil
}

// Clean implements [Means].
func (h *halfOpen) Clean(context.Context) error {
	if h.held == nil {
		return nil
	}
	err := h.held.Close()
	h.held = nil
	if err == nil || endingOf(err) != probeFailed {
		return nil // an end that the other side came first with is as good
	}
	return fmt.Errorf("close the held connection: %w", err)
}

// heldHTTP is a connection on which HTTP/1.1 is spoken.
type heldHTTP struct {
	conn net.Conn
	read *bufio.Reader
	host string
	path string
}

// HoldHTTP holds a connection on which HTTP/1.1 is spoken. It asks for path, and
// takes any answer that comes whole.
func HoldHTTP(conn net.Conn, path string) Held {
	return &heldHTTP{conn, bufio.NewReader(conn), conn.RemoteAddr().String(), path}
}

// Ask implements [Held].
func (h *heldHTTP) Ask(ctx context.Context) error {
	if err := h.conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("ask on a held connection: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = h.conn.SetDeadline(time.Now()) }) // fails only if it is closed
	defer stop()
	if _, err := fmt.Fprintf(h.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", h.path, h.host); err != nil {
		return fmt.Errorf("ask on a held connection: %w", err)
	}
	answer, err := http.ReadResponse(h.read, nil)
	if err != nil {
		return fmt.Errorf("ask on a held connection: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("ask on a held connection: %w", err)
	}
	return nil
}

// Close implements [Held].
func (h *heldHTTP) Close() error { return h.conn.Close() }
