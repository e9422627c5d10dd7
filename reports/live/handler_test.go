// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestListen(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":0": "127.0.0.1:", "127.0.0.1:0": "127.0.0.1:", "localhost:0": "127.0.0.1:", "127.0.0.2:0": "127.0.0.2:",
		"": "", "8080": "", "0.0.0.0:0": "", "[::]:0": "", "192.0.2.1:80": "", "example.org:80": "", ":http": "", ":65536": "", ":-1": "", "[::1%lo]:0": "",
	} {
		listener, err := Listen(t.Context(), address)
		switch {
		case want == "" && !errors.Is(err, ErrAddress):
			t.Errorf("%q: error %v, want ErrAddress", address, err)
		case want != "" && err != nil:
			t.Errorf("%q: %v", address, err)
		case err == nil && !strings.HasPrefix(listener.Addr().String(), want):
			t.Errorf("%q: listens on %s, want %s", address, listener.Addr(), want)
		}
		if err := Check(address); (err == nil) != (want != "") {
			t.Errorf("%q: checked: %v", address, err)
		}
		if listener == nil {
			continue
		}
		if again, err := Listen(t.Context(), listener.Addr().String()); err == nil || errors.Is(err, ErrAddress) {
			t.Errorf("%q: error %v for a port that is taken, %v", address, err, again)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAnswersItsOwnPageAlone: to a request under another name, as a page elsewhere sends
// whose name was made to lead here, for another path, or that wants more than to
// read, there is no answer.
func TestAnswersItsOwnPageAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	_, port, _ := strings.Cut(s.address, ":")
	for name, c := range map[string]struct {
		method, path, host string
		headers            map[string]string
		status             int
	}{
		"the page":             {http.MethodGet, "/", "", nil, http.StatusOK},
		"its head":             {http.MethodHead, "/", "", nil, http.StatusOK},
		"the head of events":   {http.MethodHead, "/events", "", nil, http.StatusOK},
		"as localhost":         {http.MethodGet, "/", "localhost:" + port, nil, http.StatusOK},
		"rebound":              {http.MethodGet, "/", "attacker.example:" + port, nil, http.StatusMisdirectedRequest},
		"rebound, no port":     {http.MethodGet, "/", "127.0.0.1", nil, http.StatusMisdirectedRequest},
		"rebound events":       {http.MethodGet, "/events", "attacker.example", nil, http.StatusMisdirectedRequest},
		"events of others":     {http.MethodGet, "/events", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		"events of a sibling":  {http.MethodGet, "/events", "", map[string]string{"Sec-Fetch-Site": "same-site"}, http.StatusForbidden},
		"another path":         {http.MethodGet, "/report.json", "", nil, http.StatusNotFound},
		"out of the directory": {http.MethodGet, "/../recording/events.jsonl", "", nil, http.StatusNotFound},
		"post":                 {http.MethodPost, "/", "", nil, http.StatusMethodNotAllowed},
		"delete events":        {http.MethodDelete, "/events", "", nil, http.StatusMethodNotAllowed},
		"options":              {http.MethodOptions, "/", "", nil, http.StatusMethodNotAllowed},
	} {
		got := ask(t, s, c.method, c.path, c.host, c.headers)
		if got.status != c.status {
			t.Errorf("%s: status %d, want %d", name, got.status, c.status)
		}
		for header, want := range headers {
			if value := got.headers.Get(header); value != want {
				t.Errorf("%s: %s: %q, want %q", name, header, value, want)
			}
		}
	}
}

// TestPolicyAllowsThePagesScript: the one that is there, by its hash, in the header and in
// the page, and nothing else.
func TestPolicyAllowsThePagesScript(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	got := get(t, s, "/")
	root, err := html.Parse(strings.NewReader(got.text))
	if err != nil {
		t.Fatal(err)
	}
	script, scripts, meta := "", 0, ""
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" {
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			}
			if n.Data == "meta" && a.Key == "content" && strings.HasPrefix(a.Val, "default-src") {
				meta = a.Val
			}
		}
		if n.Type == html.ElementNode && n.Data == "script" {
			script, scripts = n.FirstChild.Data, scripts+1
		}
	}
	sum := sha256.Sum256([]byte(script))
	allowed := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; connect-src 'self'"
	for where, says := range map[string]string{"the header": got.headers.Get("Content-Security-Policy"), "the page": meta} {
		if !strings.HasPrefix(says, "default-src 'none'; ") || !strings.Contains(says, allowed) || strings.Count(says, "script-src") != 1 {
			t.Errorf("%s says %q, want it to allow %q", where, says, allowed)
		}
	}
	if scripts != 1 {
		t.Errorf("%d scripts, want 1", scripts)
	}
}
