// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// bodyPatience is how long a client may take over each piece of a body (nginx's
// client_body_timeout).
const bodyPatience = time.Minute

// incomingBody is a request's body as it comes from the client. Each read has
// its time.
type incomingBody struct {
	io.ReadCloser
	controller *http.ResponseController
	patience   time.Duration

	mu   sync.Mutex
	over bool // the request has been answered: its connection is the server's
}

// bodyError says that the client did not send what it had announced. No service
// is to blame for it.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read the request's body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func isBodyError(err error) bool {
	var broken *bodyError
	return errors.As(err, &broken)
}

// receiveBody puts a limit of time to the reads of a request's body.
func (x *exchange) receiveBody() {
	x.incoming = nil
	if r := x.request; r.Body != nil && r.Body != http.NoBody {
		x.incoming = &incomingBody{ReadCloser: r.Body, controller: http.NewResponseController(x.writer), patience: x.proxy.patience}
		r.Body = x.incoming
	}
}

func (b *incomingBody) Read(data []byte) (int, error) {
	b.until(time.Now().Add(b.patience))
	n, err := b.ReadCloser.Read(data)
	if err != nil {
		b.until(time.Time{})
	}
	if err != nil && err != io.EOF {
		return n, &bodyError{err}
	}
	return n, err
}

func (b *incomingBody) until(deadline time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = b.controller.SetReadDeadline(deadline) // a writer without deadlines is a test's
	}
}

// end leaves the connection to the server. A body that is still being sent on
// is read no longer.
func (b *incomingBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}
