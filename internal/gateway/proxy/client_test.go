// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
)

// rawService serves connections by hand and returns the fields of a service for
// it.
func rawService(t *testing.T, serve func(n int32, conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	go func() {
		defer close(ended)
		for n := int32(1); ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(n, conn)
			}()
		}
	}()
	return fmt.Sprintf(`"host":"127.0.0.1","port":%d,"retries":0`, listener.Addr().(*net.TCPAddr).Port)
}

// answerOne reads a request and answers it with the connection's number.
func answerOne(reader *bufio.Reader, conn net.Conn, n int32) bool {
	request, err := http.ReadRequest(reader)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, request.Body)
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
	return err == nil
}

// TestClosedConnectionIsNotUsed covers a service that closes its connection after
// the response without saying so: the next request, one that may not be repeated,
// gets a new one.
func TestClosedConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 2)
	service := rawService(t, func(n int32, conn net.Conn) {
		answerOne(bufio.NewReader(conn), conn, n)
		_ = conn.Close()
		closed <- struct{}{}
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	for n := 1; n <= 2; n++ {
		response, err := http.Post(server.URL, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if want := fmt.Sprint(n); response.StatusCode != 200 || string(body) != want {
			t.Errorf("got %d %s, want connection %s", response.StatusCode, body, want)
		}
		<-closed
	}
}

// TestHangUpAtTheNextRequest covers a service that closes a connection when the
// next request comes by it: one that may be repeated gets a new one although the
// service has no retries.
func TestHangUpAtTheNextRequest(t *testing.T) {
	t.Parallel()
	service := rawService(t, func(n int32, conn net.Conn) {
		reader := bufio.NewReader(conn)
		if answerOne(reader, conn, n) {
			_, _ = reader.Peek(1)
		}
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	for _, want := range []string{"1", "2"} {
		if response, body := get(t, server.URL); response.StatusCode != 200 || body != want {
			t.Errorf("got %d %s, want connection %s", response.StatusCode, body, want)
		}
	}
}

// TestConnectionsAreKept covers upstream_keepalive_max_requests and the time that
// a connection may be idle.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings conf.Proxy
		want     string
	}{
		"kept":         {conf.Proxy{}, "1111"},
		"two requests": {conf.Proxy{KeepaliveMaxRequests: 2}, "1122"},
		"no time":      {conf.Proxy{KeepaliveIdleTimeout: time.Nanosecond}, "1234"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := rawService(t, func(n int32, conn net.Conn) {
				reader := bufio.NewReader(conn)
				for answerOne(reader, conn, n) {
				}
			})
			_, server := serveWith(t, oneRoute(service, `"paths":["/"]`), Options{Settings: c.settings})
			have := ""
			for range 4 {
				_, body := get(t, server.URL)
				have += body
			}
			if have != c.want {
				t.Errorf("the requests went by the connections %s, want %s", have, c.want)
			}
		})
	}
}

// TestIdleConnectionsAreClosed covers that nothing stays open for longer than it
// may be idle, and nothing that only an old configuration needed.
func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	var open atomic.Int32
	service := rawService(t, func(n int32, conn net.Conn) {
		open.Add(1)
		defer open.Add(-1)
		reader := bufio.NewReader(conn)
		for answerOne(reader, conn, n) {
		}
	})
	p, server := serve(t, oneRoute(service, `"paths":["/"]`))
	get(t, server.URL)
	if open.Load() != 1 {
		t.Fatalf("%d connections are open, want 1", open.Load())
	}
	p.Use(build(t, p, oneRoute(service+`,"read_timeout":5000`, `"paths":["/"]`)))
	deadline := time.After(10 * time.Second)
	for open.Load() > 0 {
		select {
		case <-deadline:
			t.Fatal("the old configuration's connection stays open")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestEndlessHead covers a service whose header does not end.
func TestEndlessHead(t *testing.T) {
	t.Parallel()
	service := rawService(t, func(_ int32, conn net.Conn) {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for line := "X: " + strings.Repeat("x", 4<<10) + "\r\n"; err == nil; {
			_, err = io.WriteString(conn, line)
		}
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	if response, _ := get(t, server.URL); response.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d, want 502", response.StatusCode)
	}
}

// TestAnswerBeforeTheBodyEnds covers a service that answers and hangs up before
// it has read the request: its answer goes through.
func TestAnswerBeforeTheBodyEnds(t *testing.T) {
	t.Parallel()
	service := rawService(t, func(_ int32, conn net.Conn) {
		_, _ = conn.Read(make([]byte, 512))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	response, err := http.Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("b", 4<<20)))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", response.StatusCode)
	}
}

// TestBodyIsSentAnew covers a kept connection that ends when the next request
// comes by it: the new connection gets the request with its body.
func TestBodyIsSentAnew(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"short": 5, "long": sendAtOnce + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := rawService(t, func(n int32, conn net.Conn) {
				reader := bufio.NewReader(conn)
				if !answerOne(reader, conn, n) {
					return
				}
				if request, err := http.ReadRequest(reader); err == nil {
					_, _ = io.Copy(io.Discard, request.Body)
				}
			})
			_, server := serve(t, oneRoute(service+`,"read_timeout":2000`, `"paths":["/"]`))
			for _, want := range []string{"1", "2"} {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, strings.NewReader(strings.Repeat("x", size)))
				if err != nil {
					t.Fatal(err)
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if response.StatusCode != 200 || string(body) != want {
					t.Errorf("got %d %s, want connection %s", response.StatusCode, body, want)
				}
			}
		})
	}
}

// exchangeRaw sends bytes over a connection of its own and reads the response.
func exchangeRaw(t *testing.T, address, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// TestSenselessStatus covers statuses that no service may answer with.
func TestSenselessStatus(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"000 Zero", "099 Less", "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"} {
		t.Run(head[:3], func(t *testing.T) {
			t.Parallel()
			service := rawService(t, func(_ int32, conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, "HTTP/1.1 "+head+"\r\nContent-Length: 0\r\n\r\n")
				_, _ = io.Copy(io.Discard, conn)
			})
			_, server := serve(t, oneRoute(service+`,"read_timeout":1000`, `"paths":["/"]`))
			if status, body := exchangeRaw(t, server.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != http.StatusBadGateway {
				t.Errorf("got %d %q, want 502", status, body)
			}
		})
	}
}
