// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moby/moby/client"

	"blackout/harness/engine"
	"blackout/harness/residue"
)

// orphanVariable makes this test binary a harness that is going to be killed:
// it holds the run's id and the program's path.
const orphanVariable = "BLACKOUT_TEST_ORPHAN"

// patience bounds every wait of these tests.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if orphan := os.Getenv(orphanVariable); orphan != "" {
		run, program, _ := strings.Cut(orphan, " ")
		if err := makeOrphan(run, program); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {} // until killed
	}
	os.Exit(runTests(m))
}

// scratch is a directory for all tests of this process.
var scratch string

func runTests(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "blackout-docker-"); err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// makeOrphan makes what a run makes, says so, and never cleans up.
func makeOrphan(run, program string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := New(ctx, Options{Run: run})
	if err != nil {
		return err
	}
	site, err := e.Reserve(ctx, "orphan", engine.Program{Name: "testnode", Binary: program}, "http")
	if err != nil {
		return err
	}
	if _, err := site.Disk(ctx, 64<<10); err != nil && !errors.Is(err, engine.ErrUnsupported) {
		return err
	}
	if _, err := e.Start(ctx, site, engine.Process{Args: []string{site.Listen("http")}}); err != nil {
		return err
	}
	fmt.Println("made")
	return nil
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// needDocker skips the test on a machine without Docker.
func needDocker(t *testing.T) {
	t.Helper()
	if err := Available(testContext(t)); err != nil {
		t.Skipf("LEFT OUT: %v", err)
	}
}

// testProgram is the program in testdata.
func testProgram(t *testing.T) engine.Program {
	t.Helper()
	return programs(t)["testnode"]
}

// programs are built once for the daemon.
func programs(t *testing.T) map[string]engine.Program {
	t.Helper()
	built, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

var buildOnce = sync.OnceValues(func() (map[string]engine.Program, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	platform, err := Platform(ctx)
	if err != nil {
		return nil, err
	}
	goos, arch, _ := strings.Cut(platform, "/")
	built := make(map[string]engine.Program)
	for name, source := range map[string]string{"testnode": "./testdata/node", "netfault": "blackout/cmd/netfault"} {
		path := filepath.Join(scratch, name)
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+arch)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
		built[name] = engine.Program{Name: name, Binary: path}
	}
	return built, nil
})

func runID() string { return "test-" + uuid.NewString()[:8] }

// newEngine makes an engine whose run must leave nothing.
func newEngine(t *testing.T) *Engine {
	t.Helper()
	needDocker(t)
	e, err := New(testContext(t), Options{Run: runID(), Netfault: programs(t)["netfault"], Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for range 2 { // Close is idempotent
			if err := e.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		wantNothingLeft(ctx, t, e.options.Run)
	})
	return e
}

// sweepDead is [Sweep] of dead runs, of which networks that the daemon does not let
// go are only told: other tests' runs may have left such.
func sweepDead(ctx context.Context, t *testing.T) (removed []string) {
	t.Helper()
	daemon, err := connect(ctx)
	must(t, err)
	defer daemon.Close()
	removed, miscounted, err := sweep(ctx, daemon, ofDead())
	must(t, err)
	if miscounted != nil {
		t.Log(miscounted)
	}
	return removed
}

// wantNothingLeft fails if something carries the run's label, but for a network that
// the daemon does not let go.
func wantNothingLeft(ctx context.Context, t *testing.T, run string) {
	t.Helper()
	left, err := residue.WithoutStuck(ctx, leavings(ctx, t, run))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left of %s: %q", run, left)
	}
}

// leavings lists what carries the run's label.
func leavings(ctx context.Context, t *testing.T, run string) []string {
	t.Helper()
	daemon, err := connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	var names []string
	for _, list := range []func(context.Context, *client.Client, client.Filters) ([]object, error){containers, networks, volumes} {
		objects, err := list(ctx, daemon, ofRun(run).filter())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			names = append(names, o.name)
		}
	}
	return names
}

// started reserves and starts a node with one port, "http", and waits until it
// answers.
func started(t *testing.T, e *Engine, name string, program engine.Program, files map[string][]byte) (engine.Site, engine.Node) {
	t.Helper()
	site, err := e.Reserve(testContext(t), name, program, "http")
	if err != nil {
		t.Fatal(err)
	}
	node, err := e.Start(testContext(t), site, engine.Process{
		Args: []string{site.Listen("http")}, Env: map[string]string{"GREETING": "hello"}, Files: files,
	})
	if err != nil {
		t.Fatal(err)
	}
	get(t, node, "/data/")
	return site, node
}

// get asks a node until it answers with status 200.
func get(t *testing.T, node engine.Node, path string) string {
	t.Helper()
	ctx := testContext(t)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		body, err := try(ctx, node, path)
		if err == nil {
			return body
		}
		select {
		case <-ctx.Done():
			t.Fatalf("get %s from %s: %v", path, node.Name(), err)
		case <-retry.C:
		}
	}
}

func try(ctx context.Context, node engine.Node, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	address, err := node.Endpoint(ctx, "http")
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// wantState compares all but the Life of a node's state, which there must be.
func wantState(t *testing.T, node engine.Node, want engine.State) {
	t.Helper()
	got, err := node.State(testContext(t))
	want.Life = got.Life
	if err != nil || got != want || got.Life == "" {
		t.Errorf("state = %+v, %v; want %+v", got, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
