// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"blackout/harness/topology"
)

// Upstream is where an edge leads, "host:port", as Toxiproxy says: an undo may have
// changed it behind this process's back.
func (l *Edges) Upstream(ctx context.Context, edge topology.Edge) (string, error) {
	p, err := l.find(edge)
	if err != nil {
		return "", err
	}
	p, err = l.server.find(ctx, p.Name)
	if err != nil {
		return "", fmt.Errorf("ask where edge %s leads: %w", edge, err)
	}
	return p.Upstream, nil
}

// Repoint makes an edge lead elsewhere. Its live connections end with FIN; the
// address at which it listens and its toxics, the meters among them, stay. An edge that
// leads there already is left alone.
func (l *Edges) Repoint(ctx context.Context, edge topology.Edge, upstream string) error {
	p, err := l.find(edge)
	if err == nil {
		err = l.server.repoint(ctx, p.Name, upstream)
	}
	if err != nil {
		return fmt.Errorf("repoint edge %s: %w", edge, err)
	}
	return nil
}

// Toxiproxy closes a proxy's listener and opens it again to make the proxy lead
// elsewhere. A child that its process forks in that moment, as tests do, has the listener
// too until it executes its program.
const (
	reopenLimit = 2 * time.Second
	reopenPause = 20 * time.Millisecond
)

// repoint makes a proxy lead elsewhere. Toxiproxy leaves one alone that does.
func (s server) repoint(ctx context.Context, name, upstream string) error {
	change := map[string]any{"upstream": upstream}
	pause := time.NewTicker(reopenPause)
	defer pause.Stop()
	for deadline := time.Now().Add(reopenLimit); ; {
		err := s.call(ctx, http.MethodPatch, proxyPath(name), change, nil)
		if err == nil || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) || time.Now().After(deadline) {
			return err
		}
		change["enabled"] = true // it was, and Toxiproxy has given up on it
		select {
		case <-pause.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// undoRepoint says how to make an edge lead to upstream again.
func (l *Edges) undoRepoint(edge topology.Edge, upstream string) Undo {
	return Undo{Do: UndoRepoint, Args: map[string]string{"toxiproxy": l.server.address, "proxy": l.proxyName(edge), "upstream": upstream}}
}

// UndoRepoint is the name of the undo that [RepointLink] carries out.
const UndoRepoint = "repoint link"

// RepointLink makes a proxy of the Toxiproxy at args["toxiproxy"] lead to
// args["upstream"]. If no server is there, or it does not know the proxy, nothing
// is left to repoint; every other failure is an error.
func RepointLink(ctx context.Context, args map[string]string) error {
	return atProxy(ctx, args, func(s server, p proxy) error { return s.repoint(ctx, p.Name, args["upstream"]) })
}
