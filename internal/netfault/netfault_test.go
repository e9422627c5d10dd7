// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// fake is a filter that notes what was asked of it.
type fake struct {
	asked  []string
	closed bool
}

func (f *fake) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return nil
}

func (f *fake) Drop(port uint16) error   { return f.note("drop %d", port) }
func (f *fake) Accept(port uint16) error { return f.note("accept %d", port) }
func (f *fake) DropDNS() error           { return f.note("drop dns") }
func (f *fake) AcceptDNS() error         { return errors.New("no accepting") }
func (f *fake) Close() error             { f.closed = true; return nil }
func (f *fake) Attempts() ([]Attempt, error) {
	return []Attempt{{From: netip.MustParseAddr("10.0.0.1"), Port: 8000, Count: 3}}, nil
}

// replies are what a server with that filter answers.
func replies(t *testing.T, s *Server, requests ...string) []Reply {
	t.Helper()
	var out bytes.Buffer
	if err := s.Serve(t.Context(), strings.NewReader(strings.Join(requests, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	var got []Reply
	for lines := json.NewDecoder(&out); ; {
		var r Reply
		err := lines.Decode(&r)
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
}

func TestServerAnswersInOrder(t *testing.T) {
	t.Parallel()
	filter, opened := &fake{}, 0
	s := &Server{
		Open:      func() (Filter, error) { opened++; return filter, nil },
		Listeners: func() ([]netip.AddrPort, error) { return []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:80")}, nil },
		Resolve: func(_ context.Context, name string) ([]netip.Addr, error) {
			return nil, errors.New("no such host " + name)
		},
	}
	got := replies(t, s,
		`{"n":1,"do":"listeners"}`, `{"n":2,"do":"resolve","name":"cp"}`, `{"n":3,"do":"drop","port":8005}`, `{"n":4,"do":"accept","port":8005}`,
		`{"n":5,"do":"drop-dns"}`, `{"n":6,"do":"accept-dns"}`, `{"n":7,"do":"attempts"}`, `{"n":8,"do":"dance"}`)
	want := []Reply{
		{Number: 1, Listeners: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:80")}},
		{Number: 2, Error: "no such host cp"},
		{Number: 3}, {Number: 4}, {Number: 5},
		{Number: 6, Error: "no accepting"},
		{Number: 7, Attempts: []Attempt{{From: netip.MustParseAddr("10.0.0.1"), Port: 8000, Count: 3}}},
		{Number: 8, Error: `unknown operation "dance": this program is not the harness's own`},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("replies %+v, want %+v", got, want)
	}
	if asked := strings.Join(filter.asked, ", "); asked != "drop 8005, accept 8005, drop dns" || opened != 1 || !filter.closed {
		t.Errorf("asked %q of a filter that was opened %d times, closed %v", asked, opened, filter.closed)
	}
}

func TestServerWithoutAFilter(t *testing.T) {
	t.Parallel()
	s := &Server{
		Open:      func() (Filter, error) { return (*fake)(nil), fmt.Errorf("%w: no privilege", ErrUnsupported) },
		Listeners: func() ([]netip.AddrPort, error) { return nil, nil },
	}
	got := replies(t, s, `{"n":1,"do":"open"}`, `{"n":2,"do":"listeners"}`, `{"n":3,"do":"drop","port":1}`)
	refused := "packets cannot be filtered here: no privilege"
	want := []Reply{{Number: 1, Error: refused, Unsupported: true}, {Number: 2}, {Number: 3, Error: refused, Unsupported: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("replies %+v, want %+v", got, want)
	}
}

func TestServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	in, writer := io.Pipe()
	defer writer.Close()
	filter := &fake{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, replies := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- (&Server{Open: func() (Filter, error) { return filter, nil }}).Serve(ctx, in, replies)
	}()
	if _, err := io.WriteString(writer, `{"n":1,"do":"open"}`); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(out).Decode(&Reply{}); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil || !filter.closed {
		t.Errorf("ended with %v, the filter closed %v", err, filter.closed)
	}
}

func TestServerRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := &Server{Open: func() (Filter, error) { return &fake{}, nil }}
	if err := s.Serve(t.Context(), strings.NewReader("nonsense"), io.Discard); err == nil {
		t.Error("nonsense was understood")
	}
}
