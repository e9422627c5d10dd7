// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
)

// errTooLarge says that a recording is not followed further.
var errTooLarge = errors.New("the recording has grown too large to be read again and again; the report comes when the run has ended")

// want asks for a page that is up to date.
func (s *Server) want() {
	select {
	case s.wanted <- struct{}{}:
	default: // it is asked for already
	}
}

// follow makes pages while somebody wants them, until the context ends.
func (s *Server) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		}
		began := time.Now()
		s.renew()
		if !rest(ctx, max(s.options.Pause, share*time.Since(began))) {
			return
		}
		if s.followed() {
			s.want()
		}
	}
}

// rest waits, and says whether it was to the end.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// renew makes a page of the recording so far. Without one, readers keep the last and
// are told why.
func (s *Server) renew() {
	s.mu.Lock()
	from, last := s.source, s.state
	s.mu.Unlock()
	if from.dir == "" {
		return
	}
	page, err := s.page(from)
	if err != nil {
		last.Note = noteOf(err)
		s.publish(last)
		return
	}
	s.publish(state{page: page})
}

// page is the page of what a source holds so far. What the run is judged by must not
// end the run: a panic is an error.
func (s *Server) page(from source) (page []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it could not be made: %v", p)
		}
	}()
	size, err := sizeOf(from.dir)
	if err != nil {
		return nil, err
	}
	if size > s.options.MaxSize {
		return nil, errTooLarge
	}
	rec, err := history.Load(from.dir)
	if err != nil {
		return nil, err
	}
	endEarly(rec)
	in := reports.Input{Recording: rec, Exercises: rec.Header.Exercises, Environment: from.environment, SLO: s.options.SLO}
	if in.Result, err = oracle.Judge(rec, nil); err != nil {
		return nil, err
	}
	return reports.SoFar(in)
}

// sizeOf is how many bytes the files of a directory have.
func sizeOf(dir string) (int64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("look at the recording: %w", err)
	}
	size := int64(0)
	for _, f := range files {
		info, err := os.Stat(filepath.Join(dir, f.Name()))
		if err != nil {
			return 0, fmt.Errorf("look at the recording: %w", err)
		}
		size += info.Size()
	}
	return size, nil
}

// settled is how long after a moment everything that happened then is recorded, beside
// answers that are still awaited: requests are on disk after a quarter of a second,
// and what is timed by another clock is written when it is read.
const settled = 2500 * time.Millisecond

// endEarly makes of a recording that is being written that of a run which was ended when
// all that is settled by now had happened. Oracles take nothing from one without an
// end, and what is not recorded yet would look like what was not done.
func endEarly(rec *history.Recording) {
	rec.Damage = ""
	if slices.ContainsFunc(rec.Events, func(e history.Event) bool { return e.Kind == history.RunEnd }) {
		return
	}
	end := newest(rec) - history.Time(settled+patience(rec.Header))
	rec.Events = slices.DeleteFunc(rec.Events, func(e history.Event) bool { return e.At > end })
	rec.Requests = slices.DeleteFunc(rec.Requests, func(q history.Request) bool { return q.Intended > end })
	if end > 0 {
		rec.Events = append(rec.Events, history.Event{At: end, Kind: history.RunEnd, Events: len(rec.Events), Requests: len(rec.Requests)})
	}
}

// newest is when the last thing recorded happened.
func newest(rec *history.Recording) history.Time {
	last := history.Time(0)
	for _, e := range rec.Events {
		last = max(last, e.At)
	}
	for _, q := range rec.Requests {
		last = max(last, q.Done)
	}
	return last
}

// patience is how long any answer may be awaited.
func patience(h history.Header) time.Duration {
	longest := time.Duration(0)
	for _, s := range h.Streams {
		longest = max(longest, s.Timeout)
	}
	return longest
}
