// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
)

func loopback(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "text/html": "text/html", "text/*": "text/plain",
		"application/xml, text/html": "application/xml", "text/html;q=0.5, text/plain;q=0.6": "text/plain",
		"image/png": "application/json", "image/png, text/html;q=0.1": "text/html", "text/html;q=x, text/plain;q=0": "application/json",
	} {
		if have := accepted([]string{accept}).contentType; !strings.HasPrefix(have, want) {
			t.Errorf("%q: got %s, want %s", accept, have, want)
		}
	}
}

// TestTrustedPeer covers trusted_ips: what such a peer says of the request's way
// is believed.
func TestTrustedPeer(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Real-Ip"} {
			fmt.Fprintln(w, r.Header.Get(name))
		}
	})
	settings := conf.Proxy{
		TrustedIPs:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		RealIPHeader: "X-Forwarded-For", RealIPRecursive: true,
	}
	_, server := serveWith(t, oneRoute(service, `"paths":["/"],"protocols":["https"]`), Options{Settings: settings})
	_, body := get(t, server.URL+"/p", "X-Forwarded-For", "6.6.6.6, 192.0.2.9, 10.0.0.7", "X-Forwarded-Proto", "https",
		"X-Forwarded-Host", "front.example", "X-Forwarded-Port", "443", "X-Forwarded-Path", "/front", "X-Forwarded-Prefix", "/pre")
	if want := "6.6.6.6, 192.0.2.9, 10.0.0.7, 127.0.0.1\nhttps\nfront.example\n443\n/front\n/pre\n192.0.2.9\n"; body != want {
		t.Errorf("the service got\n%s, want\n%s", body, want)
	}
}

func TestDebugHeaders(t *testing.T) {
	t.Parallel()
	service := backend(t, func(http.ResponseWriter, *http.Request) {})
	for _, allowed := range []bool{false, true} {
		_, server := serveWith(t, oneRoute(service+`,"name":"s"`, `"paths":["/"],"name":"r"`), Options{Settings: conf.Proxy{AllowDebugHeader: allowed}})
		response, _ := get(t, server.URL, "Kong-Debug", "1")
		have := response.Header.Get("Kong-Route-Id") + response.Header.Get("Kong-Route-Name") + response.Header.Get("Kong-Service-Id") + response.Header.Get("Kong-Service-Name")
		if want := map[bool]string{true: routeID + "r" + serviceID + "s"}[allowed]; have != want {
			t.Errorf("allowed %t: got %q, want %q", allowed, have, want)
		}
	}
}

// TestRetries covers which requests are sent once more to a service that hangs
// up or stalls.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, body string
		attempts     int32
	}{
		"GET":      {"GET", "", 3},
		"PUT":      {"PUT", "body", 3},
		"POST":     {"POST", "body", 1},
		"long PUT": {"PUT", strings.Repeat("b", bufferKnown+1), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts atomic.Int32
			service := backend(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				attempts.Add(1)
				panic(http.ErrAbortHandler)
			})
			_, server := serve(t, oneRoute(service, `"paths":["/"]`))
			request, _ := http.NewRequestWithContext(t.Context(), c.method, server.URL, strings.NewReader(c.body))
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != 502 || attempts.Load() != c.attempts {
				t.Errorf("got %d after %d attempts, want 502 after %d", response.StatusCode, attempts.Load(), c.attempts)
			}
		})
	}
}

// TestStreams covers that each side gets what the other has sent so far.
func TestStreams(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "%s!\n", lines.Text())
			_ = control.Flush()
		}
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"],"request_buffering":false,"response_buffering":false`))
	reader, writer := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, reader)
	go func() { _, _ = io.WriteString(writer, "one\n") }()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); line != "one!\n" {
		t.Fatalf("got %q %v", line, err)
	}
	_ = writer.Close()
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("got %q %v after the end", rest, err)
	}
}

// TestStalledResponse covers a service that stops in the middle of its body for
// longer than read_timeout: the client's connection ends, too.
func TestStalledResponse(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	service := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	_, server := serve(t, oneRoute(service+`,"read_timeout":50`, `"paths":["/"]`))
	response, err := http.Get(server.URL)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return // the header had not gone out yet
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("got %q as a whole body", body)
	}
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "7")
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	response, body := get(t, server.URL)
	if body != "body" || response.Trailer.Get("X-Sum") != "7" {
		t.Errorf("got %q with trailers %v", body, response.Trailer)
	}
}

func TestInformationalResponse(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "body")
	})
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n") {
		t.Errorf("got %s %v", answer, err)
	}
}

// TestBalancedService covers a service whose host is an upstream: its targets
// get the requests, one that refuses is passed over, and its health is kept over
// a reload.
func TestBalancedService(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	_ = closed.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	t.Cleanup(target.Close)
	answering := target.Listener.Addr().String()
	const upstreamID = "000000d1-0000-4000-8000-0000000000d1"
	table := `{"_format_version":"3.0","upstreams":[{"id":"` + upstreamID + `","name":"u","healthchecks":{"passive":{"unhealthy":{"tcp_failures":1}}}}],` +
		`"targets":[{"id":"000000e1-0000-4000-8000-0000000000e1","target":"` + refusing + `","upstream":"` + upstreamID + `"},` +
		`{"id":"000000e2-0000-4000-8000-0000000000e2","target":"` + answering + `","upstream":"` + upstreamID + `"}],` +
		oneRoute(`"host":"u","retries":1`, `"paths":["/"]`)[len(`{"_format_version":"3.0",`):]
	p, server := serve(t, table)
	for range 4 {
		if response, body := get(t, server.URL); response.StatusCode != 200 || body != answering {
			t.Fatalf("got %d %s, want 200 %s", response.StatusCode, body, answering)
		}
	}
	p.Use(build(t, p, table))
	health, err := p.Upstream(upstreamID).Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, one := range health {
		have[one.Target] = one.Health
	}
	if have[refusing] != "UNHEALTHY" || have[answering] != "HEALTHY" {
		t.Errorf("after a reload: %v", have)
	}
}

// TestUnreadable covers what is said to requests that net/http cannot read.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	_, server := serve(t, "")
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n":                                                 "HTTP/1.1 400 Bad Request\r\n…Bad request\nrequest_id: ",
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n":                                                            "HTTP/1.1 400 Bad Request\r\n…Bad request\nrequest_id: ",
		"get / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":                                          "HTTP/1.1 400 Bad Request\r\n…Bad request\nrequest_id: ",
		"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":                                        "HTTP/1.1 405 Not Allowed\r\n…<h1>405 Not Allowed</h1>",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n":                                   "HTTP/1.1 501 Not Implemented\r\n…<h1>501 Not Implemented</h1>",
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n":                     "HTTP/1.1 400 Bad Request\r\n…Request header or cookie too large\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + strings.Repeat("x", 9<<10) + "\r\n\r\n": "HTTP/1.1 400 Bad Request\r\n…Request header or cookie too large\n",
		"GET /" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":        "HTTP/1.1 414 Request-URI Too Large\r\n…URI too long\n",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		answer, _ := io.ReadAll(conn) // a reset after the answer is the client's own fault
		_ = conn.Close()
		start, inside, _ := strings.Cut(want, "…")
		if !strings.HasPrefix(string(answer), start) || !strings.Contains(string(answer), inside) || !strings.Contains(string(answer), "Server: kong/3.9.1\r\n") {
			t.Errorf("%.60q: got %s", request, answer)
		}
	}
}

// FuzzClientHeaders covers that no Accept, Connection or address list of a
// client's breaks what reads them.
func FuzzClientHeaders(f *testing.F) {
	f.Add("text/html;q=0.1, */*;;q=", "close, , X", "1.2.3.4, [::1], x")
	f.Fuzz(func(t *testing.T, accept, connection, addresses string) {
		if form := accepted([]string{accept}); form.body == nil {
			t.Error("no form")
		}
		p := New(Options{Version: "3.9.1", Settings: conf.Proxy{TrustedIPs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, RealIPRecursive: true}})
		defer p.Close()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Connection", connection)
		r.Header.Set("X-Real-IP", addresses)
		p.ServeHTTP(httptest.NewRecorder(), r)
	})
}

// TestAbortedResponsesAreOver covers a client that goes away in the middle of a
// response: the target is not taken for busy afterwards.
func TestAbortedResponsesAreOver(t *testing.T) {
	t.Parallel()
	target := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name)
			for r.URL.Path == "/endless" && r.Context().Err() == nil {
				_, _ = io.WriteString(w, strings.Repeat("x", 1<<10))
			}
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	const upstreamID = "000000d1-0000-4000-8000-0000000000d1"
	// Idle, the first one's 1/3 is less than the second one's 1/2.
	_, server := serve(t, `{"_format_version":"3.0","upstreams":[{"id":"`+upstreamID+`","name":"u","algorithm":"least-connections"}],`+
		`"targets":[{"id":"000000e1-0000-4000-8000-0000000000e1","target":"`+target("first")+`","weight":3,"upstream":"`+upstreamID+`"},`+
		`{"id":"000000e2-0000-4000-8000-0000000000e2","target":"`+target("second")+`","weight":2,"upstream":"`+upstreamID+`"}],`+
		oneRoute(`"host":"u"`, `"paths":["/"]`)[len(`{"_format_version":"3.0",`):])
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
	_, _ = conn.Read(make([]byte, 100))
	_ = conn.Close()
	body := ""
	for deadline := time.Now().Add(5 * time.Second); body != "first"; _, body = get(t, server.URL) {
		if time.Now().After(deadline) {
			t.Fatalf("the %s target answers, want the first", body)
		}
	}
}

// TestQuote covers that messages of a configuration make readable JSON.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", `a "b" \ c`, "\x01\a\v\x7f", "é <b> & \U000e0001", "a\nb"} {
		var read string
		if err := json.Unmarshal([]byte(quote(text)), &read); err != nil || read != text {
			t.Errorf("%q is written as %s: %v", text, quote(text), err)
		}
	}
}

func TestParseClient(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:4711": "192.0.2.1", "[2001:db8::1]": "2001:db8::1", "[2001:db8::1]:80": "2001:db8::1",
		"::ffff:192.0.2.1": "192.0.2.1", "unknown": "invalid IP", "": "invalid IP",
	} {
		if address, ok := parseClient(text); address.String() != want || ok != (want != "invalid IP") {
			t.Errorf("%q is read as %s, %t; want %s", text, address, ok, want)
		}
	}
}

// TestManyConnectionOptions covers that the time for them grows with their
// number, not with its square.
func TestManyConnectionOptions(t *testing.T) {
	t.Parallel()
	const many = 20_000
	header, options := http.Header{"X-Stays": {"1"}}, make([]string, 0, many)
	for i := range many {
		header[fmt.Sprintf("X-%d", i)] = []string{"v"}
		options = append(options, fmt.Sprintf("y-%d", i))
	}
	header["Connection"] = []string{strings.Join(options, ", ") + ", x-7"}
	begin := time.Now()
	removeHopHeaders(header)
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %s", took)
	}
	if header["X-7"] != nil || header["Connection"] != nil || len(header) != many {
		t.Errorf("%d headers are left, want %d", len(header), many)
	}
}
