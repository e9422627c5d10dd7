// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake's
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// echo is the upstream of the recordings: it answers with what it received, in
// JSON, and does what the query asks of it.
func echo(t *testing.T) (port string) {
	t.Helper()
	return serveRaw(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			request, err := readEcho(reader)
			if err != nil || !request.answer(conn, reader) {
				return
			}
		}
	})
}

// serveRaw serves connections until the test ends.
func serveRaw(t *testing.T, serve func(net.Conn)) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// echoed is a request as the upstream saw it.
type echoed struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Version string      `json:"version"`
	Headers [][2]string `json:"headers"`
	Framing string      `json:"framing"`
	Body    string      `json:"body"`
	BodyLen int         `json:"body_len"`
}

func readEcho(reader *bufio.Reader) (*echoed, error) {
	start, headers, err := readHead(reader)
	if err != nil {
		return nil, err
	}
	e := &echoed{Headers: headers, Framing: "none"}
	e.Method, start, _ = strings.Cut(start, " ")
	e.URI, e.Version, _ = strings.Cut(start, " ")
	var body []byte
	switch {
	case e.header("Transfer-Encoding") != "":
		e.Framing = "chunked"
		body, err = readChunked(reader)
	case e.header("Content-Length") != "":
		e.Framing = "content-length"
		var length int
		if length, err = strconv.Atoi(e.header("Content-Length")); err == nil {
			body = make([]byte, length)
			_, err = io.ReadFull(reader, body)
		}
	}
	e.Body, e.BodyLen = string(body), len(body)
	return e, err
}

// readHead reads a start line and headers, in order and as they are written.
func readHead(reader *bufio.Reader) (start string, headers [][2]string, err error) {
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return "", nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case start == "":
			start = line
		case line == "":
			return start, headers, nil
		default:
			name, value, _ := strings.Cut(line, ":")
			headers = append(headers, [2]string{name, strings.TrimSpace(value)})
		}
	}
}

func readChunked(reader *bufio.Reader) ([]byte, error) {
	body, err := io.ReadAll(httputil.NewChunkedReader(reader))
	if err != nil {
		return nil, err
	}
	for { // trailers
		line, err := reader.ReadString('\n')
		if err != nil || strings.TrimSpace(line) == "" {
			return body, err
		}
	}
}

func (e *echoed) header(name string) string {
	for _, header := range e.Headers {
		if strings.EqualFold(header[0], name) {
			return header[1]
		}
	}
	return ""
}

// answer answers and reports whether the connection goes on.
func (e *echoed) answer(conn net.Conn, reader *bufio.Reader) bool {
	_, raw, _ := strings.Cut(e.URI, "?")
	query := map[string]string{}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		query[name] = value
	}
	has := func(name string) bool { _, ok := query[name]; return ok }
	switch {
	case has("__drop"):
		return false
	case has("__garbage"):
		_, _ = io.WriteString(conn, "garbage\r\n\r\n")
		return false
	case strings.EqualFold(e.header("Upgrade"), "websocket"):
		e.webSocket(conn, reader)
		return false
	}
	if seconds, err := strconv.ParseFloat(query["__sleep"], 64); err == nil {
		<-time.After(time.Duration(seconds * float64(time.Second)))
	}
	status := "200"
	if has("__status") {
		status = query["__status"]
	}
	head := "HTTP/1.1 " + status + " X\r\nContent-Type: application/json\r\nX-Echo: 1\r\n"
	for name, header := range map[string]string{"__via": "Via", "__server": "Server"} {
		if has(name) {
			head += header + ": " + query[name] + "\r\n"
		}
	}
	if length, err := strconv.Atoi(query["__big"]); err == nil {
		head += "X-Big: " + strings.Repeat("b", length) + "\r\n"
	}
	body, err := json.Marshal(e)
	if err != nil {
		return false
	}
	return e.write(conn, head, string(body), has("__chunked"))
}

func (e *echoed) write(conn net.Conn, head, body string, chunked bool) bool {
	if e.Method == "HEAD" {
		head += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	} else if chunked {
		head += fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	} else {
		head += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	_, err := io.WriteString(conn, head)
	return err == nil
}

// webSocket shakes hands and sends the first frame back, unmasked.
func (e *echoed) webSocket(conn net.Conn, reader *bufio.Reader) {
	sum := sha1.Sum([]byte(e.header("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nX-Echo-Uri: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]), e.URI)
	frame := make([]byte, 6)
	if _, err := io.ReadFull(reader, frame); err != nil {
		return
	}
	text := make([]byte, frame[1]&0x7f)
	if _, err := io.ReadFull(reader, text); err != nil {
		return
	}
	for i := range text {
		text[i] ^= frame[2+i%4]
	}
	_, _ = conn.Write(append([]byte{frame[0], byte(len(text))}, text...))
}
