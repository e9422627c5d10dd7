// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"

	"blackout/harness/history"
)

// take keeps of an event what an oracle asks for. Most of a long run's events are
// none of an oracle's business and pass by.
func (v *view) take(e history.Event) {
	v.ends.events++
	v.end = max(v.end, e.At)
	v.clock.take(e)
	switch e.Kind {
	case history.NodeStart, history.NodeStop, history.NodeExit, history.NodeListens, history.NodeLog, history.SecretSeen, history.ConfigHash, history.ListedHash, history.ListedSync:
		v.node(e.Node).take(e)
	case history.ReadyChange, history.ServeChange, history.ReadyCheck, history.ProbeAnswer:
		v.node(e.Node).look(e)
	case history.StoreRequest:
		n := v.node(e.Node)
		n.requests = append(n.requests, parseStoreRequest(e))
	case history.EdgeConnect, history.EdgeSYN, history.EdgeBytes:
		v.edge(e.Edge).take(e)
	case history.FaultInject, history.FaultActive, history.FaultWitness, history.FaultHeal, history.FaultHealed, history.HealWitness:
		v.takeFault(e)
	case history.ChangeSent, history.ChangeAcked, history.ChangeUnknown, history.ChangeNeeds:
		v.changes.take(e)
	case history.StoreObject:
		v.objects = append(v.objects, object{
			at: e.At, until: e.Until, followed: e.Until > 0, store: e.Node, key: e.Text,
			generation: e.Generation, digest: e.Digest, encryption: e.Encryption, err: e.Error,
		})
	case history.Planted:
		v.planted = append(v.planted, planting{e.At, e.Generation, e.Text})
	case history.TrafficBegin, history.TrafficEnd:
		v.traffic.take(e)
	case history.NodeDenied:
		v.control.deny(e)
	case history.UpstreamSlow:
		v.control.take(e)
	case history.Metric:
		v.takeMetric(e)
	case history.SecretWatch:
		v.secrets = max(v.secrets, e.Looks)
	default:
		v.ends.take(e)
	}
}

// takeMetric keeps what tells how good the measurement was: for how long the
// harness was kept from the processor, and how many requests of a stream fell due
// while all of its workers waited for answers. Of nodes it keeps what must not grow.
func (v *view) takeMetric(e history.Event) {
	switch {
	case e.Text == history.ControlRequests:
		v.control.tell(e)
	case e.Text == "cpu_throttled_seconds" && e.Node == "harness":
		v.throttled.take(e)
	case e.Text == "slots_saturated" && e.Node != "harness" && e.Stream < len(v.traffic.streams):
		v.traffic.streams[e.Stream].saturated = int(e.Value)
	case e.Node != history.Harness && e.Error == "" && slices.ContainsFunc(mustStayFlat, func(g growing) bool { return g.metric == e.Text }):
		v.node(e.Node).measure(e)
	}
}

// measure keeps a figure of the node.
func (n *node) measure(e history.Event) {
	if n.figures == nil {
		n.figures = make(map[string][]sample)
	}
	n.figures[e.Text] = append(n.figures[e.Text], sample{e.At, e.Value})
}

func (n *node) take(e history.Event) {
	m := moment{e.At, e.Code, e.Text}
	switch e.Kind {
	case history.NodeStart:
		n.starts = append(n.starts, m)
	case history.NodeStop:
		n.stops = append(n.stops, m)
	case history.NodeExit:
		n.exits = append(n.exits, m)
	case history.NodeListens:
		n.listens = append(n.listens, m)
	case history.SecretSeen:
		n.secrets = append(n.secrets, m)
	case history.ConfigHash:
		n.hashes = append(n.hashes, m)
	case history.ListedHash:
		n.lists = append(n.lists, m)
	case history.ListedSync:
		n.syncs = append(n.syncs, m)
	default:
		n.lines++
		if laments(e.Text) {
			n.laments = append(n.laments, m)
		}
		if rejectsSize(e.Text) {
			n.tooLarge = append(n.tooLarge, m)
		}
	}
}

func (n *node) look(e history.Event) {
	l := look{e.At, e.Until, e.Code, e.Generation, e.OK, e.Text}
	switch e.Kind {
	case history.ReadyChange:
		n.ready = append(n.ready, l)
	case history.ServeChange:
		n.serves = append(n.serves, l)
	case history.ProbeAnswer:
		n.probed = append(n.probed, l)
	default:
		n.checks = append(n.checks, l)
	}
}

func (g *edge) take(e history.Event) {
	switch e.Kind {
	case history.EdgeConnect:
		g.dials = append(g.dials, dial{e.At, e.Node})
	case history.EdgeSYN:
		g.packets = append(g.packets, counted{e.At, int64(e.Attempts)})
	default:
		g.bytes = append(g.bytes, moved{e.At, e.Offered, e.Passed})
	}
}

func (c *changes) take(e history.Event) {
	if e.Kind == history.ChangeNeeds {
		if c.needs == nil {
			c.needs = make(map[int][]string)
		}
		c.needs[e.Generation] = append(c.needs[e.Generation], e.Text)
		return
	}
	of := map[history.Kind]*[]change{history.ChangeSent: &c.sent, history.ChangeAcked: &c.acked, history.ChangeUnknown: &c.unknown}[e.Kind]
	*of = append(*of, change{e.At, e.Generation})
}

func (r *ending) take(e history.Event) {
	switch e.Kind {
	case history.StepBegin:
		r.begun++
	case history.StepEnd:
		r.done++
	case history.RunEnd:
		r.runEnd = &e
	case history.Unsteady:
		keep(&r.unsteady, e.Text)
	case history.HarnessError:
		r.harness = append(r.harness, e.Error)
	case history.EnvironmentError:
		keep(&r.environment, e.Error)
	case history.Interrupted:
		keep(&r.interrupted, e.Text)
	case history.FaultUnstaged:
		r.unstaged = append(r.unstaged, e)
	}
}

// keep keeps the first text of several.
func keep(first *string, text string) {
	if *first == "" {
		*first = text
	}
}

// storeRequest is a request to the store, taken apart.
type storeRequest struct {
	at, until history.Time
	method    string
	key       string // "bucket/prefix/version/config.json", without the query
	code      int
	whole     bool // it was answered whole
	rule      string
}

func parseStoreRequest(e history.Event) storeRequest {
	method, target, _ := strings.Cut(e.Text, " ")
	key, _, _ := strings.Cut(target, "?")
	return storeRequest{e.At, e.Until, method, key, e.Code, e.OK, e.Rule}
}

// String is the request as it was recorded.
func (r storeRequest) String() string { return r.method + " " + r.key }

// snapshot says whether the request is for a snapshot.
func (r storeRequest) snapshot() bool { return strings.HasSuffix(r.key, "/config.json") }

// reads says whether it asks for a snapshot's content.
func (r storeRequest) reads() bool { return r.method == "GET" && r.snapshot() }

// lists says whether it asks a bucket which objects there are.
func (r storeRequest) lists() bool {
	return r.method == "GET" && !strings.Contains(strings.TrimSuffix(r.key, "/"), "/")
}

// writes says whether it would change what the store holds.
func (r storeRequest) writes() bool {
	return r.method == "PUT" || r.method == "POST" || r.method == "DELETE"
}

// done says whether the store carried it out.
func (r storeRequest) done() bool { return r.code/100 == 2 }

// good says whether it was carried out and answered whole, by the store itself.
func (r storeRequest) good() bool { return r.done() && r.whole && r.rule == "" }
