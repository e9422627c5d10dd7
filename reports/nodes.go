// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// The roles of nodes that this package treats in their own way, as
// history.Node names them.
const (
	roleDataPlane    = "data_plane"
	roleControlPlane = "control_plane"
)

// nodes returns what was seen of each node over time, in the order of the
// header; nodes of which nothing was seen are left out.
func (r recorded) nodes() []NodeHistory {
	rows := []NodeHistory{}
	for _, n := range r.header.Nodes {
		h := NodeHistory{Node: n.Name, Role: n.Role, Starts: []history.Time{}, Exits: []history.Time{}}
		h.Ready = r.spans(n.Name, history.ReadyChange)
		h.Serves = r.spans(n.Name, history.ServeChange)
		for _, e := range r.of(history.NodeStart, history.NodeExit) {
			switch {
			case e.Node != n.Name:
			case e.Kind == history.NodeStart:
				h.Starts = append(h.Starts, e.At)
			default:
				h.Exits = append(h.Exits, e.At)
			}
		}
		if len(h.Ready)+len(h.Serves)+len(h.Starts)+len(h.Exits) > 0 {
			rows = append(rows, h)
		}
	}
	return rows
}

// spans turns a node's changes of one kind into spans; the last one lasts
// until the node is no longer watched.
func (r recorded) spans(node string, kind history.Kind) []Span {
	spans := []Span{}
	watched := false
	for _, e := range r.of(kind, history.WatchEnd) {
		if e.Node != node {
			continue
		}
		if watched {
			spans[len(spans)-1].To = e.At
		}
		watched = e.Kind == kind
		if watched {
			spans = append(spans, Span{From: e.At, To: r.end, Code: e.Code, Generation: e.Generation})
		}
	}
	return spans
}

// starts returns every start of a data plane, split where events allow.
func (r recorded) starts() []Start {
	starts := []Start{}
	for i, e := range r.events {
		if e.Kind == history.NodeStart && r.roles[e.Node] == roleDataPlane {
			starts = append(starts, r.start(i))
		}
	}
	return starts
}

// start follows one start from its event on, until the node's next start or
// end.
func (r recorded) start(index int) Start {
	begin := r.events[index]
	s := Start{Node: begin.Node, At: begin.At}
	until := r.end
	for _, e := range r.events[index+1:] {
		if e.Node != begin.Node {
			continue
		}
		if e.Kind == history.NodeStart || e.Kind == history.NodeExit {
			until = e.At
			break
		}
		s.step(e, r.roles)
	}
	s.firstProbe(r, until)
	return s
}

// step notes an event of the start if it is the first of its sort. What was
// learnt by asking counts from when the answer was complete.
func (s *Start) step(e history.Event, roles map[string]string) {
	switch {
	case e.Kind == history.EdgeConnect && s.Dial == nil && roles[peer(e.Edge)] == roleControlPlane:
		s.Dial = since(s.At, e.At)
	case e.Kind == history.StoreRequest && s.StoreRead == nil && strings.HasPrefix(e.Text, http.MethodGet+" "):
		s.StoreRead = since(s.At, e.At)
		if e.Until > 0 {
			s.StoreDone = since(s.At, e.Until)
		}
	case e.Kind == history.ReadyChange && e.Code == http.StatusOK && s.Ready == nil:
		s.Ready = since(s.At, max(e.At, e.Until))
	case e.Kind == history.ServeChange && e.Code == http.StatusOK && e.Generation > 0 && s.FirstGood == nil:
		s.served(max(e.At, e.Until), e.Generation)
	}
}

// firstProbe takes the first good answer from the streams if it is earlier
// than the watcher's, or the watcher saw none.
func (s *Start) firstProbe(r recorded, until history.Time) {
	for i, stream := range r.header.Streams {
		if stream.Node != s.Node {
			continue
		}
		for _, q := range r.streams[i] {
			if q.Class != history.Good || q.Sent < s.At || q.Done > until {
				continue
			}
			if s.FirstGood == nil || q.Done.Sub(s.At) < *s.FirstGood {
				s.served(q.Done, int(q.Generation))
			}
			break
		}
	}
}

// served notes the first good answer.
func (s *Start) served(at history.Time, generation int) {
	s.FirstGood, s.Generation = since(s.At, at), nil
	if generation > 0 {
		s.Generation = &generation
	}
}

// since is the time from one moment to another, as an optional figure.
func since(from, to history.Time) *time.Duration {
	d := to.Sub(from)
	return &d
}

// storeRequests counts the store's requests by author and method.
func (r recorded) storeRequests() []StoreAuthor {
	rows := []StoreAuthor{}
	for _, e := range r.of(history.StoreRequest) {
		method, _, _ := strings.Cut(e.Text, " ")
		i := slices.IndexFunc(rows, func(a StoreAuthor) bool { return a.Author == e.Node && a.Method == method })
		if i < 0 {
			i = len(rows)
			rows = append(rows, StoreAuthor{Author: e.Node, Method: method, First: e.At})
		}
		rows[i].add(*e)
	}
	slices.SortStableFunc(rows, func(a, b StoreAuthor) int {
		return cmp.Or(cmp.Compare(a.Author, b.Author), cmp.Compare(a.Method, b.Method))
	})
	return rows
}

// add counts one request.
func (a *StoreAuthor) add(e history.Event) {
	a.Requests++
	a.Bytes += e.Bytes
	a.Last = e.At
	switch {
	case e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden:
		a.Denied++
	case e.Code >= 200 && e.Code < 300 || e.Code == http.StatusNotModified:
		a.Succeeded++
	default:
		a.Failed++
	}
}
