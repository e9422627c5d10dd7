// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/entity"
)

// recorder is an owner that keeps what it is told.
type recorder struct {
	events   chan string
	messages chan Reconfigure
	block    chan struct{} // if set, Configure waits for it
	dials    chan struct{} // if set, it gets a token for each attempt

	mu   sync.Mutex
	hash string
}

func newRecorder() *recorder {
	return &recorder{events: make(chan string, 1000), messages: make(chan Reconfigure, 1000)}
}

func (r *recorder) Connected()              { r.events <- "connected" }
func (r *recorder) Disconnected(err error)  { r.events <- "disconnected: " + err.Error() }
func (r *recorder) AttemptFailed(err error) { r.events <- "failed: " + err.Error() }

// Dialing is told as an event only where a test wants it.
func (r *recorder) Dialing() {
	if r.dials != nil {
		r.dials <- struct{}{}
	}
}

func (r *recorder) Configure(ctx context.Context, message Reconfigure) {
	r.messages <- message
	if r.block != nil {
		select {
		case <-r.block:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hash = message.Hash
}

func (r *recorder) Hash() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hash
}

func (r *recorder) expect(t testing.TB, want string) {
	t.Helper()
	select {
	case got := <-r.events:
		if !strings.Contains(got, want) {
			t.Fatalf("got the event %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no event, want %q", want)
	}
}

func numbered(t testing.TB, n int) []byte {
	t.Helper()
	return clustertest.Frame(t, []byte(`{}`), entity.Hashes{Config: fmt.Sprintf("%032d", n)}, time.Unix(0, 0))
}

func fast(address string, identity Identity) ClientOptions {
	return ClientOptions{Address: address, Identity: identity, ReconnectMin: time.Millisecond, ReconnectMax: 2 * time.Millisecond,
		PingInterval: 20 * time.Millisecond, Silence: 5 * time.Second, DialTimeout: 5 * time.Second}
}

func TestClientGetsConfigurationsAndTellsTheHash(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, recorded := startServer(t, ServerOptions{Identity: identity})
	owner := newRecorder()
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	owner.expect(t, "connected")
	for n := 1; n <= 2; n++ {
		server.Publish(Publication{Frame: numbered(t, n)})
		want := fmt.Sprintf("%032d", n)
		if message := <-owner.messages; message.Hash != want {
			t.Fatalf("got %s, want %s", message.Hash, want)
		}
		for dp := range recorded {
			if dp.ConfigHash == want && dp.SyncStatus == SyncNormal {
				break
			}
		}
	}
}

func TestClientKeepsOnlyTheNewestConfiguration(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, recorded := startServer(t, ServerOptions{Identity: identity})
	owner := newRecorder()
	owner.block = make(chan struct{})
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	<-recorded // the session is there
	server.Publish(Publication{Frame: numbered(t, 1)})
	<-owner.messages // and is being applied
	const last = 50
	for n := 2; n <= last; n++ {
		server.Publish(Publication{Frame: numbered(t, n)})
	}
	// Once the owner is free, a few may come that had been handed over before
	// the last was published; the last comes always and nothing after it.
	close(owner.block)
	for message := range owner.messages {
		if message.Hash == fmt.Sprintf("%032d", last) {
			break
		}
	}
	if len(owner.messages) != 0 {
		t.Error("a configuration came after the newest")
	}
}

func TestClientReconnects(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, _ := startServer(t, ServerOptions{Identity: identity})
	owner := newRecorder()
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	owner.expect(t, "connected")
	server.Close()
	owner.expect(t, "disconnected")
	// What listens there now cuts every session off, early or late; the client
	// comes back all the same.
	for range 5 {
		select {
		case <-owner.events:
		case <-time.After(10 * time.Second):
			t.Fatal("the client does not come back")
		}
	}
}

// A client that is asked to comes back at once, however long it waits otherwise,
// and gets the configuration once more.
func TestClientRedials(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, _ := startServer(t, ServerOptions{Identity: identity})
	server.Publish(Publication{Frame: numbered(t, 1)})
	owner := newRecorder()
	owner.dials = make(chan struct{}, 10)
	options := fast(address, identity)
	options.ReconnectMin, options.ReconnectMax, options.Rand = time.Hour, time.Hour, rand.New(rand.NewPCG(1, 2))
	options.NodeID, options.Hostname, options.Version, options.Log = "c9a762f6-64fc-40ff-bf01-096f56904d5e", "dp-host", "3.9.1", quiet
	client := NewClient(options, owner)
	client.Redial() // before it has dialled: there is nothing to do
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = client.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	owner.expect(t, "connected")
	<-owner.messages
	for range 3 {
		client.Redial()
		owner.expect(t, "disconnected: "+ErrRedial.Error())
		owner.expect(t, "connected")
		if message := <-owner.messages; message.Hash != fmt.Sprintf("%032d", 1) {
			t.Errorf("got %s", message.Hash)
		}
	}
	if n := len(owner.dials); n != 4 {
		t.Errorf("it dialled %d times, want 4", n)
	}
}

func TestClientReportsFailedAttempts(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	_, stranger, _ := startServer(t, ServerOptions{Identity: newIdentity(t)})
	for name, c := range map[string]struct{ address, want string }{
		"refused":    {closed.Addr().String(), "refused"},
		"unanswered": {silent.Addr().String(), "failed: connect to control plane"},
		"stranger":   {stranger, "the peer's certificate is not the cluster's"},
	} {
		t.Run(name, func(t *testing.T) {
			owner := newRecorder()
			options := fast(c.address, identity)
			if name == "unanswered" { // a busy machine may need long for an answer
				options.DialTimeout = 200 * time.Millisecond
			}
			stop := runClient(t, options, owner)
			defer stop()
			owner.expect(t, c.want)
			owner.expect(t, "failed") // and goes on
		})
	}
}

func TestClientGivesASilentControlPlaneUp(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	_, address, _ := startServer(t, ServerOptions{Identity: identity})
	owner := newRecorder()
	options := fast(address, identity)
	options.Silence, options.PingInterval = 300*time.Millisecond, time.Hour // no ping, so no pong
	stop := runClient(t, options, owner)
	defer stop()
	owner.expect(t, "connected")
	owner.expect(t, "did not receive pong frame from control plane within 0.3 seconds")
}

func TestReconnectWaitIsDrawnFromTheRange(t *testing.T) {
	t.Parallel()
	client := NewClient(ClientOptions{Rand: rand.New(rand.NewPCG(1, 2))}, newRecorder())
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		wait := client.waitAfter(nil, false)
		least, most = min(least, wait), max(most, wait)
	}
	if least < 5*time.Second || most > 10*time.Second || least > 5100*time.Millisecond || most < 9900*time.Millisecond {
		t.Errorf("1000 waits lie between %s and %s, want them spread over 5s to 10s", least, most)
	}
}

func TestClientNeverGivesUp(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	synctest.Test(t, func(t *testing.T) {
		owner := newRecorder()
		// An address that is none fails without a network, so that the bubble's
		// clock can run.
		stop := runClient(t, ClientOptions{Address: "no address", Identity: identity}, owner)
		defer stop()
		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		// An hour holds 360 to 720 waits of 5 to 10 s.
		if n := len(owner.events); n < 400 || n > 560 {
			t.Errorf("%d attempts in an hour", n)
		}
	})
}
