// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"net/http"

	"blackout/harness/topology"
	"blackout/internal/meter"
	"blackout/internal/toxic"
)

// ways are the directions that a fault acts on: both, unless it names one.
func (s Spec) ways() []string {
	if s.Direction != "" {
		return []string{s.Direction}
	}
	return directions
}

// eachWay is one toxic in each direction that the fault acts on.
func eachWay(s Spec, kind string, attributes map[string]any) []toxin {
	var toxics []toxin
	for _, way := range s.ways() {
		toxics = append(toxics, toxin{Name: string(s.Kind) + "-" + way, Type: kind, Stream: way, Attributes: attributes})
	}
	return toxics
}

// resetToxics: the first byte upstream makes Toxiproxy close both ends with an
// RST.
func resetToxics(s Spec) []toxin {
	s.Direction = Upstream
	return eachWay(s, "reset_peer", map[string]any{"timeout": 0})
}

func truncateToxics(s Spec) []toxin {
	s.Direction = Downstream
	return eachWay(s, "limit_data", map[string]any{"bytes": s.Bytes})
}

func silenceToxics(s Spec) []toxin {
	return eachWay(s, toxic.SilenceType, map[string]any{"until": ""})
}

func delayToxics(s Spec) []toxin {
	return eachWay(s, toxic.DelayType, map[string]any{"delay": s.Delay, "jitter": s.Jitter, "seed": s.Seed})
}

func paceToxics(s Spec) []toxin {
	return eachWay(s, toxic.PaceType, map[string]any{"rate": s.Rate})
}

func sliceToxics(s Spec) []toxin {
	return eachWay(s, toxic.SliceType, map[string]any{"bytes": s.Bytes, "delay": s.Delay})
}

// isMeter says whether a toxic is one of the two that every edge has.
func isMeter(t toxin) bool {
	return t.Type == meter.Type && t.Name == offered+"-"+t.Stream
}

// mend takes whatever a fault did from a proxy: it frees its address, takes its
// toxics away and enables it. It does not assume that the fault got to its end.
// What was put behind is taken away first, so that no connection is left with a
// chain that Toxiproxy remembers otherwise.
func (s server) mend(ctx context.Context, p proxy) error {
	if err := s.undeafen(ctx, p.Listen); err != nil && !hasStatus(err, http.StatusNotFound) {
		return err
	}
	there, err := s.toxins(ctx, p.Name)
	if err != nil {
		return err
	}
	for i := len(there) - 1; i >= 0; i-- {
		if isMeter(there[i]) {
			continue
		}
		if err := s.remove(ctx, p.Name, there[i].Name); err != nil {
			return err
		}
	}
	return s.enable(ctx, p.Name, true)
}

// UndoLink is the name of the undo that [MendLink] carries out.
const UndoLink = "mend link"

// undo says how to take a fault off an edge without this process.
func (l *Edges) undo(edge topology.Edge) []Undo {
	return []Undo{{Do: UndoLink, Args: map[string]string{"toxiproxy": l.server.address, "proxy": l.proxyName(edge)}}}
}

// MendLink takes whatever a fault did from the proxy args["proxy"] of the
// Toxiproxy at args["toxiproxy"]. If no server is there, or it does not know the
// proxy, nothing is left to mend; every other failure is an error.
func MendLink(ctx context.Context, args map[string]string) error {
	return atProxy(ctx, args, func(s server, p proxy) error { return s.mend(ctx, p) })
}

// atProxy undoes something at the proxy that an undo's arguments name, unless the
// proxy went with its run.
func atProxy(ctx context.Context, args map[string]string, undo func(server, proxy) error) error {
	s := newServer(args["toxiproxy"])
	defer s.client.CloseIdleConnections()
	p, err := s.find(ctx, args["proxy"])
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("find edge %s: %w", args["proxy"], context.Cause(ctx))
	case isGone(err), hasStatus(err, http.StatusNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find edge %s: %w", args["proxy"], err)
	}
	return undo(s, p)
}

// unstaged is the means of a kind that no edge can stage.
type unstaged struct{ kind Kind }

func (u unstaged) Prepare(context.Context) error {
	return fmt.Errorf("%w: no toxic makes a %s", ErrCannotStage, u.kind)
}
func (unstaged) Undo() []Undo                              { return nil }
func (unstaged) Inject(context.Context) error              { return ErrCannotStage }
func (unstaged) Look(context.Context) (string, bool)       { return "nothing was staged", false }
func (unstaged) Heal(context.Context) error                { return nil }
func (unstaged) LookHealed(context.Context) (string, bool) { return "nothing was staged", false }
func (unstaged) Clean(context.Context) error               { return nil }
