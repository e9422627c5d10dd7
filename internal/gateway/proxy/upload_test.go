// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestSlowUpload covers read_timeout: it begins when the request has been sent.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	})
	_, server := serve(t, oneRoute(service+`,"read_timeout":200`, `"paths":["/"],"request_buffering":false`))
	reader, writer := io.Pipe()
	go func() {
		defer func() { _ = writer.Close() }()
		for tick := range 6 {
			<-time.After(100 * time.Millisecond)
			_, _ = fmt.Fprint(writer, tick)
		}
	}()
	response, err := http.Post(server.URL, "text/plain", reader)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 200 || string(body) != "6" {
		t.Errorf("got %d %s, want 200 6", response.StatusCode, body)
	}
}

// TestReadTimeoutAfterUpload covers a service that has a whole streamed request
// and does not answer.
func TestReadTimeoutAfterUpload(t *testing.T) {
	t.Parallel()
	service := rawService(t, func(_ int32, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	_, server := serve(t, oneRoute(service+`,"read_timeout":200`, `"paths":["/"],"request_buffering":false`))
	status, _ := exchangeRaw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	if status != http.StatusGatewayTimeout {
		t.Errorf("got %d, want 504", status)
	}
}

// TestBrokenUpload covers a streamed body that turns out to be no chunks: the
// service is let go at once.
func TestBrokenUpload(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 1)
	service := rawService(t, func(_ int32, conn net.Conn) { _, _ = io.Copy(io.Discard, conn); ended <- struct{}{} })
	_, server := serve(t, oneRoute(service+`,"read_timeout":60000`, `"paths":["/"],"request_buffering":false`))
	begin := time.Now()
	status, _ := exchangeRaw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n")
	if status != http.StatusBadRequest {
		t.Errorf("got %d, want 400", status)
	}
	<-ended
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestStalledUpload covers a client that sends less than it announced, and
// nothing more.
func TestStalledUpload(t *testing.T) {
	t.Parallel()
	for _, buffering := range []string{"true", "false"} {
		t.Run("request_buffering "+buffering, func(t *testing.T) {
			t.Parallel()
			service := rawService(t, func(_ int32, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
			p, server := serve(t, oneRoute(service, `"paths":["/"],"request_buffering":`+buffering))
			p.patience = 50 * time.Millisecond
			status, _ := exchangeRaw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc")
			if status != http.StatusRequestTimeout {
				t.Errorf("got %d, want 408", status)
			}
		})
	}
}
