// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/engine"
	"blackout/harness/engine/local"
)

func TestKillRestartKeepsPlace(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "serve")
	first := ask(t, site.Listen("proxy"))
	if site.Peer("proxy") != site.Listen("proxy") {
		t.Errorf("Peer() = %s, want Listen() = %s", site.Peer("proxy"), site.Listen("proxy"))
	}
	left := filepath.Join(site.Dir(), "left-behind")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := node.Restart(ctx); err == nil {
		t.Error("Restart() of a running process succeeds, want an error")
	}
	if err := node.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	before := stateOf(t, node)
	if want := (engine.State{ExitCode: -1, Life: before.Life}); before != want {
		t.Errorf("State() = %+v after Kill, want %+v", before, want)
	}
	if err := node.Kill(ctx); err != nil {
		t.Errorf("Kill() of an ended process: %v", err)
	}
	if err := node.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	endpoint, err := node.Endpoint(ctx, "proxy")
	if err != nil || endpoint != site.Listen("proxy") {
		t.Fatalf("Endpoint() = %q, %v, want %q", endpoint, err, site.Listen("proxy"))
	}
	if second := ask(t, endpoint); second == first {
		t.Errorf("process %s answers before and after the restart", second)
	}
	if after := stateOf(t, node); !after.Running || after.Life == "" || after.Life == before.Life {
		t.Errorf("State() = %+v, want another life than %q", after, before.Life)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("the directory did not outlive the restart: %v", err)
	}
}

func TestExitCodeAndLogOutliveTheProcess(t *testing.T) {
	t.Parallel()
	e, dir := newEngine(t)
	ctx := testContext(t)
	site, err := e.Reserve(ctx, "dp-1", program(t), "status")
	if err != nil {
		t.Fatal(err)
	}
	process := engine.Process{
		Env:   map[string]string{roleVariable: "files"},
		Files: map[string][]byte{"conf/node.conf": []byte("role = data_plane")},
	}
	node := startShort(t, e, site, process)
	if state := awaitEnd(t, node); state.ExitCode != 0 {
		t.Errorf("exit code %d, want 0", state.ExitCode)
	}
	if err := node.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, node)
	const line = "role = data_plane <nil>\n"
	if got := logOf(t, node); got != line+line {
		t.Errorf("log is %q, want %q twice", got, line)
	}

	// The same site may be given another process.
	again := startShort(t, e, site, engine.Process{Env: map[string]string{roleVariable: "exit"}})
	if again != node {
		t.Error("a second Start at the same site returned another node")
	}
	if state := awaitEnd(t, again); state.ExitCode != 7 {
		t.Errorf("exit code %d, want 7", state.ExitCode)
	}
	if address, err := again.Endpoint(ctx, "status"); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("Endpoint() of an ended process = %q, %v, want ErrEnded", address, err)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	assertGone(t, site.Dir())
	if _, err := os.Stat(filepath.Join(dir, "dp-1.log")); err != nil {
		t.Errorf("the log did not outlive Close: %v", err)
	}
}

func TestEnvironmentIsMadeFromScratch(t *testing.T) {
	t.Parallel()
	if os.Getenv("XDG_CACHE_HOME") == "" {
		t.Fatal("the harness has no XDG_CACHE_HOME: this test cannot fail")
	}
	race := filepath.Join(t.TempDir(), "race")
	e, err := local.New(t.Context(), local.Options{Run: runID(t), Dir: t.TempDir(), Race: race})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	site, node := startNode(t, e, "environ")
	awaitEnd(t, node)
	lines := strings.Split(strings.TrimSpace(logOf(t, node)), "\n")
	var keys []string
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		if key == "HOME" && value != site.Dir() {
			t.Errorf("HOME is %s, want %s", value, site.Dir())
		}
		if key == engine.RunVariable && value != runID(t) {
			t.Errorf("%s is %s, want %s", key, value, runID(t))
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	want := []string{"BLACKOUT_OWNER", "BLACKOUT_RUN", "CHILD_LISTEN", "GORACE", "HOME", "LISTEN", roleVariable, "PATH", "TMPDIR"}
	// The C library may add PWD to what it was given; nothing else may be there.
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "PWD" })
	if !slices.Equal(keys, want) {
		t.Errorf("the node's environment has %v, want %v", keys, want)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		role  string
		pause bool
	}{
		"ends on request":                {role: "serve"},
		"is killed when deaf":            {role: "deaf"},
		"is killed when it stands still": {role: "serve", pause: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, err := local.New(t.Context(), local.Options{Run: runID(t), Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			ctx := testContext(t)
			site, node := startNode(t, e, c.role)
			ask(t, site.Listen("proxy"))
			if c.pause {
				if err := node.Pause(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := node.Stop(ctx, 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if state, err := node.State(ctx); err != nil || state.Running {
				t.Errorf("State() = %+v, %v after Stop, want ended", state, err)
			}
			if err := node.Pause(ctx); err == nil {
				t.Error("Pause() of an ended process succeeds, want an error")
			}
			if err := e.Close(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPauseFreezesUntilResume(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "serve")
	before := ask(t, site.Listen("proxy"))
	if err := node.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if state := stateOf(t, node); !state.Running || !state.Paused {
		t.Errorf("State() = %+v of a paused process, want running and paused", state)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	answered := make(chan string, 1)
	go func() {
		answer, _ := askOnce(ctx, site.Listen("proxy")) // the kernel accepts, nobody answers
		answered <- answer
	}()
	select {
	case answer := <-answered:
		t.Fatalf("a paused process answers %q", answer)
	case <-short.Done():
	}
	if err := node.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if after := <-answered; after != before {
		t.Errorf("process %s answers after Resume, want %s", after, before)
	}
}

func TestKillEndsPausedAndDescendants(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "parent")
	ask(t, site.Listen("proxy"))
	ask(t, site.Listen("child"))
	if err := node.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if err := node.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	awaitSilence(t, site.Listen("child"))
}

func TestDescendantsEndWithTheFirstProcess(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	site, node := startNode(t, e, "parent")
	ask(t, site.Listen("proxy"))
	ask(t, site.Listen("child"))
	if err := node.Stop(testContext(t), time.Minute); err != nil { // reaches the first process alone
		t.Fatal(err)
	}
	awaitSilence(t, site.Listen("child"))
}

func TestCloseEndsWhatLeftItsGroup(t *testing.T) {
	t.Parallel()
	if !findsByMark {
		t.Skip("a process in another session is found by its environment, which needs Linux")
	}
	e, _ := newEngine(t)
	ctx := testContext(t)
	site, node := startNode(t, e, "escapee")
	ask(t, site.Listen("child"))
	if err := node.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	ask(t, site.Listen("child")) // still there
	for range 2 {                // idempotent
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	awaitSilence(t, site.Listen("child"))
	if _, err := e.Reserve(ctx, "dp-2", program(t)); !errors.Is(err, local.ErrClosed) {
		t.Errorf("Reserve() after Close: %v, want ErrClosed", err)
	}
	if err := node.Restart(ctx); !errors.Is(err, local.ErrClosed) {
		t.Errorf("Restart() after Close: %v, want ErrClosed", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e, dir := newEngine(t)
	ctx := testContext(t)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("\x00\x01"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "occupied"), 0o700); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		node    string
		program engine.Program
		process engine.Process
		ports   []string
		want    string
		env     bool // an environment error
	}{
		"image":            {node: "a", program: engine.Program{Name: "kong", Image: "kong:3.9"}, want: "--engine docker", env: true},
		"no such file":     {node: "b", program: engine.Program{Name: "x", Binary: plain + "s"}, want: plain + "s", env: true},
		"not executable":   {node: "c", program: engine.Program{Name: "x", Binary: plain}, want: "make build", env: true},
		"not a program":    {node: "d", program: engine.Program{Name: "x", Binary: garbage}, want: garbage, env: true},
		"name with slash":  {node: "../e", program: program(t), want: "use up to"},
		"occupied":         {node: "occupied", program: program(t), want: "empty directory"},
		"port twice":       {node: "f", program: program(t), ports: []string{"p", "p"}, want: "taken"},
		"file outside":     {node: "g", program: program(t), process: engine.Process{Files: map[string][]byte{"../x": nil}}, want: "../x"},
		"mark overwritten": {node: "h", program: program(t), process: engine.Process{Env: map[string]string{engine.RunVariable: "x"}}, want: engine.RunVariable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var node engine.Node
			site, err := e.Reserve(ctx, c.node, c.program, c.ports...)
			if err == nil {
				node, err = e.Start(ctx, site, c.process)
			}
			if node != nil || errors.Is(err, engine.ErrEnded) {
				t.Errorf("node %v, error %v of a process that never ran", node, err)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, engine.ErrUnavailable) != c.env {
				t.Fatalf("got %v, want an error with %q, unavailable: %v", err, c.want, c.env)
			}
		})
	}
	if _, err := local.New(ctx, local.Options{Run: runID(t), Dir: dir}); err == nil {
		t.Error("New() with a run id in use succeeds, want an error")
	}
}
