// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"blackout/internal/gateway/entity"
)

// The limit counts compressed bytes, and each end has its own.
func TestPayloadLimit(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	identity := newIdentity(t)
	frame := make([]byte, limit+1)
	_, _ = rand.Read(frame) // never fails
	t.Run("of the data plane", func(t *testing.T) {
		t.Parallel()
		server, address, _ := startServer(t, ServerOptions{Identity: identity})
		server.Publish(Publication{Frame: frame})
		owner, options := newRecorder(), fast(address, identity)
		options.MaxPayload = limit
		stop := runClient(t, options, owner)
		defer stop()
		for range 2 { // and again
			owner.expect(t, "connected")
			owner.expect(t, "exceeding max payload len (65536 bytes; raise cluster_max_payload on both sides)")
		}
	})
	t.Run("of the control plane", func(t *testing.T) {
		t.Parallel()
		server, address, _ := startServer(t, ServerOptions{Identity: identity, MaxPayload: limit})
		server.Publish(Publication{Frame: frame})
		conn, reader, _ := rawDial(t, identity, address, rawQuery)
		writeFrame(t, conn, 2, []byte(rawBasicInfo))
		if got, err := readFrame(reader); err != nil || got.opcode != 8 || len(got.payload) != 0 {
			t.Errorf("got opcode %d, %d bytes, %v, want an empty close frame", got.opcode, len(got.payload), err)
		}
	})
	t.Run("not exceeded", func(t *testing.T) {
		t.Parallel()
		server, address, _ := startServer(t, ServerOptions{Identity: identity, MaxPayload: limit})
		server.Publish(Publication{Frame: frame[:limit]})
		conn, reader, _ := rawDial(t, identity, address, rawQuery)
		writeFrame(t, conn, 2, []byte(rawBasicInfo))
		if got, err := readFrame(reader); err != nil || !bytes.Equal(got.payload, frame[:limit]) {
			t.Errorf("got opcode %d, %d bytes, %v", got.opcode, len(got.payload), err)
		}
	})
}

func TestGzipBombIsNotInflated(t *testing.T) {
	t.Parallel()
	bomb := func(size int) []byte {
		var frame bytes.Buffer
		writer := gzip.NewWriter(&frame)
		_, _ = writer.Write(bytes.Repeat([]byte(" "), size)) // to memory: never fails
		_ = writer.Close()
		return frame.Bytes()
	}
	small := bomb(alwaysFits + 1) // 16 KiB, a thousandth
	if _, err := DecodeReconfigure(small); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d bytes expand to more than %d", len(small), alwaysFits)) {
		t.Errorf("got %v", err)
	}
	if got := inflatedLimit(16 << 20); got != maxInflated {
		t.Errorf("16 MiB may expand to %d", got)
	}
	if got := inflatedLimit(1 << 20); got != 256<<20 {
		t.Errorf("1 MiB may expand to %d", got)
	}
}

// A node that takes long over a configuration is heard of all the same.
func TestPingsGoOnDuringASlowApply(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, recorded := startServer(t, ServerOptions{Identity: identity, Silence: time.Second})
	owner := newRecorder()
	owner.block = make(chan struct{})
	stop := runClient(t, fast(address, identity), owner) // it pings every 20 ms
	defer stop()
	<-recorded
	server.Publish(Publication{Frame: numbered(t, 1)})
	<-owner.messages // it is being applied
	for len(recorded) > 0 {
		<-recorded
	}
	for range 5 {
		if dp := <-recorded; dp.ConfigHash != entity.EmptyHash {
			t.Fatalf("a ping has the hash %s before it is in force", dp.ConfigHash)
		}
	}
}

// Of the configurations that came while one was applied, the newest is applied next,
// and no other.
func TestClientAppliesTheNewestOfThoseThatWait(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	const last = 4
	var frames [last + 1][]byte
	for n := range frames {
		frames[n] = numbered(t, n)
	}
	applying, received := make(chan struct{}), make(chan error, 1)
	address := odd(t, identity, func(conn *websocket.Conn, pongs <-chan string) {
		err := conn.WriteMessage(websocket.BinaryMessage, frames[1])
		<-applying
		for _, frame := range frames[2:] {
			err = errors.Join(err, conn.WriteMessage(websocket.BinaryMessage, frame))
		}
		err = errors.Join(err, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(ioTimeout)))
		select {
		case <-pongs: // what came before the ping is in the client's hands
		case <-time.After(ioTimeout):
			err = errors.Join(err, errors.New("the ping is not answered"))
		}
		received <- err
	})
	owner := newRecorder()
	owner.block = make(chan struct{})
	stop := runClient(t, fast(address, identity), owner)
	defer stop()
	<-owner.messages
	close(applying)
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	close(owner.block)
	if message := <-owner.messages; message.Hash != fmt.Sprintf("%032d", last) {
		t.Errorf("the next to be applied is %s, want the newest", message.Hash)
	}
	stop()
	if len(owner.messages) != 0 {
		t.Error("another one is applied after the newest")
	}
}

// A peer whose packets are lost sends neither bytes nor an end.
func TestServerGivesAHalfOpenDataPlaneUp(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, recorded := startServer(t, ServerOptions{Identity: identity, Silence: 300 * time.Millisecond})
	conn, reader, _ := rawDial(t, identity, address, rawQuery)
	writeFrame(t, conn, 2, []byte(rawBasicInfo))
	writeFrame(t, conn, 9, []byte(entity.EmptyHash))
	<-recorded
	if n := server.Clients(); n != 1 {
		t.Fatalf("%d are connected", n)
	}
	for { // it hears the pong and the farewell, and says no more
		if _, err := readFrame(reader); err != nil {
			break
		}
	}
	deadline, look := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for server.Clients() > 0 {
		select {
		case <-deadline:
			t.Fatal("it counts as connected for good")
		case <-look.C:
		}
	}
}

// A port that is asked in the wrong language answers, or hangs up, and lives on.
func TestServerSurvivesPlainHTTP(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	_, address, _ := startServer(t, ServerOptions{Identity: identity})
	response, err := http.Get("http://" + address + Path + rawQuery)
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, %v, want 400", response, err)
	}
	if err == nil {
		_ = response.Body.Close()
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("\x00\x01garbage that is no TLS record"))
	_ = conn.Close()
	if _, _, response := rawDial(t, identity, address, rawQuery); response == nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("afterwards a data plane gets %+v", response)
	}
}
