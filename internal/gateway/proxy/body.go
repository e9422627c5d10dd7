// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"syscall"
)

// What request_buffering holds in memory, in bytes. Kong's nginx holds the whole
// body, on the disk if need be; here a larger one streams.
const (
	bufferKnown   = 64 << 10 // of a body whose length is known
	bufferUnknown = 1 << 20  // of a chunked one
)

// bufferBody makes the body ready to be sent: the one that a plugin has read,
// or, with request_buffering, one that is small enough to be held. Such a body
// can be sent again, and the service is told its length.
func (x *exchange) bufferBody() error {
	x.sending, x.length, x.replay, x.held = nil, x.request.ContentLength, nil, false
	r := x.request
	if x.plugins.BodyRead() {
		x.hold(x.plugins.Upstream.Body)
		return nil
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		x.hold(nil)
		return nil
	}
	x.sending = r.Body
	if !x.match.Route.RequestBuffering || r.ContentLength > bufferKnown {
		return nil
	}
	limit := int64(bufferUnknown)
	if r.ContentLength > 0 {
		limit = r.ContentLength
	}
	held, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(held)) <= limit && len(r.Trailer) == 0 {
		x.hold(held)
		return nil
	}
	x.sending = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(held), r.Body), r.Body}
	return nil
}

// refuseBody answers for a body that did not come, or aborts if the client is
// gone.
func (x *exchange) refuseBody(err error) {
	x.log("proxy.body", slog.LevelDebug, err)
	// What is left of the body cannot be told from the next request.
	x.writer.Header()["Connection"] = closing
	switch {
	case isTimeout(err):
		x.answerPlain(http.StatusRequestTimeout, "Request timeout")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), x.request.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	default:
		x.answerPlain(http.StatusBadRequest, "Bad request")
	}
}

// hold sets a body that is known whole.
func (x *exchange) hold(body []byte) {
	x.replay, x.length = body, int64(len(body))
	x.held = true
}

// sendable returns the body for an attempt.
func (x *exchange) sendable() io.ReadCloser {
	switch {
	case !x.held:
		// A transport closes the body also when it never read from it. The
		// server closes the original.
		return io.NopCloser(x.sending)
	case len(x.replay) == 0:
		return nil
	}
	return io.NopCloser(bytes.NewReader(x.replay))
}

// bufferPool lends the buffers through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

var buffers = &bufferPool{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}

const copyBuffer = 32 << 10

func (b *bufferPool) Get() []byte {
	buffer, _ := b.pool.Get().(*[copyBuffer]byte)
	return buffer[:]
}

func (b *bufferPool) Put(buffer []byte) { b.pool.Put((*[copyBuffer]byte)(buffer)) }
