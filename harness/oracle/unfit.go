// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"blackout/harness/history"
)

// running has a node run these plugins alone.
func running(plugins string) trait { return func(n *history.Node) { n.Plugins = plugins } }

// needs tells what a generation needs that not every data plane has.
func (s *story) needs(at float64, generation int, what string) {
	s.event(at, history.Event{Kind: history.ChangeNeeds, Generation: generation, Text: what})
}

// syncs tells the sync_status that the control plane lists for a data plane's id.
func (s *story) syncs(at float64, id, status string) {
	s.event(at, history.Event{Kind: history.ListedSync, Node: "cp", Text: id + " " + status})
}

// misfit tells of a data plane with traffic until 30 s, and of a change at 4 s that it
// lacks something for.
func (s *story) misfit(what string) {
	s.changes(0.5, 1)
	s.plane("dp-1", running("ip-restriction,key-auth"))
	s.starts(1, "dp-1")
	s.live(2, "dp-1", 1)
	s.probes("dp-1", 3, 30, 1)
	s.needs(3.9, 2, what)
	s.changes(4, 2)
	s.breaks(50, "dp-1>cp", "exit")
}

// unfit is a change that not every data plane can be given, from its leaving and its
// acknowledgement until the next one leaves.
type unfit struct {
	change
	sent, until history.Time
}

// unfits are the acknowledged changes with a need of some sort, by time.
func (v *view) unfits(of func(need string) bool) []unfit {
	var out []unfit
	for _, c := range v.changes.acked {
		if !slices.ContainsFunc(v.changes.needs[c.generation], of) {
			continue
		}
		u := unfit{change: c, sent: c.at, until: v.end}
		for _, s := range v.changes.sent {
			switch {
			case s.generation == c.generation && s.at <= c.at:
				u.sent = s.at
			case s.at > c.at:
				u.until = min(u.until, s.at)
			}
		}
		out = append(out, u)
	}
	return out
}

func needsPlugin(need string) bool  { return strings.HasPrefix(need, history.NeedsPlugin) }
func needsPayload(need string) bool { return need == history.NeedsPayload }

// fits says whether a node can be given a generation.
func (v *view) fits(n *node, generation int) bool {
	return n.Role == controlPlane || !slices.ContainsFunc(v.changes.needs[generation], func(need string) bool { return !n.meets(need) })
}

// meets says whether a data plane has what a change needs.
func (n *node) meets(need string) bool {
	plugin, is := strings.CutPrefix(need, history.NeedsPlugin)
	if !is {
		return false // nobody has
	}
	has := strings.FieldsFunc(n.Plugins, func(r rune) bool { return r == ',' || r == ' ' })
	return n.Plugins == "" || slices.Contains(has, "bundled") || slices.Contains(has, plugin)
}

// starved says whether a data plane's control plane has nothing to give it at a moment:
// the newest change does not fit it.
func (v *view) starved(n *node, at history.Time) bool {
	generation := 0
	for _, c := range v.changes.sent {
		if c.at <= at {
			generation = c.generation
		}
	}
	return !v.fits(n, generation)
}

// overtaken says whether a change was followed by one that does not fit a data plane
// before a moment: it may never have been sent.
func (v *view) overtaken(n *node, c change, by history.Time) bool {
	return slices.ContainsFunc(v.changes.sent, func(s change) bool { return s.at > c.at && s.at <= by && !v.fits(n, s.generation) })
}

// unusable says whether what a new data plane found in the bucket does not fit it.
func (v *view) unusable(b boot) bool {
	generation := 0
	for _, o := range v.snapshotsOf(b.node) {
		if o.at < b.start {
			generation = o.generation
		}
	}
	return !v.fits(b.node, generation)
}

// due is by when a change that does not fit must have shown, and whether it was the
// newest for that long.
func (v *view) due(u unfit) (due history.Time, lasted bool) {
	due = u.at + history.Time(v.bound())
	return due, u.until >= due
}

func keepsFromMisfits(v *view, f *finding) {
	f.missing = "no data plane lacked a plugin of its control plane's configuration for long enough"
	for _, u := range v.unfits(needsPlugin) {
		for _, n := range v.planes {
			if !v.fits(n, u.generation) {
				v.serveOn(f, n, u)
			}
		}
		for _, n := range v.recorded() {
			if n.Role == controlPlane {
				v.listMisfits(f, n, u)
			}
		}
	}
}

func keepsFromOversize(v *view, f *finding) {
	f.missing = "no configuration was for long enough larger than what may be sent"
	for _, u := range v.unfits(needsPayload) {
		for _, n := range v.planes {
			v.serveOn(f, n, u)
			v.bootsBeside(f, n, u)
		}
		v.sayTooLarge(f, u)
	}
}

// serveOn judges a data plane that cannot be given a change: it does not show it,
// whoever it has it from, and if it served before it goes on.
func (v *view) serveOn(f *finding, n *node, u unfit) {
	show := func(seen Evidence) { f.opportunities++; f.bad.add(seen) }
	for _, k := range n.serves {
		if k.good() && k.generation == u.generation {
			show(n.tells(k.at, history.ServeChange, "served generation %d, which it could not be given", k.generation))
		}
	}
	_, lasted := v.due(u)
	if lasted && n.servedBefore(u.at) > 0 && v.lived(n, u.at, u.until) {
		f.opportunities++
		v.stayReady(f, n, u)
	}
	owes := v.owesAnswers(n, u.at)
	v.answers(f, n, func(r history.Request) {
		switch {
		case r.Class == history.Good && int(r.Generation) == u.generation:
			show(n.got(r, ", which it could not be given"))
		case !lasted || r.Done > u.until || !owes(r):
		default:
			f.opportunities++
			if failed(r) {
				v.blames(f, &f.bad, n, r, func() Evidence {
					return n.got(r, ", %s after a configuration that it could not be given", seconds(r.Done.Sub(u.at)))
				})
			}
		}
	})
}

// stayReady judges the readiness of a data plane that serves on.
func (v *view) stayReady(f *finding, n *node, u unfit) {
	for i, k := range n.ready {
		if k.at <= u.at || k.at > u.until || k.code == http.StatusOK {
			continue
		}
		v.blamesLook(f, &f.bad, n, k, lasts(n.ready, i, u.until), n.tells(k.at, history.ReadyChange,
			"answered %s for readiness %s after a configuration that it could not be given", status(k.code), seconds(k.at.Sub(u.at))))
	}
}

// listMisfits judges that a control plane lists as many data planes as incompatible as
// there are. The ids in a listing are not the harness's.
func (v *view) listMisfits(f *finding, cp *node, u unfit) {
	due, lasted := v.due(u)
	if !lasted || !v.lived(cp, u.at, due) {
		return
	}
	least, most := 0, 0 // of one that comes or is cut off meanwhile nobody knows
	for _, n := range v.planes {
		if v.controlPlane(n) != cp.Name || v.fits(n, u.generation) || !n.started() || n.lives[0].start > due {
			continue
		}
		most++
		if v.lived(n, u.at, due) && !anyDuring(slices.Concat(v.pathFaults(n), v.databaseFaults(n)), u.at, due) {
			least++
		}
	}
	if least == 0 {
		return
	}
	f.opportunities++
	listed := cp.incompatible(due)
	if listed < least || listed > most {
		f.undone.add(cp.tells(due, history.ListedSync, "listed %d data planes as incompatible %s after generation %d, for which %d lack a plugin", listed, v.bound(), u.generation, least))
		return
	}
	f.good.add(cp.tells(due, history.ListedSync, "listed %d data planes as incompatible with generation %d", listed, u.generation))
}

// incompatible is how many data planes a control plane listed as not to be given its
// configuration, at a moment.
func (n *node) incompatible(at history.Time) int {
	last := make(map[string]string)
	for _, m := range n.syncs {
		if id, status, _ := strings.Cut(m.text, " "); m.at <= at {
			last[id] = status
		}
	}
	count := 0
	for _, status := range last {
		if strings.HasSuffix(status, "_set_incompatible") || status == "plugin_version_incompatible" {
			count++
		}
	}
	return count
}

// bootsBeside judges a data plane that starts while its control plane has nothing that
// could be sent: it serves what is in the bucket.
func (v *view) bootsBeside(f *finding, n *node, u unfit) {
	if !n.Import || n.Export || !n.started() {
		return
	}
	l := n.lives[0]
	due := l.start + history.Time(v.importBound())
	had := slices.ContainsFunc(v.snapshotsOf(n), func(o object) bool { return o.at < l.start && o.generation > 0 && v.fits(n, o.generation) })
	disturbed := anyDuring(slices.Concat(v.pathFaults(n), v.storeFaults(n)), l.start, due)
	if l.start < u.at || due > u.until || !had || disturbed || !v.lived(n, l.start, due) {
		return
	}
	f.opportunities++
	served, ok := n.firstGood(l)
	if !ok || served.at > u.until {
		f.undone.add(n.tells(l.start, "", "did not serve from the snapshot, though its control plane had nothing that could be sent"))
		return
	}
	f.good.add(n.tells(served.at, history.ServeChange, "served generation %d from the snapshot %s after its start", served.generation, seconds(served.at.Sub(l.start))))
}

// tooLarge is what a line has in it that says that a message is larger than it may be.
var tooLarge = regexp.MustCompile(`(?i)\bpayload\b`)

// rejectsSize says whether a line of a log tells of trouble with a payload's size.
func rejectsSize(line string) bool {
	return tooLarge.MatchString(line) && trouble.MatchString(line) && !quiet.MatchString(line)
}

// sayTooLarge judges that somebody says in his log that a configuration is too large:
// the control plane that does not send it, or a data plane that does not take it.
func (v *view) sayTooLarge(f *finding, u unfit) {
	due, lasted := v.due(u)
	connected := slices.ContainsFunc(v.planes, func(n *node) bool {
		return v.lived(n, u.at, due) && v.lived(v.node(v.controlPlane(n)), u.at, due) && !anyDuring(v.pathFaults(n), u.at, due)
	})
	if !lasted || !connected {
		return
	}
	f.opportunities++
	for _, n := range v.recorded() {
		if i := slices.IndexFunc(n.tooLarge, func(m moment) bool { return m.at >= u.sent && m.at <= due }); i >= 0 {
			f.good.add(n.tells(n.tooLarge[i].at, history.NodeLog, "said, %s after generation %d left: %s", seconds(n.tooLarge[i].at.Sub(u.sent)), u.generation, n.tooLarge[i].text))
			return
		}
	}
	f.undone.add(Evidence{At: due, Kind: history.NodeLog, Text: "nobody said that the configuration is larger than what may be sent"})
}
