// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// bench is a front before an upstream, with its record served.
type bench struct {
	front, events string // host:port
	log           *bytes.Buffer
}

func newBench(t *testing.T, upstream http.Handler) bench {
	t.Helper()
	behind := httptest.NewServer(upstream)
	t.Cleanup(behind.Close)
	log := &bytes.Buffer{}
	f := New(address(behind), slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	front := httptest.NewServer(f)
	t.Cleanup(front.Close)
	events := httptest.NewServer(f.Control())
	t.Cleanup(events.Close)
	return bench{address(front), address(events), log}
}

func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func (b bench) page(t *testing.T, query string) Page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+b.events+"/events?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var p Page
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

// ended is how many requests have ended, once all that came have.
func (b bench) ended(t *testing.T) int {
	t.Helper()
	started := b.page(t, "").Started
	if started > 0 {
		b.next(t, started-1)
	}
	return started
}

// next is the event after number n; it waits for it.
func (b bench) next(t *testing.T, n int) Event {
	t.Helper()
	p := b.page(t, fmt.Sprintf("after=%d&wait=10s", n))
	if len(p.Events) == 0 {
		t.Fatalf("no event after %d", n)
	}
	return p.Events[0]
}

func TestRequestsHaveAuthors(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	body := strings.Repeat("x", 200_000) // a streaming signature over several chunks
	s.put(t, "p/config.json", body)
	n := s.ended(t)
	for _, test := range []struct {
		account string
		key     string
		status  int
		bytes   int64
	}{{"dp-1", "elsewhere", 403, 0}, {"dp-1", "p/config.json", 200, int64(len(body))}, {"dp-2", "p/config.json", 200, int64(len(body))}} {
		s.get(t, test.account, test.key)
		got := s.next(t, n)
		if got.AccessKey != test.account || got.Status != test.status || !got.Complete || got.Rule != "" || got.Probe != "" ||
			got.Method != "GET" || got.Path != "/backup/"+test.key || got.End < got.Start || got.N != n+1 {
			t.Errorf("%s: event %+v", test.account, got)
		}
		if test.bytes > 0 && got.Bytes != test.bytes {
			t.Errorf("%s: %d bytes", test.account, got.Bytes)
		}
		n = got.N
	}
	if everything := fmt.Sprint(s.page(t, "")) + s.log.String(); strings.Contains(everything, "Signature") || strings.Contains(everything, secret) {
		t.Errorf("a secret or signature was recorded: %s", everything)
	}
}

func TestAccessKey(t *testing.T) {
	t.Parallel()
	tests := []struct{ header, query, want string }{
		{"AWS4-HMAC-SHA256 Credential=dp-1/20261101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00", "", "dp-1"},
		{"AWS4-HMAC-SHA256 Credential=dp-1/20261101/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00", "", "dp-1"},
		{"", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=dp-2%2F20261101%2Fus-east-1%2Fs3%2Faws4_request", "dp-2"},
		{"", "a=%zz&X-Amz-Credential=%zz", ""},
		{"Bearer x", "", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/b/k?"+test.query, nil)
		r.Header.Set("Authorization", test.header)
		if got := accessKey(r); got != test.want {
			t.Errorf("%q %q: %q, want %q", test.header, test.query, got, test.want)
		}
	}
}

func FuzzAccessKey(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=dp-1/x, Signature=00", "X-Amz-Credential=a%2Fb")
	f.Fuzz(func(t *testing.T, header, query string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		r.URL = httptest.NewRequest("GET", "/", nil).URL
		r.URL.RawQuery = query
		if got := accessKey(r); strings.Contains(got, "/") {
			t.Errorf("access key %q", got)
		}
	})
}

func TestRequestsPassUnchanged(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	b := newBench(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r }))
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", b.front)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, err = io.WriteString(connection, "GET /b/a%2Fb%20c?x=1;y=2&z=%41 HTTP/1.1\r\nHost: store.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Amz-Date: d\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	got := <-seen
	want := http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Amz-Date": {"d"}, "Connection": {"close"}}
	if got.Host != "store.example" || got.RequestURI != "/b/a%2Fb%20c?x=1;y=2&z=%41" || fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("host %q, uri %q, headers %v", got.Host, got.RequestURI, got.Header)
	}
}

func TestIncompleteAnswersAreSeen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		upstream http.HandlerFunc
		status   int
		complete bool
	}{
		{"whole", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "whole") }, 200, true},
		{"store breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}, 200, false},
		{"store dies", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.upstream)
			response, err := http.Get("http://" + b.front + "/b/k")
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if test.complete != (err == nil) {
				t.Errorf("the client read: %v", err)
			}
			if got := b.next(t, 0); got.Status != test.status || got.Complete != test.complete {
				t.Errorf("event %+v", got)
			}
		})
	}
}

func TestHangingRequestIsVisibleAndItsEndRecorded(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	b := newBench(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		request, err := http.NewRequestWithContext(ctx, "GET", "http://"+b.front+"/b/k", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			t.Error("the hanging request was answered")
			response.Body.Close()
		}
	}()
	<-arrived
	if p := b.page(t, ""); p.Started != 1 || len(p.Events) != 0 || p.Now <= 0 {
		t.Errorf("while it hangs: %+v", p)
	}
	giveUp()
	<-ended
	if got := b.next(t, 0); got.Complete || got.N != 1 {
		t.Errorf("event %+v", got)
	}
}

func TestEventsQuery(t *testing.T) {
	t.Parallel()
	b := newBench(t, http.NotFoundHandler())
	for query, want := range map[string]int{"": 200, "after=7": 200, "after=x": 400, "after=-1": 400, "wait=x": 400} {
		response, err := http.Get("http://" + b.events + "/events?" + query)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%q: %d", query, response.StatusCode)
		}
	}
	if got := b.page(t, "after=99&wait=10ms").Events; got == nil || len(got) != 0 {
		t.Errorf("events %v", got)
	}
}
