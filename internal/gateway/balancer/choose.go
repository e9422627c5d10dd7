// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"blackout/internal/gateway/entity"
)

// Choice is what the choice of a peer depends on, for one request with all its
// attempts.
type Choice struct {
	// Value returns what a request shows of itself for consistent hashing:
	// source is Kong's hash_on ("consumer", "ip", "header", "cookie", "path",
	// "query_arg", "uri_capture"), name that of the header, cookie and so on.
	Value func(source, name string) string

	tried []*Peer
}

// Reset makes the choice ready for another request.
func (c *Choice) Reset() { c.tried = c.tried[:0] }

func (c *Choice) usable(peer *Peer) bool {
	return peer.state.healthy.Load() && !slices.ContainsFunc(c.tried, func(tried *Peer) bool { return tried.state == peer.state })
}

// choose returns a peer that is well, if possible one that this request has not
// tried yet.
func (u *Upstream) choose(m *members, choice *Choice) *Peer {
	well := func(peer *Peer) bool { return peer.state.healthy.Load() }
	usable := choice.usable
	if len(choice.tried) == 0 {
		usable = well
	}
	peer := u.chooseAmong(m, choice, usable)
	if peer == nil {
		// All were tried: another attempt is better than none.
		peer = u.chooseAmong(m, choice, well)
	}
	return peer
}

func (u *Upstream) chooseAmong(m *members, choice *Choice, usable func(*Peer) bool) *Peer {
	switch u.algorithm {
	case leastConnections:
		return least(m.peers, u.turn.Add(1), usable, func(p *Peer) float64 {
			return float64(p.state.connections.Load()+1) / float64(p.weight)
		})
	case latency:
		return least(m.peers, u.turn.Add(1), usable, func(p *Peer) float64 {
			return p.state.latency() * float64(p.state.connections.Load()+1) / float64(p.weight)
		})
	case consistentHashing:
		if value := u.hash.value(choice); value != "" {
			return m.ring.find(value, usable)
		}
	}
	return m.wheel.next(u.turn.Add(1), usable)
}

// least returns the usable peer with the least cost. Among equals it is
// another each turn.
func least(peers []*Peer, turn uint64, usable func(*Peer) bool, cost func(*Peer) float64) *Peer {
	var best *Peer
	var lowest float64
	for i := range peers {
		peer := peers[(uint64(i)+turn)%uint64(len(peers))]
		if !usable(peer) {
			continue
		}
		if c := cost(peer); best == nil || c < lowest {
			best, lowest = peer, c
		}
	}
	return best
}

// wheel gives each peer its share of the turns by weight. Kong writes every
// turn into a list, as many as the weights have over their greatest common
// divisor, and shuffles it. Here the list is only thought of: a stride without
// a common divisor visits each of its entries once a round, spread out, however
// large the weights are.
type wheel struct {
	peers  []*Peer
	ends   []uint64 // where each peer's entries end
	stride uint64
}

func newWheel(peers []*Peer) wheel {
	divisor := 0
	for _, peer := range peers {
		divisor = gcd(peer.weight, divisor)
	}
	w := wheel{peers: peers, stride: 1}
	total := uint64(0)
	for _, peer := range peers {
		total += uint64(peer.weight / divisor)
		w.ends = append(w.ends, total)
	}
	// Near the golden section neighbouring turns lie far apart.
	for w.stride = max(1, total*618/1000); total > 0 && gcd(int(w.stride), int(total)) != 1; {
		w.stride++
	}
	return w
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (w *wheel) next(turn uint64, usable func(*Peer) bool) *Peer {
	if len(w.peers) == 0 {
		return nil
	}
	total := w.ends[len(w.ends)-1]
	at := (turn % total) * w.stride % total
	peer := w.peers[sort.Search(len(w.ends), func(i int) bool { return at < w.ends[i] })]
	if usable(peer) {
		return peer
	}
	return w.among(turn, usable)
}

// among gives the turns of all to those that are usable, by their weights.
func (w *wheel) among(turn uint64, usable func(*Peer) bool) *Peer {
	var total uint64
	var list []*Peer
	for _, peer := range w.peers {
		if usable(peer) {
			list = append(list, peer)
			total += uint64(peer.weight)
		}
	}
	if total == 0 {
		return nil
	}
	at := turn * w.stride % total
	for _, peer := range list {
		if at < uint64(peer.weight) {
			return peer
		}
		at -= uint64(peer.weight)
	}
	return nil
}

// ring is the continuum of consistent hashing.
type ring struct {
	slots  uint32
	points []point
}

type point struct {
	at   uint32
	peer *Peer
}

// pointsPerPeer is how many places a peer of average weight has (Kong 3.9).
const pointsPerPeer = 160

func newRing(peers []*Peer, total, slots int) ring {
	r := ring{slots: uint32(slots)} // #nosec G115 -- 1000 to 65536
	for _, peer := range peers {
		share := float64(peer.weight) / float64(total)
		for i := range max(1, int(share*pointsPerPeer*float64(len(peers)))) {
			name := fmt.Sprintf("%s::%d %d", peer.address.Addr(), peer.address.Port(), i+1)
			r.points = append(r.points, point{hash32(name) % r.slots, peer})
		}
	}
	slices.SortStableFunc(r.points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	return r
}

// find returns the peer at or before the value's place, walking downwards past
// those that are not usable.
func (r *ring) find(value string, usable func(*Peer) bool) *Peer {
	at := hash32(value) % r.slots
	start := sort.Search(len(r.points), func(i int) bool { return r.points[i].at > at })
	for i := range r.points {
		index := start - 1 - i
		if index < 0 {
			index += len(r.points)
		}
		if peer := r.points[index].peer; usable(peer) {
			return peer
		}
	}
	return nil
}

// hashing is what of a request decides about its peer.
type hashing struct {
	sources    [2]source // first hash_on, then hash_fallback
	cookie     string
	cookiePath string
}

type source struct{ kind, name string }

func newHashing(row entity.Record) hashing {
	h := hashing{cookie: row.Text("hash_on_cookie"), cookiePath: row.Text("hash_on_cookie_path")}
	for i, prefix := range [...]string{"hash_on", "hash_fallback"} {
		s := source{kind: row.Text(prefix)}
		switch s.kind {
		case "cookie":
			s.name = h.cookie
		case "header", "query_arg", "uri_capture":
			s.name = row.Text(prefix + "_" + s.kind)
		}
		h.sources[i] = s
	}
	return h
}

func (h *hashing) value(choice *Choice) string {
	if choice.Value == nil {
		return ""
	}
	for _, s := range h.sources {
		if s.kind == "" || s.kind == "none" {
			continue
		}
		if value := choice.Value(s.kind, s.name); value != "" {
			return value
		}
	}
	return ""
}

// Cookie returns name and path of the cookie that requests are spread by; the
// name is empty if there is none. A request without it is to be given one.
func (u *Upstream) Cookie() (name, path string) {
	for _, s := range u.hash.sources {
		if u.algorithm == consistentHashing && s.kind == "cookie" {
			return s.name, cmp.Or(u.hash.cookiePath, "/")
		}
	}
	return "", ""
}
