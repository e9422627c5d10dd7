// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package deaf

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// impatience bounds the dialling of what must not answer.
const impatience = 300 * time.Millisecond

// free is an address that nobody listens on.
func free(t *testing.T, host string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// dial says how a connection attempt ends.
func dial(address string) error {
	conn, err := net.DialTimeout("tcp", address, impatience)
	if err == nil {
		conn.Close()
	}
	return err
}

// unanswered says whether an attempt was neither refused nor accepted.
func unanswered(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// request sends a request to the set and returns the status.
func request(set *Set, method, path string) int {
	answer := httptest.NewRecorder()
	set.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer.Code
}

func unlessSupported(t *testing.T) {
	t.Helper()
	if err := supported(); err != nil {
		_, listenErr := Listen(t.Context(), free(t, "127.0.0.1"))
		if !errors.Is(listenErr, errors.ErrUnsupported) {
			t.Errorf("Listen() = %v, want ErrUnsupported", listenErr)
		}
		t.Skip(err)
	}
}

func TestAttemptsAreNotAnswered(t *testing.T) {
	t.Parallel()
	unlessSupported(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			var set Set
			address := free(t, host)
			path := Path + "/" + url.PathEscape(address)
			for range 2 { // the second time it is deaf already
				if status := request(&set, http.MethodPut, path); status != http.StatusNoContent {
					t.Fatalf("PUT answers %d", status)
				}
			}
			for range 3 { // not even the first attempt
				if err := dial(address); !unanswered(err) {
					t.Errorf("dial = %v, want a time-out", err)
				}
			}
			for range 2 {
				if status := request(&set, http.MethodDelete, path); status != http.StatusNoContent {
					t.Fatalf("DELETE answers %d", status)
				}
			}
			if err := dial(address); err == nil || unanswered(err) {
				t.Errorf("dial of a freed address = %v, want a refusal", err)
			}
		})
	}
}

// TestOthersGoOn: the filter is the listener's own.
func TestOthersGoOn(t *testing.T) {
	t.Parallel()
	unlessSupported(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var set Set
	if err := set.Add(t.Context(), free(t, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := dial(other.Addr().String()); err != nil {
		t.Errorf("dial of another listener: %v", err)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}

// TestAttemptGoesOnWhenFreed: a waiting client is answered once somebody listens.
func TestAttemptGoesOnWhenFreed(t *testing.T) {
	t.Parallel()
	unlessSupported(t)
	address := free(t, "127.0.0.1")
	var set Set
	if err := set.Add(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	dialled := make(chan error, 1)
	go func() {
		conn, err := net.DialTimeout("tcp", address, 20*time.Second)
		if err == nil {
			conn.Close()
		}
		dialled <- err
	}()
	if err := dial(address); !unanswered(err) { // the other attempt is older
		t.Fatalf("dial = %v, want a time-out", err)
	}
	if err := set.Remove(address); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := <-dialled; err != nil {
		t.Errorf("the waiting attempt: %v", err)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	unlessSupported(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, Path, http.StatusNoContent},
		{http.MethodPut, Path + "/" + taken.Addr().String(), http.StatusConflict},
		{http.MethodPut, Path + "/nowhere", http.StatusConflict},
		{http.MethodPost, Path + "/127.0.0.1:1", http.StatusMethodNotAllowed},
		{http.MethodPut, Path, http.StatusMethodNotAllowed},
	} {
		if status := request(new(Set), c.method, c.path); status != c.status {
			t.Errorf("%s %s answers %d, want %d", c.method, c.path, status, c.status)
		}
	}
}
