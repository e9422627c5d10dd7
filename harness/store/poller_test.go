// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a store whose objects are as its steps say, one step for each list.
type script struct {
	Store // what a test does not need is not there
	steps []map[string]string
	reads int
}

// The bodies of objects that cannot be read.
const (
	torn   = "torn"
	hidden = "hidden" // listed, and not there when it is read
)

var errUnreachable = errors.New("connection refused")

func (s *script) now() map[string]string { return s.steps[0] }

func (s *script) List(_ context.Context, _, prefix string) ([]Entry, error) {
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	if s.now() == nil {
		return nil, errUnreachable
	}
	var entries []Entry
	for key, body := range s.now() {
		if strings.HasPrefix(key, prefix) {
			entries = append(entries, Entry{Key: key, ETag: Digest([]byte(body))})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries, nil
}

func (s *script) ReadObject(_ context.Context, _, key string) (Object, error) {
	s.reads++
	body := s.now()[key]
	switch body {
	case torn:
		return Object{Body: []byte("to")}, errors.New("unexpected EOF")
	case hidden:
		return Object{}, fmt.Errorf("read: %w", ErrNotFound)
	}
	return Object{Body: []byte(body), ETag: Digest([]byte(body))}, nil
}

// watch lets a poller look as often as the script has steps.
func watch(t *testing.T, s *script) (saw []string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Duration(len(s.steps))*time.Second-time.Millisecond)
	defer stop()
	s.steps = append([]map[string]string{{}}, s.steps...) // the first list takes it away
	p := Poller{
		Store: s, Bucket: "backup", Prefix: "p", Suffix: "a", Interval: time.Second,
		Saw: func(s Sight) {
			switch {
			case errors.Is(s.Err, ErrNotFound):
				saw = append(saw, s.Key+" gone")
			case s.Err != nil:
				saw = append(saw, fmt.Sprintf("%s torn after %d", s.Key, len(s.Object.Body)))
			default:
				saw = append(saw, s.Key+" "+string(s.Object.Body))
			}
			if s.From.After(s.Until) {
				t.Errorf("seen from %s until %s", s.From, s.Until)
			}
		},
		Failed: func(err error) { saw = append(saw, err.Error()) },
	}
	p.Run(ctx)
	return saw
}

func TestPollerTellsChangesOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps []map[string]string
		want  string
		reads int
	}{
		"nothing":          {[]map[string]string{{}, {}}, "", 0},
		"one that stays":   {[]map[string]string{{"p/a": "1"}, {"p/a": "1"}, {"p/a": "1"}}, "p/a 1", 1},
		"one that changes": {[]map[string]string{{"p/a": "1"}, {"p/a": "2"}, {"p/a": "2"}, {"p/a": "1"}}, "p/a 1, p/a 2, p/a 1", 3},
		"elsewhere":        {[]map[string]string{{"q/a": "1", "p": "1"}}, "", 0},
		"gone, and back":   {[]map[string]string{{"p/a": "1"}, {}, {}, {"p/a": "1"}}, "p/a 1, p/a gone, p/a 1", 2},
		"torn, and mended": {[]map[string]string{{"p/a": "1"}, {"p/a": torn}, {"p/a": torn}, {"p/a": "2"}}, "p/a 1, p/a torn after 2, p/a 2", 4},
		"torn at first":    {[]map[string]string{{"p/a": torn}, {"p/a": torn}}, "p/a torn after 2", 2},
		"torn, then gone":  {[]map[string]string{{"p/a": torn}, {}, {}}, "p/a torn after 2, p/a gone", 1},
		"never there":      {[]map[string]string{{"p/a": hidden}, {}}, "", 1},
		"lost in between":  {[]map[string]string{{"p/a": "1"}, {"p/a": hidden}, {"p/a": hidden}}, "p/a 1, p/a gone", 3},
		"unreachable":      {[]map[string]string{{"p/a": "1"}, nil, nil, {"p/a": "1"}, nil}, "p/a 1, connection refused, connection refused", 1},
		"two":              {[]map[string]string{{"p/a": "1", "p/b/a": "1"}, {"p/a": "1", "p/b/a": "2"}}, "p/a 1, p/b/a 1, p/b/a 2", 3},
		"of no interest":   {[]map[string]string{{"p/b": "1"}, {}}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: c.steps}
				if got := strings.Join(watch(t, s), ", "); got != c.want || s.reads != c.reads {
					t.Errorf("saw %s in %d reads, want %s in %d", got, s.reads, c.want, c.reads)
				}
			})
		})
	}
}
