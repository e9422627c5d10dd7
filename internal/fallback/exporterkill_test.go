// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
)

// The environment of an exporting process: the store, the newest generation that
// its control plane has, and the size of a table.
const (
	endpointVariable   = "BLACKOUT_TEST_EXPORT_ENDPOINT"
	generationVariable = "BLACKOUT_TEST_EXPORT_GENERATION"
	sizeVariable       = "BLACKOUT_TEST_EXPORT_SIZE"
)

// TestExportingProcess is no test: it is the process that is killed. It prints a
// generation, as a control plane saves it, before it offers it.
func TestExportingProcess(t *testing.T) {
	endpoint := os.Getenv(endpointVariable)
	if endpoint == "" {
		t.Skip("run by TestKilledExporter")
	}
	generation, errGeneration := strconv.Atoi(os.Getenv(generationVariable))
	size, errSize := strconv.Atoi(os.Getenv(sizeVariable))
	store, err := openExportBucket(endpoint)
	if err := errors.Join(err, errGeneration, errSize); err != nil {
		t.Fatal(err)
	}
	exporter := newExporter(store, fallback.ExporterOptions{Lease: time.Second, RetryMin: 10 * time.Millisecond})
	exporter.Online(true)
	tick := time.NewTicker(2 * time.Millisecond)
	go func() {
		for ; ; generation++ {
			fmt.Println("generation", generation)
			exporter.Offer(generationTable(generation, size), strconv.Itoa(generation), exporter.Mark())
			<-tick.C
		}
	}()
	t.Error(exporter.Run(context.Background())) // until it is killed
}

// moment is when a process is killed, as its store sees it.
type moment struct {
	request int     // the how manieth after the newest change was exported, or after the start
	early   bool    // after the start
	phase   string  // "before" the request has an effect, "during" its body, "after" its effect
	part    float64 // of the body that arrived, "during"
}

func drawMoment(rng *rand.Rand) moment {
	return moment{
		request: rng.IntN(12), early: rng.IntN(3) == 0,
		phase: []string{"before", "during", "after"}[rng.IntN(3)], part: rng.Float64(),
	}
}

// executioner is a store that kills its client at a moment.
type executioner struct {
	next http.Handler

	mu     sync.Mutex
	victim *exec.Cmd
	dead   chan struct{}
	at     moment
	armed  bool
	await  int // generation after whose export the requests are counted
	seen   int
	newest int // generation that was offered
}

// arm gives the store its next client.
func (e *executioner) arm(victim *exec.Cmd, dead chan struct{}, at moment, await int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.victim, e.dead, e.at, e.armed, e.await, e.seen = victim, dead, at, at.early, await, 0
}

// due says whether a request is the one at which the client dies.
func (e *executioner) due(r *http.Request) (at moment, kill func(), due bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ownLook := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "config.json"); ownLook || e.victim == nil || !e.armed {
		return moment{}, nil, false
	}
	e.seen++
	victim, dead := e.victim, e.dead
	if e.seen <= e.at.request {
		return moment{}, nil, false
	}
	e.victim = nil
	return e.at, func() { _ = victim.Process.Kill(); <-dead }, true
}

// exported takes note of an upload that took effect.
func (e *executioner) exported(r *http.Request, status int) {
	if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "config.json") || status != http.StatusOK {
		return
	}
	generation, err := strconv.Atoi(r.Header.Get("X-Amz-Meta-Blackout-Hash"))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.armed = e.armed || err == nil && generation >= e.await
}

func (e *executioner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, kill, due := e.due(r)
	if !due {
		kill = func() {}
	}
	switch at.phase {
	case "before":
		kill()
		return
	case "during":
		r.Body = &guillotine{ReadCloser: r.Body, left: int(at.part * float64(r.ContentLength)), fall: sync.OnceFunc(kill)}
	}
	answer := httptest.NewRecorder()
	r.Header.Del("Expect") // the recorder would take the store's interim answer for its last
	e.next.ServeHTTP(answer, r)
	kill() // of a request without a body, or too late for it
	e.exported(r, answer.Code)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = io.Copy(w, bytes.NewReader(answer.Body.Bytes())) // who asked may be dead
}

// guillotine is a body whose sender dies in the middle of it.
type guillotine struct {
	io.ReadCloser
	left int
	fall func()
}

func (g *guillotine) Read(p []byte) (int, error) {
	if g.left <= 0 {
		g.fall()
		return g.ReadCloser.Read(p)
	}
	n, err := g.ReadCloser.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// TestKilledExporter kills an exporting process with SIGKILL at seeded instants:
// before, in the middle of and after requests. The snapshot is always a complete
// one, never an older one than before, and the next process exports the newest
// change.
func TestKilledExporter(t *testing.T) {
	t.Parallel()
	kills := 200
	if raceDetector {
		kills = 40
	}
	for name, store := range exportStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gallows := &executioner{next: store(t)}
			endpoint := serveStore(t, gallows)
			makeBucket(t, endpoint)
			look, err := openExportBucket(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer look.Close()
			phases, found := map[string]int{}, 0
			for seed := range uint64(kills) {
				at := drawMoment(rand.New(rand.NewPCG(seed, 5)))
				phases[at.phase]++
				before := gallows.newest
				gallows.execute(t, endpoint, at, 1<<(10+seed%11))
				generation := found
				object, err := look.Get(t.Context(), exportKey, fallback.DefaultMaxBytes)
				if err == nil {
					generation, err = readGeneration(object)
				}
				if errors.Is(err, bucket.ErrNotFound) && found == 0 {
					continue
				}
				switch {
				case err != nil:
					t.Fatalf("seed %d, killed at %+v: %v", seed, at, err)
				case generation < found || generation > gallows.newest:
					t.Errorf("seed %d, killed at %+v: generation %d is in the store after %d; the newest is %d", seed, at, generation, found, gallows.newest)
				case !at.early && generation < before:
					t.Errorf("seed %d, killed at %+v: generation %d is in the store; the process before had %d", seed, at, generation, before)
				}
				found = generation
			}
			t.Logf("killed %d processes: %v; generation %d of %d is in the store", kills, phases, found, gallows.newest)
		})
	}
}

// execute runs an exporting process until it is dead.
func (e *executioner) execute(t *testing.T, endpoint string, at moment, size int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestExportingProcess$")
	process.Env = append(os.Environ(), endpointVariable+"="+endpoint, generationVariable+"="+strconv.Itoa(e.newest+1), sizeVariable+"="+strconv.Itoa(size))
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	dead := make(chan struct{})
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	e.arm(process, dead, at, e.newest+1) // long before its first request
	var rest []string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if generation, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "generation ")); err == nil {
			e.newest = generation
		} else {
			rest = append(rest, lines.Text())
		}
	}
	err = process.Wait()
	close(dead)
	if state := process.ProcessState; ctx.Err() != nil || state.Exited() {
		t.Fatalf("the process ended by itself, or was not killed in time: %v %v", err, rest)
	}
}
