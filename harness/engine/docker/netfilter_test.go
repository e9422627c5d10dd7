// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"blackout/harness/engine"
)

// openNetwork opens a node's network namespace, or leaves the test out.
func openNetwork(t *testing.T, e *Engine, node engine.Node) engine.Netfilter {
	t.Helper()
	f, err := e.Netfilter(testContext(t), node)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	must(t, err)
	return f
}

// fetch lets a node fetch a page of another by its name.
func fetch(t *testing.T, by engine.Node, from engine.Site, port string) error {
	t.Helper()
	_, err := try(testContext(t), by, "/fetch?url="+url.QueryEscape("http://"+from.Peer(port)+"/data/"))
	return err
}

// eventually waits until something succeeds.
func eventually(t *testing.T, what string, do func() error) {
	t.Helper()
	ctx := testContext(t)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-retry.C:
		}
	}
}

func TestDroppedPortIsSilent(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	site, a := started(t, e, "a", testProgram(t), nil)
	_, b := started(t, e, "b", testProgram(t), nil)
	f := openNetwork(t, e, a)
	must(t, fetch(t, b, site, "http"))
	for range 2 {
		must(t, f.Drop(ctx, "http"))
	}
	if body, err := try(ctx, a, "/data/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the harness is answered %q, %v, want silence", body, err)
	}
	if err := fetch(t, b, site, "http"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a peer is answered: %v, want silence", err)
	}
	get(t, b, "/data/") // is as it was
	for range 2 {
		must(t, f.Accept(ctx, "http"))
	}
	get(t, a, "/data/")
	if err := f.Drop(ctx, "no-such-port"); err == nil {
		t.Error("a port that was never reserved is dropped")
	}
}

// TestAttemptsArePeers: those that are refused count, and those of the harness do
// not.
func TestAttemptsArePeers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	site, a := started(t, e, "a", testProgram(t), nil)
	_, b := started(t, e, "b", testProgram(t), nil)
	must(t, site.AddPort("nobody"))
	f := openNetwork(t, e, a)
	for want := range 3 {
		if got, err := f.Attempts(ctx, "nobody"); err != nil || got != want {
			t.Errorf("attempts = %d, %v; want %d", got, err, want)
		}
		if err := fetch(t, b, site, "nobody"); err == nil {
			t.Error("somebody listens")
		}
	}
	get(t, a, "/data/")
	if got, err := f.Attempts(ctx, "http"); err != nil || got != 0 {
		t.Errorf("attempts = %d, %v, all of the harness", got, err)
	}
	must(t, fetch(t, b, site, "http"))
	if got, err := f.Attempts(ctx, "http"); err != nil || got != 1 {
		t.Errorf("attempts = %d, %v; want 1", got, err)
	}
}

func TestNameServerIsSilentForOneNode(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	site, a := started(t, e, "a", testProgram(t), nil)
	_, b := started(t, e, "b", testProgram(t), nil)
	_, c := started(t, e, "c", testProgram(t), nil)
	f, untouched := openNetwork(t, e, b), openNetwork(t, e, c)
	address, err := a.Endpoint(ctx, "http")
	must(t, err)
	want := []netip.Addr{netip.MustParseAddrPort(address).Addr()}
	for range 2 {
		for _, n := range []engine.Netfilter{f, untouched} {
			if got, err := n.Resolve(ctx, "a"); err != nil || e.Routable() && !slices.Equal(got, want) {
				t.Errorf("resolve = %v, %v; want %v", got, err, want)
			}
		}
		must(t, f.DropDNS(ctx))
		if got, err := f.Resolve(ctx, "a"); !errors.Is(err, engine.ErrUnresolved) {
			t.Errorf("resolve = %v, %v without a name server", got, err)
		}
		if err := fetch(t, b, site, "http"); err == nil {
			t.Error("a peer was found without a name server")
		}
		if _, err := untouched.Resolve(ctx, "a"); err != nil {
			t.Errorf("resolve at an untouched node: %v", err)
		}
		must(t, f.AcceptDNS(ctx))
	}
	// The node still waits for the answer to a question that was dropped.
	eventually(t, "a peer is found again", func() error { return fetch(t, b, site, "http") })
}

// TestListeningIsTheNodesOwn, seen from outside as from within.
func TestListeningIsTheNodesOwn(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, a := started(t, e, "a", testProgram(t), nil)
	for name, list := range map[string]func(context.Context) ([]netip.AddrPort, error){
		"listening": a.Listening, "from within": a.(*node).listeningWithin,
	} {
		got, err := list(ctx)
		if err != nil || len(got) != 1 || !got[0].Addr().IsUnspecified() || got[0].Port() != firstFreePort {
			t.Errorf("%s = %v, %v; want port %d of all addresses", name, got, err, firstFreePort)
		}
	}
	info, err := a.(*node).inspect(ctx)
	must(t, err)
	broken := errors.New("broken")
	if got := a.(*node).unlessEnded(ctx, info.State.Pid, broken); !errors.Is(got, broken) {
		t.Errorf("of a node that runs: %v", got)
	}
	if got := a.(*node).unlessEnded(ctx, info.State.Pid+1, broken); !errors.Is(got, engine.ErrEnded) {
		t.Errorf("of a process before: %v", got)
	}
	must(t, a.Kill(ctx))
	if got := a.(*node).unlessEnded(ctx, info.State.Pid, broken); !errors.Is(got, engine.ErrEnded) {
		t.Errorf("of one that ended meanwhile: %v", got)
	}
	if got, err := a.Listening(ctx); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("of an ended node = %v, %v", got, err)
	}
}

// TestProcessIsTheContainers, or of another machine.
func TestProcessIsTheContainers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	_, a := started(t, e, "a", testProgram(t), nil)
	info, err := a.(*node).inspect(testContext(t))
	must(t, err)
	dir := "/proc/" + strconv.Itoa(info.State.Pid)
	if _, err := os.Stat(dir); err == nil && e.Routable() && !isContainers(dir, info.ID) {
		t.Errorf("%s is not told to be the container's", dir)
	}
	if isContainers("/proc/self", info.ID) || isContainers(t.TempDir(), info.ID) {
		t.Error("another process is taken for the container's")
	}
}

// TestRulesEnd with the harness, and are taken away by a handle.
func TestRulesEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, engine.Netfilter){
		"with the harness": func(_ *testing.T, f engine.Netfilter) { f.(netfilter).stream.Close() },
		"by handle": func(t *testing.T, f engine.Netfilter) {
			for range 2 {
				must(t, RestoreNetwork(testContext(t), f.Handle()))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			ctx := testContext(t)
			_, a := started(t, e, "a", testProgram(t), nil)
			f := openNetwork(t, e, a)
			must(t, f.Drop(ctx, "http"))
			if _, err := try(ctx, a, "/data/"); err == nil {
				t.Fatal("nothing is dropped: this test cannot fail")
			}
			end(t, f)
			get(t, a, "/data/")
			if err := f.Drop(ctx, "http"); err == nil {
				t.Error("a program that has ended drops packets")
			}
		})
	}
	must(t, RestoreNetwork(testContext(t), engine.Handle{"container": "no-such-container"}))
}

// TestNetworkOfAnotherLife is opened anew, and the former program is gone.
func TestNetworkOfAnotherLife(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, a := started(t, e, "a", testProgram(t), nil)
	f := openNetwork(t, e, a)
	if again := openNetwork(t, e, a); again.Handle()["container"] != f.Handle()["container"] {
		t.Error("a second program was started in one life")
	}
	must(t, f.Drop(ctx, "http"))
	must(t, a.Kill(ctx))
	if _, err := e.Netfilter(ctx, a); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("the network of an ended node: %v", err)
	}
	must(t, a.Restart(ctx))
	get(t, a, "/data/")
	next := openNetwork(t, e, a)
	must(t, next.Drop(ctx, "http"))
	if _, err := try(ctx, a, "/data/"); err == nil {
		t.Error("nothing is dropped in the next life")
	}
	if _, err := e.daemon.ContainerInspect(ctx, f.Handle()["container"], client.ContainerInspectOptions{}); err == nil {
		t.Error("the former program's container is still there")
	}
}

func TestNetworkWithoutAProgram(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	_, a := started(t, e, "a", testProgram(t), nil)
	e.options.Netfault = engine.Program{}
	if _, err := e.Netfilter(testContext(t), a); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("netfilter: %v", err)
	}
	if _, err := a.(*node).listeningWithin(testContext(t)); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("listening: %v", err)
	}
}
