// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// recoveryTimes are the times in which new data planes came to carry traffic from the
// snapshot. They count from when one could know that its control plane is gone: by
// the timers, or when it asked the store, if that was earlier.
func recoveryTimes(r Run, q Query) Measurement {
	m := Measurement{Missing: "no data plane without a cache that may import was started during an outage, with a whole snapshot in a store that was well"}
	var parts parts
	rushed, outages := 0, newTally()
	for _, b := range r.Starts {
		if b.Served == nil && b.Rushed {
			rushed++
			continue
		}
		if m.Doubt == "" {
			m.Doubt = b.Outage.Doubt
		}
		knew := b.At + history.Time(b.Outage.Detection)
		if b.Asked != nil {
			knew = min(knew, *b.Asked)
		}
		v := Value{At: b.At, Never: b.Served == nil}
		if v.Never {
			v.Text = fmt.Sprintf("%s did not serve before its control plane was back, %s after its start", b.Node, seconds(b.Until.Sub(b.At)))
		} else {
			knew = min(knew, *b.Served)
			v.Value = b.Served.Sub(knew).Seconds()
			v.Text = fmt.Sprintf("%s served %s after it could know that its control plane was gone (%s), %s after its start", b.Node, seconds(b.Served.Sub(knew)), b.Outage.Fault, seconds(b.Served.Sub(b.At)))
			parts.boot(b, knew)
		}
		m.Values = append(m.Values, v)
		outages.add(r.EpisodeAt(b.At), v.Never || v.Value > q.Limit)
	}
	outages.into(&m)
	m.Parts = parts.list()
	if rushed > 0 {
		m.Note = fmt.Sprintf("%d starts had too little time before the control plane was back, and do not count.", rushed)
	}
	return m
}

// parts collects times by name, in the order of the names' first mention.
type parts struct {
	names []string
	times map[string][]time.Duration
}

func (p *parts) add(name string, from, to *history.Time) {
	if from == nil || to == nil {
		return
	}
	if p.times == nil {
		p.times = make(map[string][]time.Duration)
	}
	if p.times[name] == nil {
		p.names = append(p.names, name)
	}
	p.times[name] = append(p.times[name], max(to.Sub(*from), 0))
}

// boot adds the parts of one start.
func (p *parts) boot(b oracle.Boot, knew history.Time) {
	p.add("start to control plane dialled", &b.At, b.Dialled)
	p.add("start to control plane known to be gone", &b.At, &knew)
	p.add("known to store asked", &knew, b.Asked)
	p.add("store asked to snapshot received", b.Asked, b.Got)
	p.add("snapshot received to ready", b.Got, b.Ready)
	p.add("ready to first good answer", b.Ready, b.Served)
	p.add("start to first good answer", &b.At, b.Served)
}

func (p *parts) list() []Part {
	var out []Part
	for _, name := range p.names {
		times := p.times[name]
		slices.Sort(times)
		out = append(out, Part{name, len(times), times[0], times[(len(times)-1)/2], times[len(times)-1]})
	}
	return out
}

// less is what a time is less the export delay, if that is asked for.
func (r Run) less(q Query, d time.Duration) float64 {
	if q.Text("beyond") == exportDelay {
		d -= r.Recording.Header.Profile.ExportDelay
	}
	return max(d, 0).Seconds()
}

// beyond says in a note what times count from.
func (r Run) beyond(q Query) string {
	if q.Text("beyond") == exportDelay {
		return fmt.Sprintf("Times are beyond the export delay of %s.", r.Recording.Header.Profile.ExportDelay)
	}
	return ""
}

// staleness is how long changes took to the store when nothing came in their way.
func staleness(r Run, q Query) Measurement {
	m := Measurement{Missing: "no change was acknowledged that a backup node could export at once", Note: r.beyond(q)}
	for _, e := range r.Exports {
		v := Value{At: e.Acked}
		switch {
		case !e.Unhindered || e.Durable == nil && e.Rushed:
			continue
		case e.Durable == nil:
			v.Never, v.Text = true, fmt.Sprintf("generation %d was never found in the store", e.Generation)
		default:
			v.Value = r.less(q, e.Durable.Sub(e.Acked))
			v.Text = fmt.Sprintf("generation %d was in the store %s after it was acknowledged", e.Generation, seconds(e.Durable.Sub(e.Acked)))
		}
		m.Values = append(m.Values, v)
	}
	if !r.Looked {
		m.Missing = "nobody looked into the store"
	}
	return m
}

// recoveryPoints are, for each outage of the backup nodes, the age of the oldest
// acknowledged change that the snapshot did not hold while it lasted; 0 where it held
// all.
func recoveryPoints(r Run, q Query) Measurement {
	m := Measurement{Missing: "no outage cut a backup node off", Note: r.beyond(q)}
	if !r.Looked {
		m.Missing = "nobody looked into the store"
		return m
	}
	outages := newTally()
	for i, e := range r.Episodes {
		cut, ok := r.exportersCut(e)
		if !ok {
			continue
		}
		if m.Doubt == "" {
			m.Doubt = cut.Doubt
		}
		v := Value{At: cut.Inject, Text: fmt.Sprintf("the outage at %s lost no change", seconds(cut.Inject.Sub(0)))}
		for _, c := range r.Exports {
			if c.Acked < cut.Inject && (c.Durable == nil || *c.Durable > cut.Heal) {
				v.Value = r.less(q, cut.Inject.Sub(c.Acked))
				v.Text = fmt.Sprintf("generation %d was acknowledged %s before the outage and is not in its snapshot", c.Generation, seconds(cut.Inject.Sub(c.Acked)))
				break // the oldest
			}
		}
		m.Values = append(m.Values, v)
		outages.add(i, v.Value > q.Limit)
	}
	outages.into(&m)
	return m
}

// exportersCut is the outage within an episode that cut off the last backup node, if
// all of them were.
func (r Run) exportersCut(e Episode) (cut oracle.Outage, ok bool) {
	off := make(map[string]bool)
	for _, o := range r.Outages {
		if o.Export && o.Inject >= e.From && o.Inject <= e.To && !off[o.Node] {
			off[o.Node], cut = true, o
		}
	}
	for _, n := range r.Recording.Header.Nodes {
		if n.Export && !off[n.Name] {
			return cut, false
		}
	}
	return cut, len(off) > 0
}

// returns are, for each outage that ended, the time until the last data plane served
// what was newest.
func returns(r Run, q Query) Measurement {
	m := Measurement{Missing: "no control plane came back with anything new"}
	outages := newTally()
	for _, back := range r.Returns {
		if m.Doubt == "" {
			m.Doubt = back.Doubt
		}
		v := Value{At: back.At, Never: back.Latest == nil}
		if v.Never {
			v.Text = fmt.Sprintf("%s never served generation %d after its control plane was back", back.Behind, back.Newest)
		} else {
			v.Value = back.Latest.Sub(back.At).Seconds()
			v.Text = fmt.Sprintf("the last of %d data planes served generation %d %s after healing began", len(back.Nodes), back.Newest, seconds(back.Latest.Sub(back.At)))
		}
		m.Values = append(m.Values, v)
		outages.add(r.EpisodeAt(back.At-1), v.Never || v.Value > q.Limit)
	}
	outages.into(&m)
	return m
}

// storeReads counts what data planes that were ready asked their store for, by two
// witnesses: who recorded requests by credential, and the meters of their edges.
func storeReads(r Run, _ Query) Measurement {
	m := Measurement{Missing: "no data plane that may import was ready"}
	if !r.Audited {
		m.Missing = "nobody recorded who asked the store for what"
		return m
	}
	first, metered, watched := firsts{}, 0, time.Duration(0)
	for _, at := range r.Residing {
		watched += max(at.To.Sub(at.From), 0)
		m.Bad += max(len(at.Requests), len(at.Dials))
		for _, e := range slices.Concat(at.Requests, at.Dials) {
			first.add(e)
		}
		if at.Metered {
			metered++
		}
	}
	m.Total = int(watched / time.Second)
	m.Evidence = first.seen
	if m.Bad > 0 {
		m.Total = max(m.Total, 1)
	}
	m.Note = fmt.Sprintf("Two witnesses, audit and meter, for %d of %d data planes; the audit alone for the others.", metered, len(r.Residing))
	return m
}
