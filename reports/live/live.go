// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package live shows the report of a run while the run goes on, to browsers of the
// same machine. Its central type is [Server].
//
//	listener, err := live.Listen(":8080")             // loopback, and nothing else
//	server := live.Serve(listener, live.Options{SLO: doc})
//	fmt.Println("live:", server.URL())
//	...
//	server.Watch(recordingDir, environment)           // when the recording is open
//	...
//	err = server.End(ctx, reportDir)                  // when the report is written
//
// The page is the one that report.html becomes, made of the recording so far, as it
// lies on disk; in it nothing is final (see [reports.SoFar]). A reader's browser is told
// by server-sent events that there is a newer one and swaps it in.
//
// Looking must not disturb what is measured: the page is made anew only while somebody
// looks, and making it takes no more than a twentieth of the time. A recording that
// has grown too large for that is not followed further.
package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"blackout/harness/history"
	"blackout/reports"
	"blackout/reports/slo"
)

// How the page is made, unless options say otherwise.
const (
	shortest   = 1500 * time.Millisecond // from one page to the next
	share      = 20                      // of the time, one part of so many
	maxSize    = 64 << 20                // bytes of a recording
	farewell   = 3 * time.Second         // for readers to fetch the last page
	shutdown   = 2 * time.Second         // for answers on their way
	writeLimit = 5 * time.Second         // for one event to a reader
)

// Options say what is shown, and how.
type Options struct {
	SLO     *slo.Document // whose objectives are judged; nil: none is
	Pause   time.Duration // the shortest from one page to the next; 0: 1.5 s
	MaxSize int64         // of a recording, in bytes, to be followed; 0: 64 MiB
}

// Server serves one run. Its methods are safe for concurrent use.
type Server struct {
	options Options
	http    *http.Server
	address string
	hosts   []string // that a request may name
	worker  sync.WaitGroup
	cancel  context.CancelFunc
	served  error // of the HTTP server, once worker is done
	wanted  chan struct{}

	mu      sync.Mutex
	source  source
	state   state
	changed chan struct{} // closed when the state is another
	readers int
	idle    chan struct{} // closed while there is no reader
}

// source is what pages are made of.
type source struct {
	dir         string // of the recording; empty: there is none yet
	environment reports.Environment
}

// state is what readers see.
type state struct {
	Version int    `json:"version"`
	Final   bool   `json:"final"`
	Note    string `json:"note"` // why there is no newer page, if there should be
	page    []byte
}

// Serve begins to serve on a listener, which it owns from here on. End must be called.
func Serve(listener net.Listener, o Options) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := prepare(o)
	s.cancel, s.address, s.hosts = cancel, listener.Addr().String(), hostsOf(listener.Addr())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: writeLimit, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.worker.Go(func() { s.follow(ctx) })
	s.worker.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.served = err
		}
	})
	return s
}

// prepare makes what there is before the server serves.
func prepare(o Options) *Server {
	if o.Pause == 0 {
		o.Pause = shortest
	}
	if o.MaxSize == 0 {
		o.MaxSize = maxSize
	}
	s := &Server{options: o, wanted: make(chan struct{}, 1), changed: make(chan struct{}), idle: make(chan struct{})}
	close(s.idle)
	s.state.page, s.state.Note = s.first()
	return s
}

// first is the page before anything was recorded.
func (s *Server) first() (page []byte, note string) {
	page, err := reports.SoFar(reports.Input{Recording: &history.Recording{}, SLO: s.options.SLO})
	if err != nil {
		return nil, noteOf(err)
	}
	return page, ""
}

// URL is the address of the page.
func (s *Server) URL() string { return "http://" + s.address + "/" }

// Watch names the directory of the recording, which is open, and where the run takes
// place.
func (s *Server) Watch(dir string, environment reports.Environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = source{dir, environment}
}

// End shows the report in a run's directory as the last page, gives readers a moment to
// fetch it, and ends the server. A run that did not begin has no directory, an empty
// one, and one that could not be judged no report. The context bounds all of it, beside
// limits of its own.
func (s *Server) End(ctx context.Context, dir string) error {
	page, err := lastPage(dir)
	if page != nil {
		s.publish(state{page: page, Final: true})
		s.dismiss(ctx)
	}
	s.cancel() // ends the events, which Shutdown would wait for
	ctx, done := context.WithTimeout(ctx, shutdown)
	defer done()
	if closing := s.http.Shutdown(ctx); closing != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.worker.Wait()
	if err = errors.Join(err, s.served); err != nil {
		return fmt.Errorf("end the live page: %w", err)
	}
	return nil
}

// lastPage is the report in a run's directory, or nil.
func lastPage(dir string) ([]byte, error) {
	if dir == "" {
		return nil, nil
	}
	page, err := os.ReadFile(filepath.Join(dir, reports.HTMLFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return page, err
}

// dismiss waits until readers have left with the last page.
func (s *Server) dismiss(ctx context.Context) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	limit := time.NewTimer(farewell)
	defer limit.Stop()
	select {
	case <-idle:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// publish makes a state the one that readers see, under a new version if its page is
// another one. After the last page there is none.
func (s *Server) publish(next state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.state
	if last.Final || last.Note == next.Note && !next.Final && string(last.page) == string(next.page) {
		return
	}
	next.Version = last.Version
	if string(last.page) != string(next.page) {
		next.Version++
	}
	s.state = next
	close(s.changed)
	s.changed = make(chan struct{})
}

// now is the state, and what is closed when it is another.
func (s *Server) now() (state, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.changed
}

// join counts a reader who follows the page; the function it returns ends that.
func (s *Server) join() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers++; s.readers == 1 {
		s.idle = make(chan struct{})
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.readers--; s.readers == 0 {
			close(s.idle)
		}
	}
}

// followed says whether somebody follows the page.
func (s *Server) followed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers > 0
}

// noteOf is an error for readers, in one line.
func noteOf(err error) string {
	return "There is no newer page: " + reports.Plain(strings.TrimSpace(err.Error())) + "."
}
