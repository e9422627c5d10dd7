// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake asks for it
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/entity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func newIdentity(t testing.TB) Identity {
	t.Helper()
	identity, err := NewIdentity(clustertest.Certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// startServer serves on loopback until the test ends; what is recorded of data
// planes arrives on the channel.
func startServer(t testing.TB, options ServerOptions) (*Server, string, <-chan DataPlane) {
	t.Helper()
	recorded := make(chan DataPlane, 1000)
	options.Version, options.Log = "3.9.1", quiet
	options.Record = func(_ context.Context, dp DataPlane) error { recorded <- dp; return nil }
	server := NewServer(options)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", options.Identity.ServerTLS())
	if err != nil {
		t.Fatal(err)
	}
	httpServer := &http.Server{Handler: server, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)}
	done := make(chan struct{})
	go func() { defer close(done); _ = httpServer.Serve(listener) }()
	t.Cleanup(func() {
		_ = httpServer.Close()
		server.Close()
		<-done
	})
	return server, listener.Addr().String(), recorded
}

// frame is one WebSocket frame as it stands on the wire.
type frame struct {
	fin, masked bool
	rsv, opcode byte
	payload     []byte
}

func readFrame(reader io.Reader) (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{fin: head[0]&0x80 != 0, rsv: head[0] >> 4 & 7, opcode: head[0] & 15, masked: head[1]&0x80 != 0}
	length := uint64(head[1] & 0x7f)
	if extra := map[uint64]int{126: 2, 127: 8}[length]; extra > 0 {
		var wide [8]byte
		if _, err := io.ReadFull(reader, wide[8-extra:]); err != nil {
			return frame{}, err
		}
		length = binary.BigEndian.Uint64(wide[:])
	}
	var mask [4]byte
	if f.masked {
		if _, err := io.ReadFull(reader, mask[:]); err != nil {
			return frame{}, err
		}
	}
	f.payload = make([]byte, length)
	if _, err := io.ReadFull(reader, f.payload); err != nil {
		return frame{}, err
	}
	for i := range f.payload {
		f.payload[i] ^= mask[i%4]
	}
	return f, nil
}

// writeFrame writes a frame as a client does, masked with zeros.
func writeFrame(t testing.TB, w io.Writer, opcode byte, payload []byte) {
	t.Helper()
	head := []byte{0x80 | opcode, 0x80 | 126, 0, 0, 0, 0, 0, 0}
	if len(payload) < 126 {
		head = []byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	} else {
		binary.BigEndian.PutUint16(head[2:], uint16(len(payload)))
	}
	if _, err := w.Write(append(head, payload...)); err != nil {
		t.Fatal(err)
	}
}

const rawQuery = "?node_id=c9a762f6-64fc-40ff-bf01-096f56904d5e&node_hostname=dp-host&node_version=3.9.1"

// rawDial opens a connection and sends the upgrade request by hand.
func rawDial(t testing.TB, identity Identity, address, query string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, identity.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/outlet%s HTTP/1.1\r\nUpgrade: websocket\r\nHost: %s\r\n"+
		"Sec-WebSocket-Key: +blhOM3g2Walln+MROsTeQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n", query, address); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return conn, reader, nil
	}
	return conn, reader, response
}

const rawBasicInfo = `{"type":"basic_info","plugins":[{"name":"acl","version":"3.9.1"}],"process_conf":{},"filters":{},"labels":{"a":"b"}}`

func TestServerSendsOneFrame(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, _ := startServer(t, ServerOptions{Identity: identity})
	noise := make([]byte, 5<<20) // far beyond any buffer
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	server.Publish(Publication{Frame: noise})
	conn, reader, response := rawDial(t, identity, address, rawQuery)
	if response == nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != "yWEC59DawbuOjLtS+yImRCakCF0=" {
		t.Fatalf("unexpected answer: %+v", response)
	}
	writeFrame(t, conn, 2, []byte(rawBasicInfo))
	got, err := readFrame(reader)
	if err != nil {
		t.Fatal(err)
	}
	if !got.fin || got.masked || got.rsv != 0 || got.opcode != 2 || !bytes.Equal(got.payload, noise) {
		t.Errorf("not one plain binary frame: fin %v, masked %v, rsv %d, opcode %d, %d bytes", got.fin, got.masked, got.rsv, got.opcode, len(got.payload))
	}
	writeFrame(t, conn, 9, []byte(entity.EmptyHash))
	pong, err := readFrame(reader)
	if err != nil || pong.opcode != 10 || len(pong.payload) != 0 {
		t.Errorf("got %+v, %v, want an empty pong", pong, err)
	}
}

func TestServerTurnsAway(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	_, address, recorded := startServer(t, ServerOptions{Identity: identity})
	if _, _, response := rawDial(t, identity, address, "?node_hostname=h&node_version=3.9.1"); response == nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("without node_id: %+v", response)
	}
	stranger := newIdentity(t)
	stranger.digest = identity.digest // it accepts the server, and is not accepted
	if _, _, response := rawDial(t, stranger, address, rawQuery); response != nil {
		t.Errorf("a stranger is answered: %+v", response)
	}
	conn, reader, _ := rawDial(t, identity, address, strings.Replace(rawQuery, "3.9.1", "3.10.0", 1))
	writeFrame(t, conn, 2, []byte(rawBasicInfo))
	if got, err := readFrame(reader); err != nil || got.opcode != 8 || len(got.payload) != 0 {
		t.Errorf("newer data plane: got %+v, %v, want an empty close frame", got, err)
	}
	if dp := <-recorded; dp.SyncStatus != SyncVersionIncompatible || dp.Hostname != "dp-host" || dp.Labels["a"] != "b" {
		t.Errorf("recorded %+v", dp)
	}
}

func TestServerEndsAConversationAgainstTheRules(t *testing.T) {
	t.Parallel()
	type message struct {
		opcode  byte
		payload string
	}
	info := message{2, rawBasicInfo}
	cases := map[string][]message{
		"ping first":           {{9, entity.EmptyHash}},
		"pong first":           {{10, ""}},
		"text basic_info":      {{1, rawBasicInfo}},
		"plugins of no form":   {{2, `{"type":"basic_info","plugins":["acl"]}`}},
		"not JSON":             {{2, "x"}},
		"another type":         {{2, `{"type":"error","plugins":[]}`}},
		"no plugins":           {{2, `{"type":"basic_info"}`}},
		"short ping":           {info, {9, "31"}},
		"unsolicited pong":     {info, {10, ""}},
		"message after":        {info, {2, "{}"}},
		"silence":              {info},
		"a second basic_info ": {info, info},
	}
	identity := newIdentity(t)
	_, address, _ := startServer(t, ServerOptions{Identity: identity, Silence: 200 * time.Millisecond})
	for name, messages := range cases {
		t.Run(name, func(t *testing.T) {
			conn, reader, _ := rawDial(t, identity, address, rawQuery)
			for _, m := range messages {
				writeFrame(t, conn, m.opcode, []byte(m.payload))
			}
			got, err := readFrame(reader)
			if err != nil || got.opcode != 8 || len(got.payload) != 0 {
				t.Fatalf("got %+v, %v, want an empty close frame", got, err)
			}
			if _, err := readFrame(reader); err == nil {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestClientSpeaksAsARealDataPlane(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", identity.ServerTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	owner := newRecorder()
	stop := runClient(t, ClientOptions{Address: listener.Addr().String(), Identity: identity,
		ProcessConf: map[string]any{"role": "data_plane"}, Labels: map[string]string{"long": strings.Repeat("x", 100_000)}}, owner)
	defer stop()

	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/v1/outlet" + rawQuery; request.RequestURI != want {
		t.Errorf("got %s, want %s", request.RequestURI, want)
	}
	if name := conn.(*tls.Conn).ConnectionState().ServerName; name != "kong_clustering" {
		t.Errorf("SNI is %q", name)
	}
	for _, header := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "User-Agent"} {
		if value, sent := request.Header[header]; sent {
			t.Errorf("sends %s: %v", header, value)
		}
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- as above
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	info, err := readFrame(reader)
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(info.payload, &decoded); err != nil || !info.fin || !info.masked || info.opcode != 2 || decoded["type"] != "basic_info" {
		t.Errorf("the first frame is not a whole basic_info: fin %v, opcode %d, %v", info.fin, info.opcode, err)
	}
	if _, ok := decoded["plugins"].([]any); !ok {
		t.Errorf("plugins is no array: %v", decoded["plugins"])
	}
	if conf, ok := decoded["process_conf"].(map[string]any); !ok || conf["role"] != "data_plane" {
		t.Errorf("process_conf is %v", decoded["process_conf"])
	}
	ping, err := readFrame(reader)
	if err != nil || ping.opcode != 9 || string(ping.payload) != entity.EmptyHash {
		t.Errorf("got %+v, %v, want a ping with the empty hash", ping, err)
	}
}

// runClient runs a client until the returned function is called.
func runClient(t testing.TB, options ClientOptions, owner Owner) (stop func()) {
	t.Helper()
	options.NodeID, options.Hostname, options.Version = "c9a762f6-64fc-40ff-bf01-096f56904d5e", "dp-host", "3.9.1"
	options.Rand, options.Log = mathrand.New(mathrand.NewPCG(1, 2)), quiet
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = NewClient(options, owner).Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestRecordedConfigurations(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BLACKOUT_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "wire")); err != nil {
		t.Skipf("the recordings of a real control plane are not here (set BLACKOUT_CORPUS): %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "wire", "*", "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		message, err := DecodeReconfigure(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var table map[string]any
		if err := json.Unmarshal(message.Table, &table); err != nil {
			t.Fatal(err)
		}
		if got := entity.Hash(table); got != *message.Hashes || got.Config != message.Hash {
			t.Errorf("%s: got %+v, want %+v", file, got, message.Hashes)
		}
		again := clustertest.Frame(t, message.Table, *message.Hashes, time.Unix(1, 0))
		if decoded, err := DecodeReconfigure(again); err != nil || !bytes.Equal(decoded.Table, message.Table) {
			t.Errorf("%s does not survive encoding: %v", file, err)
		}
	}
}

func TestDecodeReconfigureRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                      "no JSON object",
		`[]`:                    "no JSON object",
		`{"type":1}`:            "type: ",
		`{"config_table":{"a"}`: "decode reconfigure: ",
		`{"type":"x"}{}`:        "something follows",
		`{"config_hash":"1"}`:   "config_hash has 1 characters",
		`{"config_table":`:      "decode reconfigure: ",
	} {
		var frame bytes.Buffer
		writer := gzip.NewWriter(&frame)
		_, _ = writer.Write([]byte(text)) // to memory: never fails
		_ = writer.Close()
		if message, err := DecodeReconfigure(frame.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v, want %q", text, message, err, want)
		}
	}
	if _, err := DecodeReconfigure([]byte{0x1f, 0x8b}); err == nil {
		t.Error("half a header is accepted")
	}
}

func FuzzDecodeReconfigure(f *testing.F) {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = writer.Write([]byte(`{"type":"reconfigure","config_table":{},"config_hash":""}`))
	_ = writer.Close()
	f.Add(compressed.Bytes())
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, data []byte) {
		if message, err := DecodeReconfigure(data); err == nil && message.Hash != "" && len(message.Hash) != hashLength {
			t.Fatalf("accepted the hash %q", message.Hash)
		}
	})
}

func FuzzDecodeBasicInfo(f *testing.F) {
	f.Add([]byte(rawBasicInfo))
	f.Add([]byte(`{"type":"basic_info","plugins":{},"labels":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := decodeBasicInfo(data); err == nil && info.Type != typeBasicInfo {
			t.Fatalf("accepted %+v", info)
		}
	})
}
