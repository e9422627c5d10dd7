// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/engine/local"
)

// TestFollowGoesOnThroughRestarts, gives every line once and whole, and ends with
// its context.
func TestFollowGoesOnThroughRestarts(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "writer")
	ask(t, site.Listen("proxy"))
	following, stop := context.WithCancel(ctx)
	defer stop()
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		ended <- node.Follow(following, func(line string) { lines <- line })
	}()
	for range 3 {
		first := receive(ctx, t, lines)
		if pid := ask(t, site.Listen("proxy")); first != "in two parts "+pid {
			t.Errorf("line %q, want what process %s wrote", first, pid)
		}
		if second := receive(ctx, t, lines); second != "to standard error" {
			t.Errorf("line %q", second)
		}
		if err := errors.Join(node.Kill(ctx), node.Restart(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	receive(ctx, t, lines)
	receive(ctx, t, lines)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func receive(ctx context.Context, t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-ctx.Done():
		t.Fatal("no line came")
		return ""
	}
}

func TestListeningTellsANodesSocketsAlone(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "parent")
	ask(t, site.Listen("proxy"))
	ask(t, site.Listen("child"))
	got, err := node.Listening(ctx)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort(site.Listen("proxy")), netip.MustParseAddrPort(site.Listen("child"))}
	slices.SortFunc(want, netip.AddrPort.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("Listening() = %v, want %v", got, want)
	}
	if err := node.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := node.Listening(ctx); err != nil || len(got) != 0 {
		t.Errorf("Listening() of an ended node = %v, %v", got, err)
	}
}

func TestResumeByHandle(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "serve")
	ask(t, site.Listen("proxy"))
	handle, err := node.Handle(ctx)
	if err != nil || handle["engine"] != e.Name() {
		t.Fatalf("Handle() = %v, %v", handle, err)
	}
	if err := node.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	other := engine.Handle{"engine": e.Name(), "pid": handle["pid"], "started": handle["started"] + "0"}
	if err := local.Resume(ctx, other); err != nil || !stateOf(t, node).Paused {
		t.Errorf("Resume() of another process with its id: %v, state %+v", err, stateOf(t, node))
	}
	for range 2 { // of one that runs it does nothing
		if err := local.Resume(ctx, handle); err != nil {
			t.Fatal(err)
		}
		ask(t, site.Listen("proxy"))
	}
	if err := node.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := local.Resume(ctx, handle); err != nil {
		t.Errorf("Resume() of an ended process: %v", err)
	}
	for _, pid := range []string{"", "1", "-4", "x"} {
		if err := local.Resume(ctx, engine.Handle{"pid": pid}); err == nil {
			t.Errorf("Resume() takes process id %q", pid)
		}
	}
}

// TestNetworkIsShared: a node has no network of its own here.
func TestNetworkIsShared(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	_, node := startNode(t, e, "serve")
	if _, err := e.Netfilter(t.Context(), node); !errors.Is(err, engine.ErrUnsupported) || !strings.Contains(err.Error(), "docker") {
		t.Errorf("Netfilter() = %v", err)
	}
}
