// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "7.5": 0, "soon": 0, "99999999999999999999": 0,
		"Thu, 01 Jan 2026 12:01:00 GMT": time.Minute, "Thu, 01 Jan 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func TestWaitAfter(t *testing.T) {
	t.Parallel()
	asked := func(wait time.Duration) error {
		return errors.Join(errors.New("connect"), &refusal{status: http.StatusServiceUnavailable, retryAfter: wait})
	}
	for name, c := range map[string]struct {
		options     ClientOptions
		err         error
		established bool
		least, most time.Duration
	}{
		"failed":                    {ClientOptions{}, nil, false, 5 * time.Second, 10 * time.Second},
		"told, and does not listen": {ClientOptions{}, asked(time.Minute), false, 5 * time.Second, 10 * time.Second},
		"told":                      {ClientOptions{HonourRetryAfter: true}, asked(time.Minute), false, time.Minute, 65 * time.Second},
		"told less":                 {ClientOptions{HonourRetryAfter: true}, asked(time.Second), false, 5 * time.Second, 10 * time.Second},
		"told too much":             {ClientOptions{HonourRetryAfter: true}, asked(24 * time.Hour), false, 5 * time.Minute, 305 * time.Second},
		"spread, failed":            {ClientOptions{ReconnectSpread: time.Minute}, nil, false, 5 * time.Second, 10 * time.Second},
		"spread, lost":              {ClientOptions{ReconnectSpread: time.Minute}, nil, true, 5 * time.Second, 70 * time.Second},
	} {
		c.options.Rand = rand.New(rand.NewPCG(1, 2))
		client := NewClient(c.options, newRecorder())
		least, most := time.Duration(1<<62), time.Duration(0)
		for range 1000 {
			wait := client.waitAfter(c.err, c.established)
			least, most = min(least, wait), max(most, wait)
		}
		tolerance := (c.most - c.least) / 20
		if least < c.least || most > c.most || least > c.least+2*tolerance || most < c.most-2*tolerance {
			t.Errorf("%s: 1000 waits lie between %s and %s, want them spread over %s to %s", name, least, most, c.least, c.most)
		}
	}
}

// The answer to the upgrade is read where it comes in.
func TestClientLearnsOfRetryAfter(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	for status, want := range map[int]time.Duration{429: 3 * time.Second, 503: 3 * time.Second, 500: 0, 404: 0} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(status)
		}))
		server.TLS = identity.ServerTLS()
		server.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)
		server.StartTLS()
		options := fast(server.Listener.Addr().String(), identity)
		options.Version = "3.9.1"
		_, err := NewClient(options, newRecorder()).dial(t.Context())
		var refused *refusal
		if !errors.As(err, &refused) || refused.status != status || refused.retryAfter != want {
			t.Errorf("status %d: got %v, want to be asked to wait %s", status, err, want)
		}
		server.Close()
	}
}
