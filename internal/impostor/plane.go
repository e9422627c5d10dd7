// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// outletPath is the path at which a control plane takes data planes.
const outletPath = "/v1/outlet"

const statusUpgraded = http.StatusSwitchingProtocols

const (
	// openingLimit bounds the TLS handshake, and then the request.
	openingLimit = 15 * time.Second
	// acceptPause is the wait after a connection that could not be accepted.
	acceptPause = 100 * time.Millisecond
	// largestHeader bounds the request, in bytes.
	largestHeader = 64 << 10
)

// plane plays one script.
type plane struct {
	script Script
	frame  []byte            // that it pushes; nil: none
	digest [sha256.Size]byte // of the cluster's certificate
	tls    *tls.Config
	record *record
	log    *slog.Logger

	stop    context.CancelFunc
	playing sync.WaitGroup // the accepting goroutine and one for each connection
}

// start plays the script at a listener, which is the plane's from here on.
func (p *plane) start(listener net.Listener) {
	ctx, stop := context.WithCancel(context.Background()) // until close, whoever opened it
	p.stop = stop
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	p.playing.Go(func() { p.accept(ctx, listener) })
}

// close ends everything and waits for it.
func (p *plane) close() {
	p.stop()
	p.playing.Wait()
}

func (p *plane) accept(ctx context.Context, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err == nil {
			v := p.record.begin()
			p.playing.Go(func() { p.serve(ctx, conn, v) })
			continue
		}
		if ctx.Err() == nil {
			p.log.Warn("connection.not_accepted", "error", err) // out of file descriptors, for instance
		}
		pause := time.NewTimer(acceptPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// serve plays the script to one connection, to the end of either.
func (p *plane) serve(ctx context.Context, conn net.Conn, v *visit) {
	interrupted := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := p.receive(ctx, conn, v)
	interrupted()
	_ = conn.Close()
	v.end(err)
	p.log.Debug("connection.ended", "n", v.seen.N, "error", err)
}

// receive completes the TLS handshake.
func (p *plane) receive(ctx context.Context, conn net.Conn, v *visit) error {
	secured := tls.Server(conn, p.tls)
	bounded, cancel := context.WithTimeout(ctx, openingLimit)
	defer cancel()
	if err := secured.HandshakeContext(bounded); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	v.secured(secured.ConnectionState().ServerName)
	if p.script.Mode == SilentTLS {
		_, err := io.Copy(io.Discard, secured)
		return err
	}
	return p.answer(secured, v)
}

// answer reads the request and upgrades it, unless the script says otherwise.
func (p *plane) answer(conn *tls.Conn, v *visit) error {
	if err := conn.SetDeadline(time.Now().Add(openingLimit)); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: conn, N: largestHeader}
	in := bufio.NewReader(limited)
	request, err := http.ReadRequest(in)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	limited.N = math.MaxInt64
	v.note(func(c *Connection, _ *Record, _ int64) {
		c.Node, c.Version = request.URL.Query().Get("node_id"), request.URL.Query().Get("node_version")
	})
	if !p.knows(conn.ConnectionState()) {
		return errors.New("its certificate is not the cluster's") // closed without an answer, as Kong does (nginx's 444)
	}
	refuse := func(status int, header http.Header) error {
		v.answered(status)
		return send(conn, status, header)
	}
	switch {
	case request.URL.Path != outletPath:
		return refuse(http.StatusNotFound, nil)
	case p.script.Mode == Busy:
		return refuse(p.script.Status, p.retryAfter())
	case request.URL.Query().Get("node_id") == "" || request.URL.Query().Get("node_version") == "":
		return refuse(http.StatusBadRequest, nil)
	}
	upgrader := websocket.Upgrader{Error: func(_ http.ResponseWriter, _ *http.Request, status int, _ error) {
		_ = refuse(status, nil) // Upgrade returns why
	}}
	ws, err := upgrader.Upgrade(&hijacked{conn: conn, in: in, header: make(http.Header)}, request, nil)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	v.answered(statusUpgraded)
	return p.converse(ws, v)
}

// knows says whether the client has shown the cluster's certificate.
func (p *plane) knows(state tls.ConnectionState) bool {
	return len(state.PeerCertificates) > 0 && sha256.Sum256(state.PeerCertificates[0].Raw) == p.digest
}

// retryAfter is the header in whole seconds, rounded up.
func (p *plane) retryAfter() http.Header {
	if p.script.RetryAfter == 0 {
		return nil
	}
	seconds := (p.script.RetryAfter + time.Second - 1) / time.Second
	return http.Header{"Retry-After": {strconv.FormatInt(int64(seconds), 10)}}
}

// send answers without a body and ends the connection.
func send(conn *tls.Conn, status int, header http.Header) error {
	response := http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Close: true}
	if err := errors.Join(response.Write(conn), conn.CloseWrite()); err != nil {
		return fmt.Errorf("answer with status %d: %w", status, err)
	}
	return nil
}

// hijacked gives the Upgrader a connection whose request was read already.
type hijacked struct {
	conn   *tls.Conn
	in     *bufio.Reader
	header http.Header
}

// Header implements http.ResponseWriter. What is set in it is not sent.
func (h *hijacked) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter. The Upgrader writes to the connection.
func (h *hijacked) WriteHeader(int) {}

// Write implements http.ResponseWriter. The Upgrader writes to the connection.
func (h *hijacked) Write([]byte) (int, error) { return 0, http.ErrHijacked }

// Hijack implements http.Hijacker.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.in, bufio.NewWriter(h.conn)), nil
}
