// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"blackout/harness/history"
)

// speaking is a server of one protocol, and the target that it is.
func speaking(t *testing.T, s history.Stream, serve http.HandlerFunc) Target {
	t.Helper()
	server := httptest.NewUnstartedServer(serve)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that hang up
	server.Config.Protocols = new(http.Protocols)
	switch s.Protocol {
	case HTTP1:
		server.Config.Protocols.SetHTTP1(true)
	case HTTP2:
		server.Config.Protocols.SetHTTP2(true)
		server.EnableHTTP2 = true
	case H2C:
		server.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	if !s.TLS {
		server.Start()
		t.Cleanup(server.Close)
		return target(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return Target{Secure: Endpoint{Address: server.Listener.Addr().String()}, TLS: &tls.Config{RootCAs: roots}, Paths: []string{"/probe"}}
}

// sent probes a target until enough requests have come back.
func sent(t *testing.T, to Target, s history.Stream, enough int64) []history.Request {
	t.Helper()
	rec := newRecording(t, s)
	p := start(t, rec, to, []history.Stream{s})
	await(t, "requests", func() bool { return p.streams[0].sent.Load() >= enough })
	p.Stop()
	return of(rec.load(t), 0)
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		s     history.Stream
		proto string
	}{
		{"HTTP/1.1", history.Stream{Protocol: HTTP1}, "HTTP/1.1"},
		{"HTTP/1.1 over TLS", history.Stream{Protocol: HTTP1, TLS: true}, "HTTP/1.1"},
		{"HTTP/2 over TLS", history.Stream{Protocol: HTTP2, TLS: true}, "HTTP/2.0"},
		{"HTTP/2 with prior knowledge", history.Stream{Protocol: H2C}, "HTTP/2.0"},
	} {
		for _, fresh := range []bool{false, true} {
			name := c.name + ", kept alive"
			if fresh {
				name = c.name + ", fresh"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var others atomic.Int64
				s := c.s
				s.Interval, s.Timeout, s.Fresh, s.Workers = 5*time.Millisecond, patience, fresh, 1
				to := speaking(t, s, func(w http.ResponseWriter, r *http.Request) {
					if r.Proto != c.proto || (r.TLS != nil) != s.TLS {
						others.Add(1)
					}
					echo(w)
				})
				connections := 0
				requests := sent(t, to, s, 20)
				for _, r := range requests {
					if r.Class != history.Good || r.Status != http.StatusOK || r.Generation != 7 || r.Flags&history.Masked != 0 {
						t.Errorf("request %+v: %s", r, r.Class)
					}
					if r.Flags&history.NewConnection != 0 {
						connections++
					}
				}
				if want := map[bool]int{false: 1, true: len(requests)}[fresh]; connections != want {
					t.Errorf("%d connections for %d requests, want %d", connections, len(requests), want)
				}
				if n := others.Load(); n > 0 {
					t.Errorf("%d requests were not %s, TLS %v", n, c.proto, s.TLS)
				}
			})
		}
	}
}

// TestProtocolIsNotNegotiatedAway: a stream of HTTP/2 says nothing about a server
// that does not speak it, and one over TLS nothing about whom it does not know.
func TestProtocolIsNotNegotiatedAway(t *testing.T) {
	t.Parallel()
	ok := func(w http.ResponseWriter, _ *http.Request) { echo(w) }
	old := history.Stream{Protocol: HTTP1, TLS: true, Interval: 5 * time.Millisecond, Timeout: patience, Workers: 1}
	modern := old
	modern.Protocol = HTTP2
	stranger := speaking(t, old, ok)
	stranger.TLS = nil
	for name, c := range map[string]struct {
		to Target
		s  history.Stream
	}{
		"HTTP/1.1 asked for HTTP/2":        {speaking(t, old, ok), modern},
		"a certificate of an unknown root": {stranger, old},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range sent(t, c.to, c.s, 3) {
				if r.Class == history.Good {
					t.Fatalf("request %+v is good", r)
				}
			}
		})
	}
}

func TestStreamsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	good := history.Stream{Interval: time.Second, Timeout: time.Second}
	with := func(change func(*history.Stream)) history.Stream { s := good; change(&s); return s }
	to := Target{Endpoint: Endpoint{Address: "127.0.0.1:1"}, Paths: []string{"/"}}
	for name, c := range map[string]struct {
		to Target
		s  history.Stream
	}{
		"no interval":             {to, with(func(s *history.Stream) { s.Interval = 0 })},
		"no timeout":              {to, with(func(s *history.Stream) { s.Timeout = 0 })},
		"HTTP/2 without TLS":      {to, with(func(s *history.Stream) { s.Protocol = HTTP2 })},
		"unknown protocol":        {to, with(func(s *history.Stream) { s.Protocol = "h3" })},
		"TLS without its address": {to, with(func(s *history.Stream) { s.TLS = true })},
		"guarded without a path":  {to, with(func(s *history.Stream) { s.Guarded = true })},
		"no path":                 {Target{Endpoint: Endpoint{Address: "127.0.0.1:1"}}, good},
		"not a path":              {Target{Endpoint: Endpoint{Address: "127.0.0.1:1"}, Paths: []string{"/%zz"}}, good},
		"h2c over TLS":            {Target{Secure: Endpoint{Address: "127.0.0.1:1"}, Paths: []string{"/"}}, with(func(s *history.Stream) { s.Protocol, s.TLS = H2C, true })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Start(t.Context(), newRecording(t).Writer, Load{Target: c.to, Streams: map[uint16]history.Stream{0: c.s}})
			if !errors.Is(err, ErrStream) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestGuardedStreams: of a route that needs a key, only the refusal is good.
func TestGuardedStreams(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]history.Class{
		http.StatusUnauthorized: history.Good,
		http.StatusOK:           history.WrongStatus,
		http.StatusForbidden:    history.WrongStatus,
		http.StatusBadGateway:   history.WrongStatus,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/guarded" {
					status = http.StatusTeapot
				}
				w.WriteHeader(status)
				echo(w)
			}))
			defer server.Close()
			to := target(server)
			to.GuardedPaths = []string{"/guarded"}
			s := history.Stream{Interval: 5 * time.Millisecond, Timeout: patience, Guarded: true}
			for _, r := range sent(t, to, s, 3) {
				if r.Class != want || int(r.Status) != status || r.Generation != 0 {
					t.Errorf("request %+v: %s, want %s", r, r.Class, want)
				}
			}
		})
	}
}

// TestKeysAreShown: the right one is answered like any request, a wrong one refused.
func TestKeysAreShown(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/guarded" || r.Header.Get("apikey") != "sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w)
	}))
	defer server.Close()
	to := target(server)
	to.GuardedPaths, to.Key = []string{"/guarded"}, "sesame"
	for _, s := range []history.Stream{
		{Guarded: true}, {Guarded: true, Key: history.WrongKey}, {Key: history.RightKey},
	} {
		s.Interval, s.Timeout = 5*time.Millisecond, patience
		want := http.StatusUnauthorized
		if s.Key == history.RightKey {
			want = http.StatusOK
		}
		for _, r := range sent(t, to, s, 3) {
			if r.Class != history.Good || int(r.Status) != want {
				t.Errorf("key %q: %+v, want %d", s.Key, r, want)
			}
		}
	}
}

// http2Server speaks HTTP/2 by hand: it answers every other request well and
// does something else to those between. It ends the connection if that says so.
func http2Server(t *testing.T, other func(f *http2.Framer, stream uint32) (end bool)) Target {
	return serveRaw(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(conn, conn)
		_ = f.WriteSettings()
		for n := 0; ; {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				if n++; n%2 == 1 {
					answerHTTP2(f, frame.StreamID)
				} else if other(f, frame.StreamID) {
					return
				}
			}
		}
	})
}

func answerHTTP2(f *http2.Framer, stream uint32) {
	var head bytes.Buffer
	_ = hpack.NewEncoder(&head).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head.Bytes(), EndHeaders: true})
	_ = f.WriteData(stream, true, []byte(`{"path":"/gen/7"}`))
}

// TestMaskedFailuresOfHTTP2: what the transport sends again is counted, what it
// lets fail is a failure.
func TestMaskedFailuresOfHTTP2(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		other func(f *http2.Framer, stream uint32) bool
		class history.Class
		flags uint8
	}{
		"refused": {func(f *http2.Framer, stream uint32) bool {
			_ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
			return false
		}, history.Good, history.Masked},
		"going away": {func(f *http2.Framer, stream uint32) bool {
			_ = f.WriteGoAway(stream-2, http2.ErrCodeNo, nil)
			return true
		}, history.Good, history.Masked | history.NewConnection},
		"dropped": {func(*http2.Framer, uint32) bool { return true }, history.EOF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var others atomic.Int64
			to := http2Server(t, func(f *http2.Framer, stream uint32) bool {
				others.Add(1)
				return c.other(f, stream)
			})
			s := history.Stream{Protocol: H2C, Interval: 5 * time.Millisecond, Timeout: patience, Workers: 1}
			found := int64(0)
			for _, r := range sent(t, to, s, 40) {
				switch {
				case r.Class == c.class && r.Flags == c.flags:
					found++
				case r.Class != history.Good || r.Flags&history.Masked != 0:
					t.Errorf("request %+v: %s, flags %b", r, r.Class, r.Flags)
				}
			}
			if c.flags == 0 && c.class == history.Good || found != others.Load() {
				t.Errorf("%d requests are %s with flags %b, of %d", found, c.class, c.flags, others.Load())
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	d := deadline{parent: context.Background(), timeout: time.Hour}
	first := d.begin()
	if d.end() || first.Err() != nil {
		t.Error("a deadline that was kept ended its context")
	}
	if d.begin() != first || d.end() {
		t.Error("a deadline that was kept was not used again")
	}
	d.timeout = time.Millisecond
	if ctx := d.begin(); ctx != first {
		t.Error("a deadline that was kept was not used again")
	}
	<-first.Done()
	if !errors.Is(context.Cause(first), context.DeadlineExceeded) {
		t.Errorf("ended by %v", context.Cause(first))
	}
	if !d.end() {
		t.Error("a deadline that was exceeded does not say so")
	}
	d.timeout = time.Hour
	if second := d.begin(); second == first || second.Err() != nil || d.end() {
		t.Error("a deadline that was exceeded was used again")
	}
}

// TestANodeThatMovedIsFound: each dial asks where the node is now, and goes to where
// it was found at first as long as nobody knows.
func TestANodeThatMovedIsFound(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	before, after := listen().Addr().String(), listen().Addr().String()
	now, unknown := after, error(nil)
	endpoint := Endpoint{Address: before, Find: func(context.Context) (string, error) { return now, unknown }}
	dial := endpoint.dialer(time.Second)
	for _, c := range []struct {
		err  error
		want string
	}{{nil, after}, {errors.New("it has ended"), before}} {
		unknown = c.err
		conn, err := dial(t.Context(), "tcp", "192.0.2.1:1")
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != c.want {
			t.Errorf("dialled %s, want %s", got, c.want)
		}
		conn.Close()
	}
}
