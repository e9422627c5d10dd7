// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	e := &Engine{sites: map[string]*site{}, subnet: netip.MustParsePrefix("10.0.0.0/24"), last: netip.MustParseAddr("10.0.0.0")}
	s, err := e.newSite("dp-1", engine.Program{}, []string{"proxy", "x", "y"})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[string]string{"proxy": ":8000", "x": ":20000", "y": ":20001"} {
		if s.Listen(port) != "0.0.0.0"+want || s.Peer(port) != "dp-1"+want {
			t.Errorf("port %s: listen %s, peer %s; want %s", port, s.Listen(port), s.Peer(port), want)
		}
	}
	if s.Listen("z") != "" || s.Peer("z") != "" {
		t.Error("a port that was not reserved has an address")
	}
	if err := s.AddPort("x"); err == nil {
		t.Error("a port is added twice")
	}
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   *container.State
		want engine.State
	}{
		{nil, engine.State{}},
		{&container.State{Running: true, Paused: true}, engine.State{Running: true, Paused: true}},
		{&container.State{Running: true, StartedAt: "2026-01-02T03:04:05.6Z"}, engine.State{Running: true, Life: "2026-01-02T03:04:05.6Z"}},
		{&container.State{StartedAt: "0001-01-01T00:00:00Z"}, engine.State{}},
		{&container.State{ExitCode: 0}, engine.State{}},
		{&container.State{ExitCode: 128}, engine.State{ExitCode: 128}},
		{&container.State{ExitCode: 143}, engine.State{ExitCode: -1}},
		{&container.State{ExitCode: 255}, engine.State{ExitCode: 255}},
	}
	for _, tt := range tests {
		if got := stateOf(tt.in); got != tt.want {
			t.Errorf("stateOf(%+v) = %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	const never, once = "0001-01-01T00:00:00Z", "2026-01-02T03:04:05.678901234Z"
	tests := []struct {
		name       string
		in         *container.State
		runs, ends bool
	}{
		{name: "no state"},
		{name: "made", in: &container.State{Status: "created", StartedAt: never}},
		{name: "not a program", in: &container.State{ExitCode: 127, StartedAt: never}},
		{name: "no time", in: &container.State{ExitCode: 1}},
		{name: "running", in: &container.State{Running: true, StartedAt: once}, runs: true},
		{name: "paused", in: &container.State{Running: true, Paused: true, StartedAt: once}, runs: true},
		{name: "ended well", in: &container.State{StartedAt: once}, ends: true},
		{name: "killed", in: &container.State{ExitCode: 137, StartedAt: once}, ends: true},
	}
	for _, tt := range tests {
		if err := runs(tt.in); (err == nil) != tt.runs || errors.Is(err, engine.ErrEnded) != tt.ends {
			t.Errorf("%s: runs() = %v; want running %t, ended %t", tt.name, err, tt.runs, tt.ends)
		}
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	packed, err := archive(map[string][]byte{"b/c/d": []byte("1"), "b/a": nil, "e": []byte("23")}, false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for from := tar.NewReader(bytes.NewReader(packed)); ; {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if want := []string{"./", "b/", "b/a", "b/c/", "b/c/d", "e"}; !slices.Equal(names, want) {
		t.Errorf("archive has %q, want %q", names, want)
	}
	for _, bad := range []string{"/etc/passwd", "../x", "a/../../x", "", "."} {
		if _, err := archive(map[string][]byte{bad: nil}, false); err == nil {
			t.Errorf("a file %q is packed", bad)
		}
	}
}

func TestPublishing(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, bind, dial string }{
		{"unix:///var/run/docker.sock", "127.0.0.1", "127.0.0.1"},
		{"npipe:////./pipe/docker_engine", "127.0.0.1", "127.0.0.1"},
		{"tcp://docker:2375", "0.0.0.0", "docker"},
	}
	for _, tt := range tests {
		if bind, dial := publishing(tt.host); bind != tt.bind || dial != tt.dial {
			t.Errorf("publishing(%s) = %s, %s; want %s, %s", tt.host, bind, dial, tt.bind, tt.dial)
		}
	}
}

func TestOfDead(t *testing.T) {
	t.Parallel()
	self, err := owner.Self()
	if err != nil {
		t.Fatal(err)
	}
	former, abroad := self, self
	former.Started += "1"
	abroad.Host, abroad.PID = "elsewhere", 1
	tests := []struct {
		name, label string
		take, fails bool
	}{
		{name: "this process", label: self.String()},
		{name: "an earlier process with this id", label: former.String(), take: true},
		{name: "another machine's", label: abroad.String()},
		{name: "no owner", fails: true},
	}
	for _, tt := range tests {
		take, err := ofDead().take(map[string]string{LabelOwner: tt.label})
		if take != tt.take || (err != nil) != tt.fails {
			t.Errorf("%s: take %t, error %v", tt.name, take, err)
		}
	}
}

func FuzzImportError(f *testing.F) {
	f.Add([]byte(`{"status":"sha256:1"}` + "\r\n"))
	f.Add([]byte(`{"status":"x"}{"error":"no space left"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed := append(slices.Clone(answer), `{"error":"no space left"}`...)
		if importError(bytes.NewReader(failed)) == nil {
			t.Errorf("the failure at the end of %q is missed", failed)
		}
	})
}

func TestImportError(t *testing.T) {
	t.Parallel()
	tests := []struct{ answer, want string }{
		{`{"status":"sha256:1"}`, ""},
		{`{"status":"x"}` + "\n" + `{"errorDetail":{"message":"full"},"error":"full"}`, "full"},
		{`<html>`, "read the daemon's answer"},
	}
	for _, tt := range tests {
		err := importError(strings.NewReader(tt.answer))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("importError(%s) = %v, want %q", tt.answer, err, tt.want)
		}
	}
}

func TestImageLayerIsReproducible(t *testing.T) {
	t.Parallel()
	program := engine.Program{Name: "self", Binary: os.Args[0]}
	var first, second bytes.Buffer
	if err := errors.Join(writeImage(&first, program), writeImage(&second, program)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two layers of one executable differ")
	}
}

// It changes the environment, so it cannot run beside others.
func TestNamedDaemonIsTheOnlyOneTried(t *testing.T) {
	nowhere := "unix://" + t.TempDir() + "/docker.sock"
	t.Setenv("DOCKER_HOST", nowhere)
	err := Available(t.Context())
	if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), nowhere) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v, want one line that says %s is unavailable", err, nowhere)
	}
}
