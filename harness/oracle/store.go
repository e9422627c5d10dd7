// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"blackout/harness/history"
)

var asksFirst = promise{"G1", "A data plane asks the control plane first, and reads the store only if that cannot give it a configuration.", []clause{
	{"G1.1", "A new data plane dials the control plane before it touches the store.", "starts", asksBeforeItReads},
	{"G1.2", "A data plane that gets its configuration from the control plane does not touch the store on the way.", "starts", readsNothingWhenServed},
	{"G1.3", "A control plane that resets the connection counts as one that cannot give a configuration.", "starts", readsWhenReset},
	{"G1.4", "So does one that refuses the connection.", "", nil},
	{"G1.5", "So does one that does not answer.", "", nil},
	{"G1.6", "So does one whose TLS handshake fails.", "", nil},
	{"G1.7", "So does one that refuses the upgrade.", "", nil},
	{"G1.8", "So does one that is connected but silent beyond the wait.", "", nil},
}}

var readsOnce = promise{"G2", "The store is read when a data plane is created, once; a failed read is not repeated; it is never polled.", []clause{
	{"G2.1", "A new data plane reads the snapshot exactly once.", "starts", readsExactlyOnce},
	{"G2.2", "A read that failed is not repeated.", "failed reads", failedReadNotRepeated},
	{"G2.3", "A data plane that serves never touches the store again.", "data planes", neverPolls},
	{"G2.4", "A change of the object after the start is followed by nobody.", "answers", plantedNotFollowed},
	{"G2.5", "A data plane that restarts with a usable cache does not read the store.", "", nil},
}}

// importers are the new data planes that may import.
func (v *view) importers() []newcomer {
	var out []newcomer
	for _, n := range v.newcomers() {
		if n.Import {
			out = append(out, n)
		}
	}
	return out
}

// reads are a node's reads of the snapshot.
func (v *view) reads(node string) []history.Event {
	var out []history.Event
	for _, e := range v.of(history.StoreRequest, node) {
		if strings.HasPrefix(e.Text, http.MethodGet+" ") && strings.HasSuffix(e.Text, "/config.json") {
			out = append(out, e)
		}
	}
	return out
}

func asksBeforeItReads(v *view) finding {
	f := finding{missing: "no new data plane touched the store"}
	for _, n := range v.importers() {
		f.rests = append(f.rests, n.cut.edge)
		store := v.attemptsSince(n.start, storeEdge(n.Name), n.Name)
		if len(store) == 0 {
			continue
		}
		f.opportunities++
		cp := v.attemptsSince(n.start, n.cut.edge, n.Name)
		if len(cp) == 0 || cp[0] > store[0] {
			f.bad = append(f.bad, Evidence{store[0], n.Name, fmt.Sprintf("%s dialled the store before the control plane", n.Name)})
			continue
		}
		f.good = append(f.good, Evidence{store[0], n.Name, fmt.Sprintf("%s dialled the store %s after the control plane", n.Name, seconds(store[0].Sub(cp[0])))})
	}
	return f
}

func readsNothingWhenServed(v *view) finding {
	f := finding{missing: "no data plane that may import got its configuration from the control plane"}
	for _, n := range v.residents() {
		served, ok := v.firstServed(n.Name)
		if !n.Import || !ok || served > n.cut.inject {
			continue
		}
		f.opportunities++
		for _, e := range v.of(history.StoreRequest, n.Name) {
			if e.At < served {
				f.bad = append(f.bad, Evidence{e.At, n.Name, fmt.Sprintf("%s sent %s though the control plane was there", n.Name, e.Text)})
			}
		}
	}
	return f
}

func readsWhenReset(v *view) finding {
	f := finding{missing: "no new data plane that may import met a control plane that resets"}
	for _, n := range v.importers() {
		if n.cut.mode != "reset" {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		f.opportunities++
		if reads := v.reads(n.Name); len(reads) == 0 || reads[0].At > n.cut.heal {
			f.undone = append(f.undone, Evidence{n.start, n.Name, fmt.Sprintf("%s did not read the snapshot although the control plane reset every attempt", n.Name)})
		}
	}
	return f
}

func readsExactlyOnce(v *view) finding {
	f := finding{missing: "no new data plane read the snapshot whole"}
	for _, n := range v.importers() {
		reads := v.reads(n.Name)
		if len(reads) == 0 || v.storeCut(n.Name) != nil {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		f.opportunities++
		f.bad = append(f.bad, v.repeats(n.Name, reads[0])...)
	}
	return f
}

func failedReadNotRepeated(v *view) finding {
	f := finding{missing: "no new data plane's read failed"}
	for _, n := range v.importers() {
		cut := v.storeCut(n.Name)
		reads := v.reads(n.Name)
		if cut == nil || len(reads) == 0 {
			continue
		}
		f.rests = append(f.rests, n.cut.edge, cut.edge)
		f.opportunities++
		f.bad = append(f.bad, v.repeats(n.Name, reads[0])...)
	}
	return f
}

// repeats are a node's requests after its read of the snapshot: of whatever kind
// and object, for none is needed any more.
func (v *view) repeats(node string, read history.Event) []Evidence {
	var out []Evidence
	for _, e := range v.of(history.StoreRequest, node) {
		if e.At > read.Until {
			out = append(out, Evidence{e.At, node, fmt.Sprintf("%s sent %s %s after its read of the snapshot", node, e.Text, seconds(e.At.Sub(read.At)))})
		}
	}
	return out
}

// lookSlack is how close two observers' times may lie before their order is
// unknown: the import's own read and the first good answer can be that near. A
// node that polls does so again later.
const lookSlack = history.Time(50 * time.Millisecond)

func neverPolls(v *view) finding {
	f := finding{missing: "no data plane with an account of the store was seen serving"}
	for _, n := range v.planes {
		served, ok := v.firstServed(n.Name)
		if !n.Import || !ok {
			continue
		}
		f.opportunities++
		for _, e := range v.of(history.StoreRequest, n.Name) {
			if e.At > served+lookSlack {
				f.bad = append(f.bad, Evidence{e.At, n.Name, fmt.Sprintf("%s sent %s %s after it began to serve", n.Name, e.Text, seconds(e.At.Sub(served)))})
			}
		}
	}
	return f
}

func plantedNotFollowed(v *view) finding {
	f := finding{missing: "nothing was planted in the bucket"}
	planted := v.events[history.Planted]
	if len(planted) == 0 {
		return f
	}
	for _, e := range planted {
		for i, r := range v.rec.Requests {
			if r.Intended < e.At || r.Class != history.Good {
				continue
			}
			f.opportunities++
			if int(r.Generation) == e.Generation {
				node := v.rec.Header.Streams[v.rec.Requests[i].Stream].Node
				f.bad = append(f.bad, Evidence{r.Done, node, fmt.Sprintf("%s served generation %d, which was only ever planted in the bucket", node, e.Generation)})
			}
		}
		for _, s := range v.events[history.ServeChange] {
			if s.Generation == e.Generation {
				f.bad = append(f.bad, Evidence{s.At, s.Node, fmt.Sprintf("%s served generation %d, which was only ever planted in the bucket", s.Node, e.Generation)})
			}
		}
	}
	return f
}
