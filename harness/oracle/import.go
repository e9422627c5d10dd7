// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/http"

	"blackout/harness/history"
)

var importsWhole = promise{"G3", "The imported configuration is validated whole, applied, cached, and carries traffic; bad data is refused whole.", []clause{
	{"G3.1", "A new data plane becomes ready and carries traffic from the snapshot while the control plane is gone.", "requests", servesTheSnapshot},
	{"G3.2", "A truncated snapshot is refused whole.", "truncated downloads", refusesTruncated},
	{"G3.3", "The imported configuration is cached, and survives a restart without control plane and store.", "", nil},
	{"G3.4", "Corrupt, empty and foreign data is refused whole.", "", nil},
	{"G3.5", "A good configuration is never replaced by bad data.", "", nil},
}}

// snapshotGeneration is what an independent reader last found in the bucket
// before a moment.
func (v *view) snapshotGeneration(before history.Time) (generation int, ok bool) {
	for _, e := range v.events[history.StoreObject] {
		if e.At < before {
			generation, ok = e.Generation, true
		}
	}
	return generation, ok
}

func servesTheSnapshot(v *view) finding {
	f := finding{missing: "no new data plane that may import had a whole snapshot to read"}
	planted := v.planted()
	for _, n := range v.importers() {
		want, ok := v.snapshotGeneration(n.start)
		if !ok || v.storeCut(n.Name) != nil || !v.watched(n.Name) {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		f.opportunities++ // its start
		served, ok := v.firstServed(n.Name)
		if !ok || served > n.cut.heal {
			f.undone = append(f.undone, Evidence{n.start, n.Name, fmt.Sprintf("%s did not serve before the control plane was back, %s after its start", n.Name, seconds(min(n.cut.heal, v.end).Sub(n.start)))})
			continue
		}
		if !v.readyBefore(n.Name, n.cut.heal) {
			f.undone = append(f.undone, Evidence{served, n.Name, fmt.Sprintf("%s served, but was not ready before the control plane was back", n.Name)})
			continue
		}
		f.good = append(f.good, Evidence{served, n.Name, fmt.Sprintf("%s served %s after its process was started", n.Name, seconds(served.Sub(n.start)))})
		f.invalid = cmp.Or(f.invalid, v.unsent(n.Name))
		v.requests(n.Name, func(r history.Request) {
			if r.Intended > n.cut.heal || planted[int(r.Generation)] {
				return // a planted generation is G2.4's to judge
			}
			f.opportunities++
			// After the healing began an answer may show either configuration.
			if failed(r) || (int(r.Generation) != want && r.Done <= n.cut.heal) {
				f.bad = append(f.bad, Evidence{r.Done, n.Name, fmt.Sprintf("%s: %s instead of generation %d of the snapshot", n.Name, describe(r), want)})
			}
		})
	}
	return f
}

// failed says whether a request counts as lost, strictly: a failure that the
// client hid by asking again is one too.
func failed(r history.Request) bool { return r.Class != history.Good || r.Flags&history.Masked != 0 }

func describe(r history.Request) string {
	switch {
	case r.Class == history.Good && r.Flags&history.Masked != 0:
		return "a failure that the client hid by sending the request again"
	case r.Class == history.Good:
		return fmt.Sprintf("an answer of generation %d", r.Generation)
	case r.Class == history.WrongStatus:
		return fmt.Sprintf("status %d", r.Status)
	}
	return r.Class.String()
}

func refusesTruncated(v *view) finding {
	f := finding{missing: "no new data plane was sent a truncated snapshot"}
	for _, n := range v.importers() {
		cut := v.storeCut(n.Name)
		if cut == nil || cut.mode != "truncate" || len(v.reads(n.Name)) == 0 {
			continue
		}
		f.rests = append(f.rests, n.cut.edge, cut.edge)
		f.opportunities++
		f.bad = append(f.bad, v.liveBefore(n, "although the only snapshot it was ever sent was truncated")...)
	}
	return f
}

// liveBefore is every sign that a new data plane was ready or served before the
// control plane was back.
func (v *view) liveBefore(n newcomer, although string) []Evidence {
	var out []Evidence
	for _, e := range v.of(history.ReadyChange, n.Name) {
		if e.Code == http.StatusOK && e.Until < n.cut.heal {
			out = append(out, Evidence{e.At, n.Name, fmt.Sprintf("%s said it was ready %s", n.Name, although)})
		}
	}
	for _, e := range v.of(history.ServeChange, n.Name) {
		if e.Code == http.StatusOK && e.Until < n.cut.heal {
			out = append(out, Evidence{e.At, n.Name, fmt.Sprintf("%s served generation %d %s", n.Name, e.Generation, although)})
		}
	}
	return out
}
