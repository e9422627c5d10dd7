// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/s3front"
)

func testVersions(t *testing.T, s Store) {
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "versions"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"p/3.9.1/config.json", "p/3.8.0/config.json", "p/3.7.0/election/leader", "p/3.6.0/config.json.bak", "p/config.json", "q/1.0.0/config.json", "4.0.0/config.json",
	} {
		if err := s.PutObject(ctx, "versions", key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{"p": {"3.8.0", "3.9.1"}, "q": {"1.0.0"}, "": {"4.0.0", "p"}, "none": nil} {
		if got, err := Versions(ctx, s, "versions", prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("under %q: %v, %v", prefix, got, err)
		}
	}
	entries, err := s.List(ctx, "versions", "q/")
	if err != nil || len(entries) != 1 || entries[0].Bytes != 2 || entries[0].ETag == "" || entries[0].Modified.IsZero() {
		t.Errorf("entries %+v, %v", entries, err)
	}
}

// eyes are two readers through one front: what a node would meet, and what an
// untouched account meets.
type eyes struct {
	control       *s3front.Client
	node, witness *Reader
	account       Account
}

func newEyes(t *testing.T, s Store, endpoint string) eyes {
	t.Helper()
	front := s3front.New(endpoint, slog.New(slog.DiscardHandler))
	s3, events := httptest.NewServer(front), httptest.NewServer(front.Control())
	t.Cleanup(func() { s3.Close(); events.Close() })
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	account, err := s.NewAccount(t.Context(), "dp-1", "reader", "p", Read)
	if err != nil {
		t.Fatal(err)
	}
	e := eyes{control: s3front.NewClient(address(events)), account: account}
	root := Account{AccessKey: user, SecretKey: password}
	if e.node, err = NewReader(Way{Address: address(s3)}, root, account.AccessKey); err != nil {
		t.Fatal(err)
	}
	if e.witness, err = NewReader(Way{Address: address(s3)}, root, ""); err != nil {
		t.Fatal(err)
	}
	return e
}

func testReader(t *testing.T, s Store, endpoint string) {
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "reader"); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 100_000))
	if err := s.PutObject(ctx, "reader", "p/k", body); err != nil {
		t.Fatal(err)
	}
	e := newEyes(t, s, endpoint)
	whole := e.witness.Get(ctx, "reader", "p/k")
	if whole.Status != 200 || whole.Bytes != 100_000 || whole.Announced != 100_000 || whole.Digest != Digest(body) || whole.Err != nil || whole.Header == nil || whole.Took <= 0 {
		t.Errorf("whole: %+v", whole)
	}
	if a := e.witness.Get(ctx, "reader", "p/none"); a.Status != 404 || a.Code != "NoSuchKey" || a.Err == nil || a.Same(whole) || !a.Same(e.node.Get(ctx, "reader", "p/none")) {
		t.Errorf("none: %s", a)
	}
	if keys, err := e.node.List(ctx, "reader", "p/"); err != nil || !slices.Equal(keys, []string{"p/k"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
	for _, c := range []struct {
		rule  s3front.Rule
		wrong func(Answer) bool
		says  string
	}{
		{s3front.Rule{Effect: s3front.Refuse}, func(a Answer) bool { return a.Status != 0 || a.Err == nil || a.Header != nil }, "no answer ("},
		{s3front.Rule{Effect: s3front.Fail, Status: 503, RetryAfter: time.Second},
			func(a Answer) bool {
				return a.Status != 503 || a.Code != "ServiceUnavailable" || a.Header.Get("Retry-After") != "1"
			}, "503 ServiceUnavailable"},
		{s3front.Rule{Effect: s3front.Hang}, func(a Answer) bool { return a.Status != 0 || !errors.Is(a.Err, context.DeadlineExceeded) }, "no answer within"},
		{s3front.Rule{Effect: s3front.Truncate, Bytes: 10}, func(a Answer) bool {
			return a.Status != 200 || a.Bytes != 10 || a.Announced != 100_000 || !errors.Is(a.Err, io.ErrUnexpectedEOF)
		}, "10 of 100000 bytes"},
		{s3front.Rule{Effect: s3front.Empty}, func(a Answer) bool {
			return a.Status != 200 || a.Bytes != 0 || a.Announced != 0 || a.Digest != Digest(nil) || a.Err != nil
		}, "200, 0 bytes"},
		{s3front.Rule{Effect: s3front.Slow, Rate: 50_000}, func(a Answer) bool {
			return a.Status != 200 || a.Flow.Rate <= 0 || a.Flow.Rate > 65_000 || !errors.Is(a.Err, context.DeadlineExceeded)
		}, "of 100000 bytes"},
	} {
		rule := c.rule
		rule.Account = e.account.AccessKey
		if err := e.control.PutRule(ctx, "r1", rule); err != nil {
			t.Fatal(err)
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		if a := e.node.Get(bounded, "reader", "p/k"); c.wrong(a) || a.Same(whole) || !strings.Contains(a.String(), c.says) {
			t.Errorf("%s: %s; %+v", rule.Effect, a, a)
		}
		cancel()
		if a := e.witness.Get(ctx, "reader", "p/k"); !a.Same(whole) {
			t.Errorf("%s: an untouched account meets %s", rule.Effect, a)
		}
	}
	if err := e.control.DeleteRule(ctx, "r1"); err != nil {
		t.Fatal(err)
	}
	if a := e.node.Get(ctx, "reader", "p/k"); !a.Same(whole) {
		t.Errorf("afterwards: %s", a)
	}
	testAuthors(t, e)
}

// testAuthors: a probe's requests are the witness's own.
func testAuthors(t *testing.T, e eyes) {
	t.Helper()
	page, err := e.control.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	probes := 0
	for _, event := range page.Events {
		if event.AccessKey != user {
			t.Errorf("author %s of %+v", event.AccessKey, event)
		}
		if event.Probe == e.account.AccessKey {
			probes++
		} else if event.Rule != "" {
			t.Errorf("met a rule without asking: %+v", event)
		}
	}
	if probes < 8 {
		t.Errorf("%d probes recorded", probes)
	}
}
