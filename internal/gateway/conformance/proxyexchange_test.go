// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// exchangeFrame sends a masked text frame and reads the answer's bytes.
func exchangeFrame(conn net.Conn, reader io.Reader, text string) (string, error) {
	frame := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if _, err := conn.Write(frame); err != nil {
		return "", err
	}
	answer := make([]byte, 2+len(text))
	_, err := io.ReadFull(reader, answer)
	return hex.EncodeToString(answer), err
}

// requestText is the request as it stands on the wire.
func requestText(t *testing.T, one proxyCase) (text, method string) {
	t.Helper()
	request := one.Request
	if request.Raw != "" {
		method, _, _ = strings.Cut(request.Raw, " ")
		return request.Raw, method
	}
	headers := request.Headers
	if request.Recipe != "" {
		request.Method, request.Path = "GET", "/echo"
		headers = append([][2]string{{"Host", "client.example"}, {"Connection", "close"}}, recipeHeaders(t, request.Recipe)...)
	}
	body := request.Body
	if request.BodyRecipe != "" {
		var length int
		var letter string
		if _, err := fmt.Sscanf(request.BodyRecipe, "%d bytes of %q", &length, &letter); err != nil {
			t.Fatalf("%s: %v", request.BodyRecipe, err)
		}
		body = strings.Repeat(letter, length)
	}
	if request.Chunked {
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	head := request.Method + " " + request.Path + " HTTP/1.1\r\n"
	for _, header := range headers {
		head += header[0] + ": " + header[1] + "\r\n"
	}
	return head + "\r\n" + body, request.Method
}

// recipeHeaders reads "… header X of N "b"" or "… K headers X0..Xn of N "b"".
func recipeHeaders(t *testing.T, recipe string) [][2]string {
	t.Helper()
	var length, count int
	var name, letter string
	if _, err := fmt.Sscanf(recipe, "GET /echo with header %s of %d %q", &name, &length, &letter); err == nil {
		return [][2]string{{name, strings.Repeat(letter, length)}}
	}
	if _, err := fmt.Sscanf(recipe, "GET /echo with %d headers %s of %d %q", &count, &name, &length, &letter); err != nil {
		t.Fatalf("%s: %v", recipe, err)
	}
	first, _, _ := strings.Cut(name, "0..")
	var headers [][2]string
	for i := range count {
		headers = append(headers, [2]string{first + strconv.Itoa(i), strings.Repeat(letter, length)})
	}
	return headers
}

// answered is an answer of ours.
type answered struct {
	status  int
	reason  string
	headers [][2]string
	body    string
	frame   string
}

func readAnswer(reader *bufio.Reader, method string) (*answered, error) {
	for {
		start, headers, err := readHead(reader)
		if err != nil {
			return nil, err
		}
		a := &answered{headers: headers}
		_, rest, _ := strings.Cut(start, " ")
		code, reason, _ := strings.Cut(rest, " ")
		a.reason = reason
		if a.status, err = strconv.Atoi(code); err != nil {
			return nil, err
		}
		if a.status < 200 && a.status != http.StatusSwitchingProtocols {
			continue
		}
		if a.status == http.StatusSwitchingProtocols || method == http.MethodHead {
			return a, nil
		}
		body, err := a.read(reader)
		a.body = string(body)
		return a, err
	}
}

func (a *answered) read(reader *bufio.Reader) ([]byte, error) {
	e := echoed{Headers: a.headers}
	switch {
	case e.header("Transfer-Encoding") != "":
		return readChunked(reader)
	case e.header("Content-Length") != "":
		length, err := strconv.Atoi(e.header("Content-Length"))
		if err != nil {
			return nil, err
		}
		body := make([]byte, length)
		_, err = io.ReadFull(reader, body)
		return body, err
	}
	return io.ReadAll(reader)
}
