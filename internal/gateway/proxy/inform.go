// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// informer sends a service's informational responses (1xx) on, as long as its
// final one is waited for.
type informer struct {
	trace context.Context // holds nothing but the trace that calls inform

	mu      sync.Mutex
	writer  http.ResponseWriter // nil: not waiting
	spoiled bool                // a transport may still call
}

func newInformer() *informer {
	i := &informer{}
	i.trace = httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: i.inform})
	return i
}

func (i *informer) inform(status int, given textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.writer == nil {
		return nil
	}
	header := i.writer.Header()
	for name, values := range given {
		header[name] = values
	}
	i.writer.WriteHeader(status)
	clear(header) // net/http does not by itself
	return nil
}

func (i *informer) begin(writer http.ResponseWriter) {
	i.mu.Lock()
	i.writer = writer
	i.mu.Unlock()
}

// end says how the wait ended. After an error the transport may call still.
func (i *informer) end(err error) {
	i.mu.Lock()
	i.writer, i.spoiled = nil, i.spoiled || err != nil
	i.mu.Unlock()
}

// tracedContext is a context with an informer's trace. httptrace's own way to
// put it there takes four times the memory for each request.
type tracedContext struct {
	context.Context
	trace context.Context
}

func (c *tracedContext) Value(key any) any {
	if value := c.trace.Value(key); value != nil {
		return value
	}
	return c.Context.Value(key)
}

var _ context.Context = (*tracedContext)(nil)
