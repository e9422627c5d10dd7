// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// odd serves a control plane that does with each connection, after basic_info,
// what a test tells it to. It reads what comes, as it must to see pongs.
func odd(t *testing.T, identity Identity, do func(conn *websocket.Conn, pongs <-chan string)) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		pongs, gone := make(chan string, 100), make(chan struct{})
		conn.SetPongHandler(func(payload string) error { pongs <- payload; return nil })
		conn.SetPingHandler(func(string) error { return nil }) // the client hears what the test says, and nothing else
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		go func() { defer close(gone); _, _, _ = conn.ReadMessage() }()
		do(conn, pongs)
		<-gone
	}))
	server.TLS = identity.ServerTLS()
	server.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestClientTakesAPingAsASignOfLifeAndAnswersIt(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	const silence, pings = time.Second, 8
	done := make(chan error, 1)
	address := odd(t, identity, func(conn *websocket.Conn, pongs <-chan string) {
		done <- func() error {
			every := time.NewTicker(silence / 4)
			defer every.Stop()
			for n := range pings {
				<-every.C
				if err := conn.WriteControl(websocket.PingMessage, []byte(fmt.Sprint(n)), time.Now().Add(ioTimeout)); err != nil {
					return err
				}
				select {
				case got := <-pongs:
					if got != fmt.Sprint(n) {
						return fmt.Errorf("the pong is %q, want %d", got, n)
					}
				case <-time.After(ioTimeout):
					return fmt.Errorf("ping %d is not answered", n)
				}
			}
			return nil
		}()
	})
	owner, options := newRecorder(), fast(address, identity)
	options.Silence, options.PingInterval = silence, time.Hour
	stop := runClient(t, options, owner)
	defer stop()
	owner.expect(t, "connected")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(owner.events) > 0 {
		t.Errorf("the client gave the control plane up: %s", <-owner.events)
	}
}

func TestClientIgnoresATextFrame(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	configuration := numbered(t, 1)
	address := odd(t, identity, func(conn *websocket.Conn, _ <-chan string) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte("hello"))
		_ = conn.WriteMessage(websocket.BinaryMessage, configuration)
	})
	owner := newRecorder()
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	select {
	case <-owner.messages:
	case <-time.After(10 * time.Second):
		t.Error("the configuration after the text frame does not arrive")
	}
	owner.expect(t, "connected")
	if len(owner.events) > 0 {
		t.Errorf("the client did not stay: %s", <-owner.events)
	}
}

// What was received is applied before the loss of the connection is told, or
// the owner would believe that the control plane gave it nothing.
func TestClientAppliesWhatAControlPlaneSentBeforeItWasLost(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	configuration := numbered(t, 1)
	address := odd(t, identity, func(conn *websocket.Conn, _ <-chan string) {
		_ = conn.WriteMessage(websocket.BinaryMessage, configuration)
		_ = conn.Close()
	})
	owner := newRecorder()
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	for range 20 {
		owner.expect(t, "connected")
		owner.expect(t, "disconnected")
		select {
		case <-owner.messages:
		default:
			t.Fatal("the connection is lost, and the configuration that came with it too")
		}
	}
}
