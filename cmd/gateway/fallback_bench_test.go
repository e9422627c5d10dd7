// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/router"
)

// largeRoutes are so many that their configuration has some 50 MB.
const largeRoutes = 100_000

// pit is a store that is as fast as can be: it takes every upload, keeps the last
// one of each key unless it forgets them, and tells when each began and ended. It
// checks nothing.
type pit struct {
	forgets bool
	mu      sync.Mutex
	objects map[string][]byte
	uploads []span
	began   time.Time // of the last download
}

type span struct{ from, to time.Time }

func (p *pit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	switch r.Method {
	case http.MethodPut:
		body, err := p.take(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.objects == nil {
			p.objects = map[string][]byte{}
		}
		p.objects[r.URL.Path] = body
		p.uploads = append(p.uploads, span{began, time.Now()})
		p.mu.Unlock()
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(began.UnixNano())))
	case http.MethodGet, http.MethodHead:
		p.mu.Lock()
		p.began = began
		body, ok := p.objects[r.URL.Path]
		p.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}
}

// take reads a body. A pit that forgets needs no memory for it.
func (p *pit) take(r *http.Request) ([]byte, error) {
	if p.forgets {
		_, err := io.Copy(givesWay{}, r.Body)
		return nil, err
	}
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	_, err := body.ReadFrom(r.Body)
	return body.Bytes(), err
}

// givesWay takes what is written, and lets whatever else the process does have its turn:
// the pit shares it with the load.
type givesWay struct{}

func (givesWay) Write(p []byte) (int, error) {
	runtime.Gosched()
	return len(p), nil
}

// serve serves the pit over HTTP and returns the environment of its clients.
func (p *pit) serve(b *testing.B) []string {
	b.Helper()
	server := httptest.NewServer(p)
	b.Cleanup(server.Close)
	return []string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_CONFIG_STORAGE_ENDPOINT=" + server.URL}
}

func (p *pit) lastUpload() (s span, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.uploads) == 0 {
		return span{}, 0
	}
	return p.uploads[len(p.uploads)-1], len(p.uploads)
}

// client opens the bucket "backup" of an environment.
func client(b *testing.B, environment []string) bucket.Bucket {
	b.Helper()
	opened, err := s3.Open(s3.Options{Bucket: "backup", Getenv: func(name string) string {
		for _, pair := range environment {
			if value, ok := bytes.CutPrefix([]byte(pair), []byte(name+"=")); ok {
				return string(value)
			}
		}
		return ""
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(opened.Close)
	return opened
}

// BenchmarkExport compares an export of a large configuration with encoding it once
// and putting those bytes, in turns: CPU time of the process, user and system, and
// the most memory that was in use beyond what was before. The store takes its part
// of both.
func BenchmarkExport(b *testing.B) {
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	table := entity.NewTable(records(b, backend.Listener.Addr(), largeRoutes))
	text, err := json.Marshal(table)
	if err != nil {
		b.Fatal(err)
	}
	opened := client(b, (&pit{}).serve(b))
	exporter := fallback.NewExporter(fallback.ExporterOptions{Bucket: opened, Key: "p/1/config.json", NodeID: "bench", Alone: true, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	exporter.Online(true)
	var cpu, memory, bareCPU, bareMemory []float64
	round := 0
	for b.Loop() {
		round++
		c, m := spent(b, func() {
			encoded, err := json.Marshal(table)
			if err == nil {
				_, err = opened.Put(b.Context(), "p/bare", bucket.BodyOf(encoded), bucket.PutOptions{})
			}
			if err != nil {
				b.Fatal(err)
			}
		})
		bareCPU, bareMemory = append(bareCPU, c), append(bareMemory, m)
		c, m = spent(b, func() {
			hash := fmt.Sprint(round)
			exporter.Offer(text, hash, exporter.Mark())
			for exporter.Status().ExportedHash != hash {
				<-time.After(time.Millisecond)
			}
		})
		cpu, memory = append(cpu, c), append(memory, m)
	}
	b.ReportMetric(float64(len(text))/1e6, "MB-file")
	b.ReportMetric(median(cpu), "cpu-s")
	b.ReportMetric(ratio(cpu, bareCPU), "cpu-vs-bare")
	b.ReportMetric(ratio(memory, bareMemory), "memory-vs-bare")
	b.ReportMetric(median(memory)/float64(len(text)), "memory/file")
	b.ReportMetric(0, "ns/op")
}

// ratio is the median of the rounds' ratios.
func ratio(values, to []float64) float64 {
	all := make([]float64, len(values))
	for i := range values {
		all[i] = values[i] / to[i]
	}
	return median(all)
}

// spent is the CPU time in seconds that do takes in this process, and the most
// bytes of heap beyond those before.
func spent(b *testing.B, do func()) (cpu, memory float64) {
	b.Helper()
	runtime.GC()
	before, most := heap(), uint64(0)
	var over atomic.Bool
	var watch sync.WaitGroup
	watch.Go(func() {
		for !over.Load() {
			most = max(most, heap())
			<-time.After(time.Millisecond)
		}
	})
	began := processTime(b)
	do()
	cpu = processTime(b) - began
	over.Store(true)
	watch.Wait()
	return cpu, float64(max(most, before) - before)
}

// heap is how many bytes objects take, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// processTime is the CPU time of this process so far, in seconds.
func processTime(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// BenchmarkImport is the time from the arrival of a new data plane's GET at the store
// to its first correct answer of the last route. In turns with it, the same bytes
// are got, decoded into nothing but maps, and a router is built of their routes
// (vs-bare).
func BenchmarkImport(b *testing.B) {
	gateway := build(b, "blackout/cmd/gateway")
	for _, routes := range []int{10, largeRoutes} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.URL.Path)
			}))
			defer backend.Close()
			store := &pit{}
			environment := store.serve(b)
			opened := client(b, environment)
			key := fallback.Key("p", conf.DefaultVersion)
			if _, err := opened.Put(b.Context(), key, bucket.BodyOf(manyRoutes(b, backend.Listener.Addr(), routes)), bucket.PutOptions{}); err != nil {
				b.Fatal(err)
			}
			var ours, bare []float64
			for b.Loop() {
				certificate, own := clustertest.Certificate(b)
				dp := dataPlane(b, gateway, b.TempDir(), free(b), identity{certificate, own})
				dp.command.Env = append(append(dp.command.Env, environment...), "KONG_CLUSTER_FALLBACK_CONFIG_IMPORT=on", "KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://backup/p")
				began := time.Now()
				took, _ := dp.until(b, fmt.Sprintf("/p%d/x", routes-1), "/gen/1")
				ours = append(ours, began.Add(took).Sub(store.began).Seconds())
				bare = append(bare, bareImport(b, opened, key, routes).Seconds())
			}
			b.ReportMetric(median(ours)*1000, "ms/get-to-200")
			b.ReportMetric(median(bare)*1000, "ms/bare")
			b.ReportMetric(ratio(ours, bare), "vs-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// bareImport is how long it takes to get an object, to decode it and to build a
// router of its routes, with no check at all.
func bareImport(b *testing.B, opened bucket.Bucket, key string, routes int) time.Duration {
	b.Helper()
	runtime.GC()
	began := time.Now()
	object, err := opened.Get(b.Context(), key, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	var whole map[string]any
	if err := jsonv2.Unmarshal(object.Body, &whole); err != nil {
		b.Fatal(err)
	}
	rows := whole["routes"].([]any)
	built := make([]router.Route, len(rows))
	for i, row := range rows {
		fields := row.(map[string]any)
		route := router.Route{ID: fields["id"].(string), Protocols: texts(fields["protocols"]), Paths: texts(fields["paths"])}
		built[i] = route
	}
	if _, err := router.New(built); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if len(rows) != routes {
		b.Fatalf("%d routes, want %d", len(rows), routes)
	}
	return took
}

func texts(value any) []string {
	var out []string
	for _, one := range value.([]any) {
		out = append(out, one.(string))
	}
	return out
}

// BenchmarkChangeToSnapshot is the time from the answer to a change on the Admin API
// until the snapshot in the store has it, with an export delay of 0. The store is
// the embedded S3 server, or the MinIO that BLACKOUT_MINIO names, a process of its
// own on loopback.
func BenchmarkChangeToSnapshot(b *testing.B) {
	gateway := build(b, "blackout/cmd/gateway")
	for name, start := range map[string]func(b *testing.B) []string{"s3server": startS3Server, "minio": startMinIO} {
		b.Run(name, func(b *testing.B) {
			environment := append(start(b), "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on", "KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://backup/p", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY=0")
			opened := client(b, environment)
			key := fallback.Key("p", conf.DefaultVersion)
			cp := startControlPlane(b, gateway, b.TempDir(), environment...)
			cp.put(b, "/services/backend", `{"host":"backend.example","path":"/gen/0"}`)
			cp.put(b, "/services/backend/routes/one", `{"paths":["/one"]}`)
			awaitSnapshot(b, opened, key, `"/one"`)
			var took []float64
			generation := 0
			for b.Loop() {
				generation++
				<-time.After(2 * updateFrequency)
				cp.put(b, "/services/backend", fmt.Sprintf(`{"host":"backend.example","path":"/gen/%d"}`, generation))
				began := time.Now()
				awaitSnapshot(b, opened, key, fmt.Sprintf(`"/gen/%d"`, generation))
				took = append(took, time.Since(began).Seconds())
			}
			slices.Sort(took)
			b.ReportMetric(median(took)*1000, "ms/median")
			b.ReportMetric(took[len(took)*99/100]*1000, "ms/p99")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// awaitSnapshot reads the snapshot until it holds a text.
func awaitSnapshot(b *testing.B, opened bucket.Bucket, key, want string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for {
		object, err := opened.Get(ctx, key, 1<<30)
		if err == nil && bytes.Contains(object.Body, []byte(want)) {
			return
		}
		if ctx.Err() != nil {
			b.Fatalf("the snapshot never had %s: %v", want, err)
		}
	}
}

// startS3Server runs the embedded S3 server with the bucket "backup".
func startS3Server(b *testing.B) []string {
	b.Helper()
	address := free(b)
	command := exec.CommandContext(b.Context(), build(b, "blackout/cmd/store"), "-listen", address, "-dir", b.TempDir())
	return startStore(b, command, address, "STORE_ROOT_USER", "STORE_ROOT_PASSWORD")
}

// startMinIO runs the MinIO that the environment names with the bucket "backup".
func startMinIO(b *testing.B) []string {
	b.Helper()
	binary := os.Getenv("BLACKOUT_MINIO")
	if binary == "" {
		b.Skip("NOT MEASURED: set BLACKOUT_MINIO to a MinIO server's path")
	}
	address := free(b)
	return startStore(b, exec.CommandContext(b.Context(), binary, "server", "--address", address, b.TempDir()), address, "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
}

func startStore(b *testing.B, command *exec.Cmd, address, user, password string) []string {
	b.Helper()
	command.Env = append(os.Environ(), user+"=root-user", password+"=root-password")
	startProgram(b, command)
	environment := []string{"AWS_ACCESS_KEY_ID=root-user", "AWS_SECRET_ACCESS_KEY=root-password", "AWS_CONFIG_STORAGE_ENDPOINT=http://" + address}
	administration := client(b, environment).(*s3.Bucket).Administration()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
		err := administration.Create(b.Context())
		if err == nil {
			return environment
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
}

// BenchmarkProxyDuringExport compares the 99th percentile of requests to a backup node
// while it uploads a large configuration with that of the seconds before, on the
// same node. A request counts from when it was due; they are due at an even rate.
// The configuration is applied when it comes, and uploaded when the export delay is
// over: what is compared is the upload, not the reload.
func BenchmarkProxyDuringExport(b *testing.B) {
	const delay = 8 * time.Second
	gateway := build(b, "blackout/cmd/gateway")
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.Path) }))
	defer backend.Close()
	store := &pit{forgets: true}
	cp, dp := startPair(b, gateway, records(b, backend.Listener.Addr(), largeRoutes), append(store.serve(b),
		"KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on", "KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://backup/p",
		fmt.Sprintf("KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY=%d", int(delay.Seconds())), "KONG_BLACKOUT_FALLBACK_ELECTION=off")...)
	last := fmt.Sprintf("/p%d/x", largeRoutes-1)
	wait(b, dp.address, last, "/gen/1")
	var quiet, during []float64
	var ratios []float64
	generation := 1
	for b.Loop() {
		_, uploads := store.awaitUpload(b, 0)
		generation++
		cp.change(b, http.MethodPatch, "/services/backend", fmt.Sprintf(`{"path":"/gen/%d"}`, generation))
		wait(b, dp.address, last, fmt.Sprintf("/gen/%d", generation))
		settled := time.Now().Add(time.Second)
		load := startLoad(b, "http://"+dp.address+last)
		upload, _ := store.awaitUpload(b, uploads+1)
		samples := load.end()
		// What is hashed and signed before the request leaves belongs to the upload.
		begins := upload.from.Add(-time.Second)
		before, while := between(samples, settled, begins), between(samples, begins, upload.to)
		if len(before) < 100 || len(while) < 100 {
			b.Fatalf("%d requests before the upload and %d during it are too few", len(before), len(while))
		}
		quiet, during = append(quiet, percentile99(before)), append(during, percentile99(while))
		ratios = append(ratios, during[len(during)-1]/quiet[len(quiet)-1])
	}
	b.ReportMetric(median(quiet)*1000, "ms/p99-quiet")
	b.ReportMetric(median(during)*1000, "ms/p99-export")
	b.ReportMetric(median(ratios), "vs-quiet")
	b.ReportMetric(0, "ns/op")
}

// awaitUpload waits for the upload of that number, or for any.
func (p *pit) awaitUpload(b *testing.B, number int) (span, int) {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if last, count := p.lastUpload(); count >= max(number, 1) {
			return last, count
		}
	}
	b.Fatal("nothing is exported")
	return span{}, 0
}

// sample is a request: when it was due, and how long after that it was answered.
type sample struct {
	due  time.Time
	took time.Duration
}

// load sends requests at an even rate until it is ended.
type load struct {
	stop    context.CancelFunc
	all     sync.WaitGroup
	mu      sync.Mutex
	samples []sample
}

func startLoad(b *testing.B, address string) *load {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	l := &load{stop: stop}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	const every = 5 * time.Millisecond
	l.all.Go(func() {
		defer client.CloseIdleConnections()
		for due := time.Now(); ctx.Err() == nil; due = due.Add(every) {
			if wait := time.Until(due); wait > 0 {
				<-time.After(wait)
			}
			l.all.Go(func() { l.request(client, address, due) })
		}
	})
	return l
}

func (l *load) request(client *http.Client, address string, due time.Time) {
	took := time.Hour // what fails is slower than anything
	if response, err := client.Get(address); err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err == nil && response.StatusCode == http.StatusOK {
			took = time.Since(due)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples = append(l.samples, sample{due, took})
}

func (l *load) end() []sample {
	l.stop()
	l.all.Wait()
	return l.samples
}

// between are the seconds that the requests took that were due in a time.
func between(samples []sample, from, to time.Time) []float64 {
	var out []float64
	for _, s := range samples {
		if !s.due.Before(from) && s.due.Before(to) {
			out = append(out, s.took.Seconds())
		}
	}
	return out
}

func percentile99(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)*99/100]
}
