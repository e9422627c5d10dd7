// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bufio"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"blackout/harness/engine"
)

func TestNodeLivesAndRestarts(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	program := testProgram(t)
	_, node := started(t, e, "a", program, map[string][]byte{"deep/er/file": []byte("content")})
	if got := get(t, node, "/data/deep/er/file"); got != "content" {
		t.Errorf("file = %q, want what was given", got)
	}
	if err := node.Restart(ctx); err == nil {
		t.Error("a running node restarts")
	}
	must(t, node.Kill(ctx))
	wantState(t, node, engine.State{ExitCode: -1})
	if address, err := node.Endpoint(ctx, "http"); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("endpoint of a dead node = %q, %v; want that it has ended", address, err)
	}
	must(t, node.Kill(ctx)) // of a dead node
	must(t, node.Restart(ctx))
	if got := get(t, node, "/data/starts"); got != "xx" {
		t.Errorf("starts = %q, want the directory to outlive the process", got)
	}
	must(t, node.Stop(ctx, patience))
	if state, err := node.State(ctx); err != nil || state.Running {
		t.Errorf("state after stop = %+v, %v", state, err)
	}
	log, err := node.Log(ctx)
	must(t, err)
	defer log.Close()
	text, err := io.ReadAll(log)
	must(t, err)
	for _, line := range []string{"to standard output\n", "to standard error hello\n"} {
		if strings.Count(string(text), line) != 2 {
			t.Errorf("log = %q, want %q once for each start", text, line)
		}
	}
}

func TestPauseAndKillPaused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, node := started(t, e, "a", testProgram(t), nil)
	must(t, node.Pause(ctx))
	if body, err := try(ctx, node, "/data/"); err == nil {
		t.Errorf("a paused node answers %q", body)
	}
	wantState(t, node, engine.State{Running: true, Paused: true})
	must(t, node.Resume(ctx))
	wantState(t, node, engine.State{Running: true})
	get(t, node, "/data/")
	must(t, node.Pause(ctx))
	must(t, node.Kill(ctx))
	wantState(t, node, engine.State{ExitCode: -1})
}

func TestPeersReachEachOther(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	program := testProgram(t)
	site, _ := started(t, e, "a", program, map[string][]byte{"who": []byte("it is a")})
	_, b := started(t, e, "b", program, nil)
	if got := get(t, b, "/fetch?url="+url.QueryEscape("http://"+site.Peer("http")+"/data/who")); got != "it is a" {
		t.Errorf("b fetches %q from a", got)
	}
}

func TestEarlyEndIsReportedWithTheNode(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	site, err := e.Reserve(ctx, "a", testProgram(t), "http")
	must(t, err)
	first, err := e.Start(ctx, site, engine.Process{Args: []string{"exit"}})
	if first == nil || err != nil && !errors.Is(err, engine.ErrEnded) {
		t.Fatalf("node %v, error %v; want a node, and no other error than of its end", first, err)
	}
	// Whether Start sees the end already depends on who is faster.
	must(t, first.(*node).ended(ctx))
	wantState(t, first, engine.State{ExitCode: 3})
	again, err := e.Start(ctx, site, engine.Process{Args: []string{site.Listen("http")}})
	must(t, err)
	get(t, again, "/data/")
	if _, err := e.Start(ctx, site, engine.Process{Args: []string{"exit"}}); err == nil {
		t.Error("a second process starts beside a running one")
	}
}

func TestImageIsMadeOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	program := testProgram(t)
	first, err := e.Digest(ctx, program)
	must(t, err)
	before, err := e.daemon.ImageInspect(ctx, first)
	must(t, err)
	second, err := e.Digest(ctx, program)
	must(t, err)
	if first != second || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("digests %q and %q", first, second)
	}
	ref, err := reference(program)
	must(t, err)
	if !slices.Contains(before.RepoTags, ref) {
		t.Errorf("tags %q, want %s", before.RepoTags, ref)
	}
}

func TestUnusablePrograms(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	tests := map[string]struct {
		program engine.Program
		process engine.Process
	}{
		"no such file": {program: engine.Program{Name: "testnode", Binary: filepath.Join(t.TempDir(), "missing")}},
		"a directory":  {program: engine.Program{Name: "testnode", Binary: t.TempDir()}},
		"no room for its file": {
			program: testProgram(t),
			process: engine.Process{Files: map[string][]byte{strings.Repeat("x", 300): nil}},
		},
	}
	for name, tt := range tests {
		site, err := e.Reserve(testContext(t), strings.ReplaceAll(name, " ", "-"), tt.program)
		must(t, err)
		node, err := e.Start(testContext(t), site, tt.process)
		if !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrEnded) || node != nil {
			t.Errorf("%s: node %v, error %v; want none and unavailable", name, node, err)
		}
	}
}

func TestNothingIsMadeAfterClose(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, node := started(t, e, "a", testProgram(t), nil)
	must(t, node.Pause(ctx)) // must not be in the way
	must(t, e.Close(ctx))
	if _, err := e.Reserve(ctx, "b", engine.Program{}); !errors.Is(err, ErrClosed) {
		t.Errorf("reserve after close: %v", err)
	}
	if err := node.Restart(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("restart after close: %v", err)
	}
}

func TestSweepOfAKilledHarness(t *testing.T) {
	t.Parallel()
	e := newEngine(t) // a live run, which must not be touched
	ctx := testContext(t)
	program := testProgram(t)
	_, alive := started(t, e, "alive", program, nil)

	run := runID()
	orphan := exec.CommandContext(ctx, os.Args[0])
	orphan.Env = append(os.Environ(), orphanVariable+"="+run+" "+program.Binary)
	output, err := orphan.StdoutPipe()
	must(t, err)
	must(t, orphan.Start())
	said, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || said != "made\n" {
		t.Fatalf("the orphan says %q, %v", said, err)
	}
	if left := leavings(ctx, t, run); len(left) != 3 {
		t.Fatalf("the orphan made %q, want a container, a network and a volume", left)
	}
	sweepDead(ctx, t)
	if left := leavings(ctx, t, run); len(left) != 3 {
		t.Errorf("of a live harness only %q is left", left)
	}
	if !mounted(t, run) {
		t.Log("NOT MEASURED: that disks are swept, for none could be mounted")
	}
	must(t, orphan.Process.Kill())
	_ = orphan.Wait() // the error is the signal
	removed := sweepDead(ctx, t)
	if want := "container blackout-" + run + "-orphan"; !slices.Contains(removed, want) {
		t.Errorf("removed %q, want %s among them", removed, want)
	}
	wantNothingLeft(ctx, t, run)
	if mounted(t, run) {
		t.Error("the dead run's disk is still mounted")
	}
	get(t, alive, "/data/")
}

// TestSweepSaysWhatItRemoved of one run, which no other sweep touches: its harness lives.
func TestSweepSaysWhatItRemoved(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	started(t, e, "a", testProgram(t), nil)
	want := leavings(testContext(t), t, e.options.Run)
	removed, err := Sweep(testContext(t), e.options.Run)
	must(t, err)
	slices.Sort(want)
	slices.Sort(removed)
	if len(want) != 3 || !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q: a container, a network and a volume", removed, want)
	}
}

func TestContainersAreAsAsked(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := testContext(t)
	_, n := started(t, e, "a", testProgram(t), nil)
	info, err := n.(*node).inspect(ctx)
	must(t, err)
	for label, want := range map[string]string{LabelRun: e.options.Run, LabelNode: "a", LabelOwner: e.owner.String()} {
		if got := info.Config.Labels[label]; got != want {
			t.Errorf("label %s = %q, want %q", label, got, want)
		}
	}
	if len(info.NetworkSettings.Networks) != 1 || info.NetworkSettings.Networks[e.network.Name] == nil {
		t.Errorf("networks = %v, want only the run's", info.NetworkSettings.Networks)
	}
	if policy := info.HostConfig.RestartPolicy.Name; policy != container.RestartPolicyDisabled && policy != "" {
		t.Errorf("restart policy = %q, want none", policy)
	}
	if e.Routable() && len(info.HostConfig.PortBindings) > 0 {
		t.Errorf("published ports = %v, want none", info.HostConfig.PortBindings)
	}
}

// TestPublishedPorts takes the way of machines that cannot reach the bridge.
func TestPublishedPorts(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.routable = false
	ctx := testContext(t)
	site, node := started(t, e, "a", testProgram(t), nil)
	before, err := node.Endpoint(ctx, "http")
	must(t, err)
	if !strings.HasPrefix(before, "127.0.0.1:") {
		t.Errorf("endpoint = %s, want one on loopback", before)
	}
	must(t, site.AddPort("late"))
	if address, err := node.Endpoint(ctx, "late"); err == nil {
		t.Errorf("a port added too late has the endpoint %s", address)
	}
	must(t, node.Kill(ctx))
	must(t, node.Restart(ctx))
	get(t, node, "/data/")
}
