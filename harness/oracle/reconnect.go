// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
)

var keepsTrying = promise{"G4", "A data plane keeps trying the control plane for as long as it lives, with jitter, and takes over its configuration when it returns.", []clause{
	{"G4.1", "A new data plane goes on dialling for as long as the control plane is gone.", "connection attempts", goesOnDialling},
	{"G4.2", "Attempts keep their distance and are spread.", "connection attempts", keepsDistance},
	{"G4.3", "Every data plane is ready with the control plane's newest configuration after its return.", "data planes", takesOver},
	{"G4.4", "A running data plane goes on dialling while connections are refused.", "connection attempts", dialsWhenRefused},
}}

// attemptSlack covers a busy machine between two attempts, beyond the longest
// reconnect delay and the dial time-out.
const attemptSlack = time.Second

// distanceSlack is how much shorter than the shortest delay a distance may be: the
// error of mapping the meter's clock, twice.
const distanceSlack = 20 * time.Millisecond

// minAttempts is how many attempts it takes to speak of their spread: eight
// distances drawn evenly lie within an eighth of their range once in 260 000
// times, and a scheduler's noise without jitter hardly fills more.
const minAttempts = 9

// countable are a newcomer's own attempts during its cut.
func (v *view) countable(n newcomer) []history.Time {
	return slices.DeleteFunc(v.attemptsSince(n.start, n.cut.edge, n.Name), func(t history.Time) bool { return t > n.cut.heal })
}

func goesOnDialling(v *view) finding {
	f := finding{missing: "no new data plane met a cut that lets its attempts be counted"}
	p := v.rec.Header.Profile
	limit := p.ReconnectMax + p.DialTimeout + attemptSlack
	for _, n := range v.newcomers() {
		if n.cut.mode != "reset" {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		attempts := v.countable(n)
		f.opportunities += len(attempts)
		f.undone = append(f.undone, silences(n.Name, v.awake(n, attempts), append(attempts, min(n.cut.heal, v.end)), limit)...)
		f.good = append(f.good, Evidence{n.start, n.Name, fmt.Sprintf("%s tried %d times in %s", n.Name, len(attempts), seconds(min(n.cut.heal, v.end).Sub(n.start)))})
	}
	if len(f.undone) > 0 && len(v.of(history.NodeExit, v.controlPlane())) > 0 {
		f.invalid = "the control plane's process had ended: Toxiproxy cannot count attempts whose upstream refuses"
	}
	return f
}

// startAllowance is how long a process may take until it first dials or answers:
// the container's creation and the program's own start are not this promise's.
const startAllowance = history.Time(30 * time.Second)

// awake is when a new data plane first showed that it was running: by an answer
// of its Status API or by its first attempt.
func (v *view) awake(n newcomer, attempts []history.Time) history.Time {
	first := n.start + startAllowance
	if len(attempts) > 0 {
		first = min(first, attempts[0])
	}
	for _, e := range v.of(history.ReadyChange, n.Name) {
		if e.Code != 0 {
			return min(first, e.At)
		}
	}
	return first
}

// silences are the times without an attempt that are longer than limit, from the
// moment when a node is awake; the last of the attempts is the end of its cut.
func silences(node string, awake history.Time, attempts []history.Time, limit time.Duration) []Evidence {
	var out []Evidence
	last, what := awake, "it was running"
	for i, t := range attempts {
		if gap := t.Sub(last); gap > limit {
			out = append(out, Evidence{last, node, fmt.Sprintf("%s did not dial the control plane for %s after %s (limit %s)", node, seconds(gap), what, seconds(limit))})
		}
		last, what = t, fmt.Sprintf("attempt %d", i+1)
	}
	return out
}

func keepsDistance(v *view) finding {
	f := finding{missing: fmt.Sprintf("no new data plane made %d attempts", minAttempts)}
	p := v.rec.Header.Profile
	for _, n := range v.newcomers() {
		attempts := v.countable(n)
		if n.cut.mode != "reset" || len(attempts) < minAttempts {
			continue
		}
		f.rests = append(f.rests, n.cut.edge)
		f.opportunities += len(attempts) - 1
		gaps := make([]time.Duration, len(attempts)-1)
		for i := range gaps {
			gaps[i] = attempts[i+1].Sub(attempts[i])
			if gaps[i] < p.ReconnectMin-distanceSlack {
				f.bad = append(f.bad, Evidence{attempts[i+1], n.Name, fmt.Sprintf("%s dialled again after %s (at least %s)", n.Name, seconds(gaps[i]), seconds(p.ReconnectMin))})
			}
		}
		if spread := slices.Max(gaps) - slices.Min(gaps); spread < (p.ReconnectMax-p.ReconnectMin)/8 {
			f.bad = append(f.bad, Evidence{attempts[0], n.Name, fmt.Sprintf("%s dialled without jitter: all of its %d distances lie within %s", n.Name, len(gaps), seconds(spread))})
		}
	}
	return f
}

func takesOver(v *view) finding {
	f := finding{missing: "no cut was healed"}
	newest, certain := v.newest()
	if newest == 0 {
		f.missing = "no configuration was acknowledged"
		return f
	}
	if !certain {
		f.missing = "the last change's acknowledgement was lost: either generation may be in force"
		return f
	}
	for _, n := range v.planes {
		cut := v.cpCut(n.Name)
		if _, started := v.start(n.Name); !started || cut == nil || cut.healed > v.end || !v.watched(n.Name) {
			continue
		}
		f.healed = append(f.healed, cut.edge)
		f.opportunities++
		served := v.of(history.ServeChange, n.Name)
		switch {
		case len(served) == 0:
			f.undone = append(f.undone, Evidence{cut.healed, n.Name, n.Name + " never answered"})
		case served[len(served)-1].Generation != newest:
			last := served[len(served)-1]
			f.undone = append(f.undone, Evidence{last.At, n.Name, fmt.Sprintf("%s still answered with status %d, generation %d at the end, %s after the control plane was back with generation %d", n.Name, last.Code, last.Generation, seconds(v.end.Sub(cut.healed)), newest)})
		case !v.readyAtTheEnd(n.Name):
			f.undone = append(f.undone, Evidence{v.end, n.Name, fmt.Sprintf("%s was not ready at the end, %s after the control plane was back", n.Name, seconds(v.end.Sub(cut.healed)))})
		default:
			f.good = append(f.good, tookOver(n.Name, served, cut, newest))
		}
	}
	return f
}

func tookOver(node string, served []history.Event, cut *window, newest int) Evidence {
	i := slices.IndexFunc(served, func(e history.Event) bool { return e.Generation == newest })
	return Evidence{served[i].At, node, fmt.Sprintf("%s served generation %d %s after the edge was healed", node, newest, seconds(served[i].At.Sub(cut.healed)))}
}

// newest is the generation in force at the control plane at the end, and whether
// that is certain.
func (v *view) newest() (generation int, certain bool) {
	var at history.Time
	for _, e := range v.events[history.ChangeAcked] {
		generation, at = e.Generation, e.At
	}
	for _, e := range v.events[history.ChangeUnknown] {
		if e.At > at {
			return generation, false
		}
	}
	return generation, true
}

func dialsWhenRefused(*view) finding {
	return finding{missing: "an edge cut by exit refuses connections before Toxiproxy can count them"}
}
