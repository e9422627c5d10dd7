// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/hybrid"
)

// updateFrequency is the control plane's db_update_frequency.
const updateFrequency = 50 * time.Millisecond

const (
	fleetSize   = 1000 // data planes
	fleetRoutes = 200  // routes of the configuration that they follow
)

// BenchmarkFanOut is the time from the answer to a change on the Admin API until
// the last of a thousand data planes has the new configuration. The control plane
// is a process of its own; the data planes are connections of this one that read
// frames whole, look into the first of each kind, and ping, so that what is measured is
// the control plane, beside the clients' share of TLS on the same cores.
func BenchmarkFanOut(b *testing.B) {
	cp := startControlPlane(b, build(b, "blackout/cmd/gateway"), b.TempDir())
	cp.put(b, "/services/backend", `{"host":"backend.example","path":"/gen/0"}`)
	for i := range fleetRoutes {
		cp.put(b, fmt.Sprintf("/services/backend/routes/route-%d", i), fmt.Sprintf(`{"paths":["/p%d/x"]}`, i))
	}
	f := attach(b, cp, fleetSize)
	defer f.close()
	f.await(b, 0)
	var reached, memory []float64
	generation := 0
	for b.Loop() {
		generation++
		<-time.After(2 * updateFrequency)
		cp.put(b, "/services/backend", fmt.Sprintf(`{"host":"backend.example","path":"/gen/%d"}`, generation))
		began := time.Now()
		f.await(b, generation)
		reached = append(reached, time.Since(began).Seconds())
		memory = append(memory, resident(b, cp.command.Process.Pid))
	}
	b.ReportMetric(median(reached), "s/all-reached")
	b.ReportMetric(slices.Max(reached), "s/slowest")
	b.ReportMetric(slices.Max(memory), "MiB-RSS")
	b.ReportMetric(fleetSize, "dataplanes")
	b.ReportMetric(0, "ns/op")
}

// plane is a running node of the benchmark's.
type plane struct {
	command *exec.Cmd
	admin   string // "host:port"
	cluster string
	identity
}

// identity is the certificate that the cluster shares, with its key, both PEM.
type identity struct{ certificate, key []byte }

// startControlPlane starts one that publishes twenty times a second at most, with
// more in its environment.
func startControlPlane(b *testing.B, gateway, prefix string, environment ...string) plane {
	b.Helper()
	cp := plane{admin: free(b), cluster: free(b)}
	cp.certificate, cp.key = clustertest.Certificate(b)
	cp.command = exec.CommandContext(b.Context(), gateway)
	cp.command.Env = []string{"KONG_ROLE=control_plane", "KONG_DATABASE=sqlite", "KONG_PREFIX=" + prefix, "KONG_LOG_LEVEL=error",
		"KONG_ADMIN_LISTEN=" + cp.admin, "KONG_CLUSTER_LISTEN=" + cp.cluster, "KONG_STATUS_LISTEN=127.0.0.1:0", fmt.Sprintf("KONG_DB_UPDATE_FREQUENCY=%g", updateFrequency.Seconds()),
		"KONG_CLUSTER_MAX_PAYLOAD=134217728", "KONG_CLUSTER_CERT=" + string(cp.certificate), "KONG_CLUSTER_CERT_KEY=" + string(cp.key)}
	cp.command.Env = append(cp.command.Env, environment...)
	startProgram(b, cp.command)
	wait(b, cp.admin, "/", "")
	return cp
}

// startProgram runs a program until the benchmark's end.
func startProgram(b *testing.B, command *exec.Cmd) {
	b.Helper()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // how it ends is the tests' business
		if b.Failed() {
			b.Logf("%s said: %.2000s", command.Path, output.String())
		}
	})
}

// put makes or replaces an entity.
func (p plane) put(b *testing.B, path, body string) {
	b.Helper()
	p.change(b, http.MethodPut, path, body)
}

// change asks the Admin API for one.
func (p plane) change(b *testing.B, method, path, body string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, "http://"+p.admin+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	said, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, said, err)
	}
}

// fleet is many simulated data planes.
type fleet struct {
	conns   []*websocket.Conn
	readers sync.WaitGroup

	mu     sync.Mutex
	known  map[[sha256.Size]byte]int // the generation in a frame that was looked into
	has    []int                     // by data plane, the generation that it has
	failed error
	news   chan struct{}
}

// attach connects so many data planes, of which 16 shake hands at a time.
func attach(b *testing.B, cp plane, size int) *fleet {
	b.Helper()
	pair, err := tls.X509KeyPair(cp.certificate, cp.key)
	if err != nil {
		b.Fatal(err)
	}
	f := &fleet{conns: make([]*websocket.Conn, size), known: map[[sha256.Size]byte]int{}, has: make([]int, size), news: make(chan struct{}, 1)}
	dialer := websocket.Dialer{HandshakeTimeout: time.Minute, TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, // #nosec G402 -- its own control plane, on loopback
	}}
	var dialling errgroup.Group
	dialling.SetLimit(16)
	for i := range f.conns {
		dialling.Go(func() error {
			address := fmt.Sprintf("wss://%s%s?node_id=%s&node_hostname=dp-%d&node_version=%s", cp.cluster, hybrid.Path, uuid.NewString(), i, conf.DefaultVersion)
			conn, response, err := dialer.DialContext(b.Context(), address, nil)
			if err != nil {
				return fmt.Errorf("data plane %d: %w", i, err)
			}
			_ = response.Body.Close()
			f.conns[i] = conn
			return introduce(conn)
		})
	}
	if err := dialling.Wait(); err != nil {
		b.Fatal(err)
	}
	for i, conn := range f.conns {
		f.readers.Go(func() { f.read(i, conn) })
	}
	return f
}

// introduce sends what a data plane's first two frames are.
func introduce(conn *websocket.Conn) error {
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"basic_info","plugins":[],"process_conf":{},"filters":{},"labels":{}}`)); err != nil {
		return err
	}
	return conn.WriteControl(websocket.PingMessage, bytes.Repeat([]byte("0"), 32), time.Now().Add(time.Minute))
}

// read takes frames until the connection ends.
func (f *fleet) read(i int, conn *websocket.Conn) {
	for {
		_, frame, err := conn.ReadMessage()
		if f.take(i, frame, err) != nil {
			return
		}
		// A real data plane tells that it has it.
		_ = conn.WriteControl(websocket.PingMessage, bytes.Repeat([]byte("1"), 32), time.Now().Add(time.Minute))
	}
}

func (f *fleet) take(i int, frame []byte, err error) error {
	sum := sha256.Sum256(frame)
	f.mu.Lock()
	defer f.mu.Unlock()
	generation, known := f.known[sum]
	if err == nil && !known {
		generation, err = generationOf(frame)
		f.known[sum] = generation
	}
	if err == nil {
		f.has[i] = generation
	} else if f.failed == nil {
		f.failed = fmt.Errorf("data plane %d: %w", i, err)
	}
	select {
	case f.news <- struct{}{}:
	default:
	}
	return err
}

// generationOf is the n of the frame's only path that is /gen/<n>.
func generationOf(frame []byte) (int, error) {
	message, err := hybrid.DecodeReconfigure(frame)
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(message.Table, []byte(`"/gen/`))
	digits, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return 0, errors.New("the configuration has no generation")
	}
	return strconv.Atoi(string(digits))
}

// await waits until all data planes have a generation.
func (f *fleet) await(b *testing.B, generation int) {
	b.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		without, err := f.without(generation)
		if err != nil {
			b.Fatal(err)
		}
		if without == 0 {
			return
		}
		select {
		case <-f.news:
		case <-late.C:
			b.Fatalf("after a minute %d data planes have not got generation %d", without, generation)
		}
	}
}

// without counts those that have not got a generation.
func (f *fleet) without(generation int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for _, has := range f.has {
		if has != generation {
			count++
		}
	}
	return count, f.failed
}

// close ends the data planes.
func (f *fleet) close() {
	for _, conn := range f.conns {
		_ = conn.Close() // nothing is lost
	}
	f.readers.Wait()
}
