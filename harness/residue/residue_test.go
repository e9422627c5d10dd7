// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package residue

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/engine/tmpfs"
)

// asLeaving makes this test binary a process that somebody left behind.
const asLeaving = "RESIDUE_TEST_LEAVING"

func TestMain(m *testing.M) {
	if os.Getenv(asLeaving) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// places are a temporary directory and a cache of the test's own.
func places(t *testing.T) (temp, cache string) {
	t.Helper()
	temp, cache = t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_CACHE_HOME", cache)
	return temp, filepath.Join(cache, "blackout")
}

func newRun() string { return "19700101-000000-test-" + strings.ToLower(rand.Text()[:6]) }

// leaveProcess starts a process with the id where it is asked for.
func leaveProcess(t *testing.T, environment []string, arguments ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	cmd.Env = append(environment, asLeaving+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = stdin.Close(), cmd.Wait() })
}

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestOf: each kind of leaving is seen, and named, alone; another run's never is.
func TestOf(t *testing.T) {
	temp, cache := places(t)
	for name, c := range map[string]struct {
		leave func(t *testing.T, run string)
		names string
	}{
		"nothing":      {func(*testing.T, string) {}, ""},
		"environment":  {func(t *testing.T, run string) { leaveProcess(t, []string{"BLACKOUT_RUN=" + run}) }, "process "},
		"command line": {func(t *testing.T, run string) { leaveProcess(t, nil, "watchdog", run) }, "process "},
		"nodes":        {func(t *testing.T, run string) { makeDir(t, filepath.Join(temp, "blackout-"+run+"-1/cp")) }, "file " + temp},
		"ledger":       {func(t *testing.T, run string) { makeDir(t, filepath.Join(cache, "faults", run+".jsonl")) }, "file " + cache},
		"disk":         {leaveDisk, "mount "},
	} {
		t.Run(name, func(t *testing.T) {
			run, other := newRun(), newRun()
			c.leave(t, run)
			left, err := Of(t.Context(), "local", run)
			if err != nil {
				t.Fatal(err)
			}
			if found := strings.Join(left, "\n"); len(left) > 1 || (found == "") != (c.names == "") || !strings.HasPrefix(found, c.names) {
				t.Errorf("found %q, want what begins with %q", left, c.names)
			}
			if left, err := Of(t.Context(), "local", other); err != nil || left != nil {
				t.Errorf("of another run: found %q, %v", left, err)
			}
		})
	}
}

func leaveDisk(t *testing.T, run string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	mark := tmpfs.Mark{Run: run, Owner: "nobody"}
	err := tmpfs.Mount(dir, 64<<10, mark)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := tmpfs.Sweep(func(m tmpfs.Mark) (bool, error) { return m == mark, nil }); err != nil {
			t.Error(err)
		}
	})
}

// TestWithoutStuck: taken out is an empty network that the daemon does not let go, for
// what is counted in it, and nothing else.
func TestWithoutStuck(t *testing.T) {
	const active = `{"message":"network has active endpoints"}`
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		name, code, body := path.Base(r.URL.Path), http.StatusOK, `{"Containers":{}}`
		switch {
		case r.Method != http.MethodDelete && name == "used":
			body = `{"Containers":{"a":{"Name":"b"}}}`
		case r.Method != http.MethodDelete:
		case name == "stuck", name == "used":
			code, body = http.StatusForbidden, active
		case name == "guarded":
			code, body = http.StatusForbidden, `{"message":"you may not"}`
		case name == "gone":
			code, body = http.StatusNotFound, `{"message":"no such network"}`
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body) // the client judges what arrives
	}))
	defer daemon.Close()
	t.Setenv("DOCKER_HOST", "tcp://"+daemon.Listener.Addr().String())
	want := []string{"container stuck", "network used", "network guarded", "network gone", "network forgotten"}
	got, err := WithoutStuck(t.Context(), append([]string{"network stuck"}, want...))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("left %q, %v, want %q", got, err, want)
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1") // nobody need be asked
	if got, err := WithoutStuck(t.Context(), want[:1]); err != nil || !slices.Equal(got, want[:1]) {
		t.Errorf("left %q, %v, want %q", got, err, want[:1])
	}
}

// TestOfDocker: what is in Docker is seen by label and by name, and only where it
// was asked for.
func TestOfDocker(t *testing.T) {
	places(t)
	if err := docker.Available(t.Context()); err != nil {
		t.Skipf("NOT MEASURED: %v", err)
	}
	daemon, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	run := newRun()
	leaveVolume(t, daemon, "residue-test-"+run, nil)
	leaveVolume(t, daemon, "residue-test-"+strings.ToLower(rand.Text()), map[string]string{docker.LabelRun: run})
	left, err := Of(t.Context(), Docker, run)
	if err != nil || len(left) != 2 || !strings.HasPrefix(left[0], "volume residue-test-") {
		t.Errorf("found %q, %v, want two volumes", left, err)
	}
	if left, err := Of(t.Context(), "local", run); err != nil || left != nil {
		t.Errorf("of a run without containers: found %q, %v", left, err)
	}
}

func leaveVolume(t *testing.T, daemon *client.Client, name string, labels map[string]string) {
	t.Helper()
	if _, err := daemon.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: name, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := daemon.VolumeRemove(context.Background(), name, client.VolumeRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestOfNobody(t *testing.T) {
	t.Parallel()
	if _, err := Of(t.Context(), "local", ""); err == nil {
		t.Error("everybody's leavings were looked for")
	}
}
