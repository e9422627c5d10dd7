// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/harness/engine"
	"blackout/harness/engine/local"
)

// TestMain keeps the ledgers of these tests from those of real runs.
func TestMain(m *testing.M) {
	cache, err := os.MkdirTemp("", "blackout-database-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv("XDG_CACHE_HOME", cache)
	code := m.Run()
	_ = os.RemoveAll(cache)
	os.Exit(code)
}

// start starts a server, or leaves the test out.
func start(t *testing.T) (*Server, *local.Engine, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	installed, err := Find(ctx)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "blackout-database-") // unlike a test's own, below a directory that everybody may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	run := fmt.Sprintf("%s-%d", t.Name(), os.Getpid())
	host, err := local.New(ctx, local.Options{Run: run, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if left := titled(t, run); len(left) > 0 {
			t.Errorf("processes of the server are left: %q", left)
		}
	})
	s, err := installed.Start(ctx, Options{Host: host, Run: run, Allow: netip.MustParsePrefix("127.0.0.1/32")})
	if err != nil {
		t.Fatal(err)
	}
	return s, host, run
}

// titled are the titles of the processes that show a run's id.
func titled(t *testing.T, run string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, path := range paths {
		if title, err := os.ReadFile(path); err == nil && strings.Contains(string(title), run) {
			titles = append(titles, string(title))
		}
	}
	return titles
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	s, _, run := start(t)
	if err := Ask(t.Context(), dial(t, s.Address())); err != nil {
		t.Error(err)
	}
	for range 2 { // the second is shared
		if err := s.Create(t.Context(), `two words "quoted"`); err != nil {
			t.Error(err)
		}
	}
	if titles := titled(t, run); len(titles) < 2 {
		t.Errorf("processes that show the run's id: %q, want the server's and its children", titles)
	}
	env, err := s.Environment("cp", "127.0.0.1:5432")
	if err != nil || env["KONG_PG_HOST"] != "127.0.0.1" || env["KONG_PG_PORT"] != "5432" || env["KONG_PG_DATABASE"] != "cp" || env["KONG_PG_PASSWORD"] != s.Password() {
		t.Errorf("environment %v, %v", env, err)
	}
}

// TestOnlyTheRoleGetsIn, with the run's password, to its own database.
func TestOnlyTheRoleGetsIn(t *testing.T) {
	t.Parallel()
	s, host, _ := start(t)
	if err := s.Create(t.Context(), "cp"); err != nil {
		t.Fatal(err)
	}
	client, err := host.Reserve(t.Context(), "client", s.program(psql))
	if err != nil {
		t.Fatal(err)
	}
	h, port, err := net.SplitHostPort(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user, password, want string
	}{
		"as a gateway":            {Role, s.Password(), ""},
		"with another password":   {Role, "guessed", "password authentication failed"},
		"as its administrator":    {administrator, s.Password(), "no pg_hba.conf entry"},
		"as nobody in particular": {"nobody", "", "no pg_hba.conf entry"},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.finish(t.Context(), client, engine.Process{
				Env: map[string]string{"PGPASSWORD": c.password},
				Args: []string{"--no-psqlrc", "--no-password", "--host", h, "--port", port, "--username", c.user, "--dbname", "cp",
					"--command", "CREATE TABLE t (i int); DROP TABLE t"},
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestHeldConnectionIsNeverLeftWithoutAnAnswer by a server that is there: a witness
// would take that for a fault.
func TestHeldConnectionIsNeverLeftWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t)
	held, err := Hold(t.Context(), dial(t, s.Address()))
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Ask(t.Context()); err != nil {
		t.Errorf("the second question: %v", err)
	}
	var timeout net.Error
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := held.Ask(ctx); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a later question: error %v, want an end", err)
		}
		cancel()
	}
}

func TestAskOfSomethingElse(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		_, _ = there.Read(make([]byte, 8))
		_, _ = there.Write([]byte("HTTP/1.1 400 Bad Request"))
	}()
	if err := Ask(t.Context(), here); err == nil || !strings.Contains(err.Error(), "not a PostgreSQL") {
		t.Errorf("error %v", err)
	}
	silent, _ := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Ask(ctx, silent); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v of an unanswered question", err)
	}
}

func TestNewest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dirs []string
		want string
	}{
		{nil, ""},
		{[]string{"/usr/lib/postgresql/15/bin"}, "/usr/lib/postgresql/15/bin"},
		{[]string{"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/16/bin"}, "/usr/lib/postgresql/16/bin"},
	} {
		if got := newest(c.dirs); got != c.want {
			t.Errorf("newest of %v: %s, want %s", c.dirs, got, c.want)
		}
	}
}

func TestFindSaysHowToInstall(t *testing.T) {
	t.Setenv(Variable, t.TempDir())
	_, err := Find(t.Context())
	if !errors.Is(err, engine.ErrUnsupported) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("error %v, want one that wraps ErrUnsupported and says how to install", err)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n")
	f.Add("postgres (PostgreSQL) ")
	f.Fuzz(func(t *testing.T, said string) {
		if version, err := parseVersion(said); err == nil && (version == "" || !strings.Contains(said, version)) {
			t.Fatalf("parseVersion(%q) = %q", said, version)
		}
	})
}
