// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
)

// TestAnswersAreClassified against real sockets.
func TestAnswersAreClassified(t *testing.T) {
	t.Parallel()
	says := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				fmt.Fprint(c, answer)
			}
		}
	}
	ok := func(body string) func(net.Conn) {
		return says(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	hangs := func(head string) func(net.Conn) {
		return func(c net.Conn) {
			in := bufio.NewReader(c)
			if _, err := http.ReadRequest(in); err == nil {
				fmt.Fprint(c, head)
				_, _ = in.ReadByte() // until the client hangs up
			}
		}
	}
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  Answer
	}{
		"good":          {ok(`{"path":"/gen/42/x"}`), Answer{200, history.Good, 42}},
		"another page":  {ok(`<html>`), Answer{200, history.WrongBody, 0}},
		"generation 0":  {ok(`{"path":"/gen/0"}`), Answer{200, history.WrongBody, 0}},
		"too long":      {ok(`{"path":"/gen/42","fill":"` + strings.Repeat("x", maxBody) + `"}`), Answer{200, history.WrongBody, 0}},
		"no route":      {says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Answer{404, history.WrongStatus, 0}},
		"unavailable":   {says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"), Answer{503, history.WrongStatus, 0}},
		"elsewhere":     {says("HTTP/1.1 302 Found\r\nLocation: /gen/42\r\nContent-Length: 0\r\n\r\n"), Answer{302, history.WrongStatus, 0}},
		"no answer":     {says(""), Answer{0, history.EOF, 0}},
		"half a body":   {says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), Answer{200, history.EOF, 0}},
		"reset":         {func(c net.Conn) { says("")(c); _ = c.(*net.TCPConn).SetLinger(0) }, Answer{0, history.Reset, 0}},
		"silence":       {hangs(""), Answer{0, history.Timeout, 0}},
		"half and hang": {hangs("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), Answer{200, history.Timeout, 0}},
		"not HTTP":      {says("SSH-2.0-x\r\n\r\n"), Answer{0, history.OtherError, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, serveRaw(t, c.serve)); got != c.want {
				t.Errorf("%+v (%s), want %+v (%s)", got, got.Class, c.want, c.want.Class)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		if got := ask(t, Target{Endpoint: Endpoint{Address: listener.Addr().String()}, Paths: []string{"/"}}); got.Class != history.Refused {
			t.Errorf("%s, want refused", got.Class)
		}
	})
}

func ask(t *testing.T, to Target) Answer {
	t.Helper()
	client := &http.Client{
		Timeout:       300 * time.Millisecond,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+to.Address+to.Paths[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return Ask(client, req)
}

func TestClassifyOfNothing(t *testing.T) {
	t.Parallel()
	if got := Classify(nil); got != history.Good {
		t.Errorf("no error: %s", got)
	}
	if got := Classify(fmt.Errorf("ask: %w", context.DeadlineExceeded)); got != history.Timeout {
		t.Errorf("deadline: %s", got)
	}
}

func TestReadGeneration(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]uint32{
		`{"path":"/gen/1"}`:                  1,
		`{"path":"/gen/999/","x":[1]}`:       999,
		`{"path":"/gen/7/probe/gen/8"}`:      7,
		`{"path":"/gen/4294967295"}`:         4294967295,
		`{"path":"/gen/4294967296"}`:         0,
		`{"path":"/gen/0"}`:                  0,
		`{"path":"/gen/-1"}`:                 0,
		`{"path":"/gen/+1"}`:                 0,
		`{"path":"/gen/1x"}`:                 0,
		`{"path":"/gen/"}`:                   0,
		`{"path":"/probe"}`:                  0,
		`{"path":"x/gen/1"}`:                 0,
		`{"path":1}`:                         0,
		`{"message":"no Route matched"}`:     0,
		`{"path":"/gen/1"}{"path":"/gen/2"}`: 0,
		`{"path":"/gen/1"`:                   0,
		`[]`:                                 0,
		``:                                   0,
	} {
		got, ok := ReadGeneration([]byte(body))
		if ok != (want > 0) || (ok && got != want) {
			t.Errorf("%s: %d, %v; want %d", body, got, ok, want)
		}
	}
}

// FuzzReadGeneration compares the reader with encoding/json.
func FuzzReadGeneration(f *testing.F) {
	for _, body := range []string{
		`{"path":"/gen/12/x"}`, `{"path":"/gen/0"}`, `{"path":`, `{"path":"/gen/1","path":7}`, `{"path":["/gen/1"]}`,
		`{"a":{"path":"/gen/1"}}`, `{"p\u0061th":"\/gen\/1"}`, `["path","/gen/1"]`, ` { "path" : "/gen/1" } `, `{"a":"path","b":"/gen/1"}`,
		`{"path":"/gen/1","path":{"path":"/gen/2"}}`, `{"":"","path":"/gen/1\"}"}`, `"path"`, `{"Path":"/gen/1"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var members map[string]any
		want := uint32(0)
		if json.Unmarshal(body, &members) == nil {
			path, _ := members["path"].(string)
			if rest, found := strings.CutPrefix(path, "/gen/"); found {
				digits, _, _ := strings.Cut(rest, "/")
				n, err := strconv.ParseUint(digits, 10, 32)
				if err == nil {
					want = uint32(n)
				}
			}
		}
		if got, ok := ReadGeneration(body); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: generation %d, %v; encoding/json finds %d", body, got, ok, want)
		}
	})
}
