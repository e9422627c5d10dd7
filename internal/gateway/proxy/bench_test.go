// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// loadRole is set in the environment of the process that stands for clients and
// upstream in the benchmark, so that their CPU time is not the proxy's.
const loadRole = "BLACKOUT_PROXY_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(loadRole) != "" {
		os.Exit(load())
	}
	goleak.VerifyTestMain(m)
}

const (
	benchRoutes      = 10_000
	benchConnections = 32
	benchRequests    = 6_400 // of one round
	benchWarmUps     = 2
)

// BenchmarkProxiedRequest measures the CPU time of a proxied request with a 1 KiB
// body among 10 000 routes, user and system, and that of a tuned
// httputil.ReverseProxy with one static target. Rounds alternate; "vs-static" is
// the median of the rounds' ratios. Clients and upstream are another process. Where
// nginx is installed, one with the same static target runs beside them, for scale.
func BenchmarkProxiedRequest(b *testing.B) {
	driver := startLoad(b)
	gateway := driver.gateway(b)
	static := driver.static(b)
	for range benchWarmUps {
		driver.run(b, gateway, benchRoutes)
		driver.run(b, static, benchRoutes)
	}
	scale := startNginx(b, driver.upstream)
	var nginxTime time.Duration
	rounds := 0
	var ours, theirs, ratios []float64
	for b.Loop() {
		one, other := driver.run(b, gateway, benchRoutes), driver.run(b, static, benchRoutes)
		ours, theirs, ratios = append(ours, one), append(theirs, other), append(ratios, one/other)
		if scale != nil {
			before := scale.cpuTime(b)
			driver.run(b, scale.address, benchRoutes)
			nginxTime, rounds = nginxTime+scale.cpuTime(b)-before, rounds+1
		}
	}
	if scale != nil { // whose clock ticks every 10 ms: of all rounds together
		b.ReportMetric(float64(nginxTime.Microseconds())/float64(rounds*benchRequests), "nginx-cpu-µs/req")
	}
	b.ReportMetric(median(ours), "cpu-µs/req")
	b.ReportMetric(median(theirs), "static-cpu-µs/req")
	b.ReportMetric(median(ratios), "vs-static")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// driver speaks to the process with clients and upstream.
type driver struct {
	commands io.Writer
	answers  *bufio.Reader
	upstream string // host:port
}

func startLoad(b *testing.B) *driver {
	b.Helper()
	command := exec.Command(os.Args[0]) // #nosec G204 -- this test's own binary
	command.Env = append(os.Environ(), loadRole+"=1", "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	commands, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = commands.Close(); _ = command.Wait() })
	d := &driver{commands: commands, answers: bufio.NewReader(answers)}
	d.upstream = d.answer(b)
	return d
}

func (d *driver) answer(b *testing.B) string {
	b.Helper()
	line, err := d.answers.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// gateway serves 10 000 routes of one service.
func (d *driver) gateway(b *testing.B) string {
	b.Helper()
	host, port, _ := net.SplitHostPort(d.upstream)
	var routes strings.Builder
	for i := range benchRoutes {
		if i > 0 {
			routes.WriteByte(',')
		}
		fmt.Fprintf(&routes, `{"id":"%08x-0000-4000-8000-00000000000b","service":"%s","paths":["/p%d/x"]}`, i, serviceID, i)
	}
	table := fmt.Sprintf(`{"_format_version":"3.0","services":[{"id":"%s","host":"%s","port":%s}],"routes":[%s]}`, serviceID, host, port, &routes)
	_, server := serve(b, table)
	return server.Listener.Addr().String()
}

// static serves one target by a reverse proxy with the same tuning.
func (d *driver) static(b *testing.B) string {
	b.Helper()
	target := &url.URL{Scheme: "http", Host: d.upstream}
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute, DisableCompression: true}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  transport,
		BufferPool: buffers, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	})
	b.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	return server.Listener.Addr().String()
}

// run sends a round of requests and returns this process's CPU time for one, in
// microseconds.
func (d *driver) run(b *testing.B, address string, routes int) float64 {
	b.Helper()
	before := cpuTime(b)
	if _, err := fmt.Fprintf(d.commands, "%s %d %d\n", address, routes, benchRequests); err != nil {
		b.Fatal(err)
	}
	if answer := d.answer(b); answer != "ok" {
		b.Fatal(answer)
	}
	return float64((cpuTime(b) - before).Microseconds()) / benchRequests
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// load is the other process: an upstream, and clients that send as told.
func load() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go answerAll(listener)
	fmt.Println(listener.Addr())
	connections := map[string][]*bufio.ReadWriter{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var address string
		var routes, requests int
		if _, err := fmt.Sscan(lines.Text(), &address, &routes, &requests); err != nil {
			fmt.Println(err)
			return 1
		}
		if connections[address] == nil {
			connections[address] = dialAll(address)
		}
		fmt.Println(sendAll(connections[address], routes, requests))
	}
	return 0
}

func dialAll(address string) []*bufio.ReadWriter {
	var all []*bufio.ReadWriter
	for range benchConnections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return nil
		}
		all = append(all, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)))
	}
	return all
}

func sendAll(connections []*bufio.ReadWriter, routes, requests int) string {
	var clients sync.WaitGroup
	results := make(chan string, len(connections))
	for c, conn := range connections {
		clients.Go(func() {
			for i := range requests / len(connections) {
				path := (i*len(connections) + c) * 7919 % routes
				if err := sendOne(conn, path); err != nil {
					results <- err.Error()
					return
				}
			}
		})
	}
	clients.Wait()
	close(results)
	for failure := range results {
		return failure
	}
	return "ok"
}

func sendOne(conn *bufio.ReadWriter, path int) error {
	_, _ = fmt.Fprintf(conn, "GET /p%d/x HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n", path)
	if err := conn.Flush(); err != nil {
		return err
	}
	length := 0
	for {
		line, err := conn.ReadSlice('\n')
		if err != nil {
			return err
		}
		if rest, found := strings.CutPrefix(string(line), "HTTP/1.1 "); found && !strings.HasPrefix(rest, "200") {
			return fmt.Errorf("answered %s", strings.TrimSpace(rest))
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err := conn.Discard(length)
			return err
		}
	}
}

// answerAll answers every request with 1 KiB.
func answerAll(listener net.Listener) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			reader := bufio.NewReader(conn)
			for {
				line, err := reader.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) > 2 {
					continue
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}
