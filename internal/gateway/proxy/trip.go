// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// trip is one request and its response over a connection. It is the response's
// body.
type trip struct {
	conn  *upstreamConn
	stop  func() bool   // ends the wait for the client to go away
	sent  chan error    // set while the request's body may be on its way still
	body  io.ReadCloser // of the response
	reuse bool
	done  bool
}

// sendAtOnce is the longest body that is sent before anything is read, in bytes.
const sendAtOnce = 16 << 10

func (t *trip) run(request *http.Request, inform func(*http.Response)) (*http.Response, error) {
	var failed error
	if request.Body == nil || request.ContentLength > 0 && request.ContentLength <= sendAtOnce {
		if failed = t.send(request); isBodyError(failed) {
			return nil, failed
		}
	} else {
		t.sent = make(chan error, 1)
		t.conn.uploads(true)
		go t.sendAside(request)
	}
	// A service may have answered before it hung up on the request.
	response, err := t.receive(request, inform)
	if err != nil && t.sent != nil {
		select {
		case failed = <-t.sent:
			t.sent = nil
		default:
		}
	}
	if err != nil && failed != nil {
		return nil, failed
	}
	return response, err
}

// sendAside sends the request while its response is waited for. Without the rest
// of a body that the client owes there will be none.
func (t *trip) sendAside(request *http.Request) {
	err := t.send(request)
	t.sent <- err
	t.conn.uploads(false)
	if isBodyError(err) {
		_ = t.conn.Close()
	}
}

func (t *trip) send(request *http.Request) error {
	var body *outgoingBody
	if request.Body != nil {
		body = &outgoingBody{ReadCloser: request.Body}
		request.Body = body
	}
	err := request.Write(t.conn.writer)
	switch {
	case body != nil && body.failure != nil:
		return body.failure
	case err != nil:
		return err
	}
	return t.conn.writer.Flush()
}

// outgoingBody is a request's body as it is sent. It notes why it ended early;
// net/http would hide that.
type outgoingBody struct {
	io.ReadCloser
	failure error
}

func (b *outgoingBody) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	if err != nil && err != io.EOF {
		b.failure = err
	}
	return n, err
}

// informLimit is how many informational responses may come before the final one.
const informLimit = 10

func (t *trip) receive(request *http.Request, inform func(*http.Response)) (*http.Response, error) {
	for range informLimit {
		t.conn.head = headerLimit
		response, err := http.ReadResponse(t.conn.reader, request)
		if err != nil {
			return nil, err
		}
		t.conn.head = -1
		switch {
		case response.StatusCode < 100:
			return nil, fmt.Errorf("the upstream's status %03d is none", response.StatusCode)
		case response.StatusCode == http.StatusSwitchingProtocols && request.Header["Upgrade"] == nil:
			return nil, errors.New("the upstream switches protocols without being asked to")
		case response.StatusCode == http.StatusSwitchingProtocols:
			t.stop()
			response.Body = upgraded{t.conn}
			return response, nil
		case response.StatusCode < 200:
			inform(response)
			continue
		}
		t.body, t.reuse = response.Body, !response.Close
		if response.Body == http.NoBody {
			t.finish()
		} else {
			response.Body = t
		}
		return response, nil
	}
	return nil, errors.New("too many informational responses")
}

func (t *trip) Read(data []byte) (int, error) {
	n, err := t.body.Read(data)
	if err == io.EOF {
		t.finish()
	}
	return n, err
}

// Close ends the trip. What has not been read goes with the connection.
func (t *trip) Close() error {
	t.reuse = t.reuse && t.done
	t.finish()
	return nil
}

// finish lets go of the connection, once.
func (t *trip) finish() {
	if t.done {
		return
	}
	t.done = true
	reuse := t.stop() && t.reuse && t.conn.reader.Buffered() == 0
	if reuse && t.sent != nil {
		select {
		case err := <-t.sent:
			reuse = err == nil
		default:
			reuse = false // the service did not want the rest
		}
	}
	if reuse {
		t.conn.client.put(t.conn)
	} else {
		_ = t.conn.Close()
	}
}

// upgraded is a connection that has become another protocol's.
type upgraded struct{ *upstreamConn }

func (u upgraded) Read(data []byte) (int, error) { return u.reader.Read(data) }
