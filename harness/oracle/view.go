// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// controlPlane is the role of nodes that data planes dial.
const controlPlane = "control_plane"

// never is when something happens that was not recorded.
const never = history.Time(math.MaxInt64)

// view is what the oracles keep of a recording: of each node, what it did and how
// it was seen; the faults; the changes; and who wants to see the requests, which
// pass once and are not kept.
type view struct {
	header  history.Header
	nodes   map[string]*node
	planes  []*node // the data planes
	faults  []*fault
	changes changes
	objects []object   // what an independent reader found in the bucket
	planted []planting // what the harness put there
	edges   map[string]*edge
	ends    ending
	clock   clock
	secrets int // looked for
	end     history.Time

	throttled metric // for how long the harness was, seconds
	control   control
	traffic   traffic
}

// node is what was recorded of one node, or of the holder of a credential.
type node struct {
	history.Node
	starts   []moment
	stops    []moment
	exits    []moment
	lives    []*life
	ready    []look         // answers of /status/ready
	serves   []look         // of the probed route
	probed   []look         // of probes that several nodes are asked
	checks   []look         // of the probed route, asked once readiness was 200
	requests []storeRequest // with its credential
	listens  []moment
	secrets  []moment
	lists    []moment            // what a control plane lists of its data planes: id and hash
	syncs    []moment            // the same: id and sync_status
	hashes   []moment            // of the configuration, as its Status API reports it: first and each change
	figures  map[string][]sample // that must stay flat, by metric
	laments  []moment            // lines of its log that say of something that it went wrong, and name an object of the store
	tooLarge []moment            // those that say that a payload is
	lines    int                 // of its log
}

// moment is something that happened to a node.
type moment struct {
	at   history.Time
	code int
	text string
}

// look is an answer, seen at some moment from at to until.
type look struct {
	at, until  history.Time
	code       int
	generation int
	ok         bool
	text       string
}

// good says whether a look saw the probed route answer well: a 200 that shows no
// generation is somebody else's answer.
func (l look) good() bool { return l.code == http.StatusOK && l.generation > 0 }

// edge is what was recorded of an edge.
type edge struct {
	name    string
	dials   []dial    // connection attempts that reached it
	packets []counted // attempts counted at the packet level
	bytes   []moved
}

// moved is what an edge had taken and let through by a moment, in bytes.
type moved struct {
	at              history.Time
	offered, passed int64
}

type dial struct {
	at   history.Time
	node string
}

type counted struct {
	at history.Time
	n  int64
}

// changes are those of the configuration, by time.
type changes struct {
	sent, acked, unknown []change

	needs map[int][]string // of a generation, what not every data plane has; nil: nothing of any
}

type change struct {
	at         history.Time
	generation int
}

// object is what an independent reader found at a key.
type object struct {
	at         history.Time
	until      history.Time // when the look ended that found it
	followed   bool         // it was looked at all the time: it stayed so until the next
	store      string
	key        string
	generation int    // 0: none of the harness's
	digest     string // of what it configures; empty if not recorded
	encryption string
	err        string
}

type planting struct {
	at         history.Time
	generation int
	key        string // "bucket/prefix/version/config.json"
}

// ending is how the run came to its end.
type ending struct {
	events      int // recorded
	runEnd      *history.Event
	damage      string
	unsteady    string
	harness     []string // errors
	environment string
	interrupted string
	begun, done int // steps
	unstaged    []history.Event
}

// newView reads the events of a recording. The requests are still to pass.
func newView(source *history.Source) (*view, error) {
	v := &view{header: source.Header, nodes: make(map[string]*node), edges: make(map[string]*edge)}
	for _, n := range source.Header.Nodes {
		known := &node{Node: n}
		v.nodes[n.Name] = known
		if n.Role == "data_plane" {
			v.planes = append(v.planes, known)
		}
	}
	v.traffic.open(source.Header)
	for e, err := range source.Events() {
		if err != nil {
			return nil, err
		}
		v.take(e)
	}
	v.order()
	return v, nil
}

// node is the record of a node, also of one that the header does not name.
func (v *view) node(name string) *node {
	n := v.nodes[name]
	if n == nil {
		n = &node{Node: history.Node{Name: name}}
		v.nodes[name] = n
	}
	return n
}

func (v *view) edge(name string) *edge {
	e := v.edges[name]
	if e == nil {
		e = &edge{name: name}
		v.edges[name] = e
	}
	return e
}

// order sorts everything by time. The order of writing is nearly that of time,
// but not for what was mapped from another clock.
func (v *view) order() {
	for _, n := range v.nodes {
		for _, of := range []*[]moment{&n.starts, &n.stops, &n.exits, &n.listens, &n.secrets, &n.hashes, &n.lists, &n.syncs} {
			byTime(*of, func(m moment) history.Time { return m.at })
		}
		for _, of := range []*[]look{&n.ready, &n.serves, &n.checks, &n.probed} {
			byTime(*of, func(l look) history.Time { return l.at })
		}
		byTime(n.requests, func(r storeRequest) history.Time { return r.at })
		for _, figures := range n.figures {
			byTime(figures, func(s sample) history.Time { return s.at })
		}
		n.live()
		for _, of := range [][]look{n.ready, n.serves, n.checks, n.probed} {
			n.ascribe(of)
		}
	}
	for _, e := range v.edges {
		byTime(e.dials, func(d dial) history.Time { return d.at })
		byTime(e.packets, func(c counted) history.Time { return c.at })
		byTime(e.bytes, func(m moved) history.Time { return m.at })
	}
	for _, of := range []*[]change{&v.changes.sent, &v.changes.acked, &v.changes.unknown} {
		byTime(*of, func(c change) history.Time { return c.at })
	}
	byTime(v.objects, func(o object) history.Time { return o.at })
	byTime(v.planted, func(p planting) history.Time { return p.at })
	v.settleFaults()
	v.traffic.settle()
	v.control.settle()
}

func byTime[T any](all []T, at func(T) history.Time) {
	order := func(a, b T) int { return cmp.Compare(at(a), at(b)) }
	if !slices.IsSortedFunc(all, order) {
		slices.SortStableFunc(all, order)
	}
}

// controlPlane is the one that a node dials, or is.
func (v *view) controlPlane(n *node) string {
	switch {
	case n.Role == controlPlane:
		return n.Name
	case n.ControlPlane != "":
		return n.ControlPlane
	}
	for _, other := range v.header.Nodes {
		if other.Role == controlPlane {
			return other.Name
		}
	}
	return ""
}

// cpEdge is the edge on which a node dials its control plane.
func (v *view) cpEdge(n *node) string { return n.Name + ">" + v.controlPlane(n) }

// storeEdge is the edge on which a node reaches its store.
func storeEdge(n *node) string { return n.Name + ">" + storeOf(n) }

// storeOf is the name of a node's store.
func storeOf(n *node) string { return cmp.Or(n.Store, topology.Store) }

// dialled are when a node itself tried an edge, from one moment to another.
func (v *view) dialled(n *node, edge string, from, to history.Time) []history.Time {
	e := v.edges[edge]
	if e == nil {
		return nil
	}
	var out []history.Time
	for _, d := range e.dials {
		if d.node == n.Name && d.at >= from && d.at <= to {
			out = append(out, d.at)
		}
	}
	return out
}

// snapshotsOf are what an independent reader found of a node's snapshot, and no
// other version's or store's, by time.
func (v *view) snapshotsOf(n *node) []object {
	home := v.home(n)
	return slices.DeleteFunc(slices.Clone(v.objects), func(o object) bool {
		otherStore := o.store != "" && o.store != storeOf(n)
		return otherStore || home != "" && o.key != home+"config.json"
	})
}

// isPlanted says whether a generation was only ever put into the bucket.
func (v *view) isPlanted(generation int) bool {
	return slices.ContainsFunc(v.planted, func(p planting) bool { return p.generation == generation })
}

// leftovers are what was put into the bucket under versions that a node does not have.
func (v *view) leftovers(n *node) []planting {
	home := v.home(n)
	return slices.DeleteFunc(slices.Clone(v.planted), func(p planting) bool {
		return home == "" || p.key == "" || p.key == home+"config.json"
	})
}

// newest is the generation in force at the control plane at the end, and whether
// that is certain.
func (v *view) newest() (generation int, certain bool) {
	var at history.Time
	for _, c := range v.changes.acked {
		generation, at = c.generation, c.at
	}
	for _, c := range v.changes.unknown {
		if c.at > at {
			return generation, false
		}
	}
	return generation, true
}

// bound is how long a good data plane may take for what needs one reconnect and
// one apply, with room for a busy machine.
func (v *view) bound() time.Duration {
	p := v.header.Profile
	return 2*(p.ReconnectMax+p.DialTimeout) + p.NoConfiguration + 10*time.Second
}

// importBound is how long a new data plane may take until it turns to the store.
func (v *view) importBound() time.Duration {
	p := v.header.Profile
	return p.DialTimeout + p.NoConfiguration + 5*time.Second
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func status(code int) string {
	if code == 0 {
		return "nothing"
	}
	return fmt.Sprintf("status %d", code)
}
