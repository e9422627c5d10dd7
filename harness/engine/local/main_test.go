// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blackout/harness/engine"
	"blackout/harness/engine/local"
)

// roleVariable makes this test binary one of the node programs below.
const roleVariable = "LOCAL_TEST_ROLE"

func TestMain(m *testing.M) {
	// The ledgers of these tests must not meet those of real runs.
	role := os.Getenv(roleVariable)
	if role != "" {
		maps.Copy(roles, systemRoles)
		os.Exit(roles[role]())
	}
	cache, err := os.MkdirTemp("", "blackout-local-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv("XDG_CACHE_HOME", cache)
	code := m.Run()
	_ = os.RemoveAll(cache)
	os.Exit(code)
}

// roles are the node programs; each returns its exit code.
var roles = map[string]func() int{
	"serve": serve,
	"exit":  func() int { return 7 },
	"environ": func() int {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return 0
	},
	"files": func() int {
		content, err := os.ReadFile("conf/node.conf")
		fmt.Printf("%s %v\n", content, err)
		return 0
	},
	"deaf": func() int {
		signal.Ignore(syscall.SIGTERM)
		return serve()
	},
	"busy": func() int {
		go func() {
			var turns atomic.Uint64
			for turns.Add(1) > 0 { // uses a processor until it is killed
			}
		}()
		return serve()
	},
	"parent":  func() int { return parent(false) },
	"escapee": func() int { return parent(true) },
	"wiped":   wiped,
	"fill":    fill,
	"writer":  writer,
	"owner":   ownARun,
}

// serve answers every connection with its process id.
func serve() int {
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprintf(conn, "%d\n", os.Getpid())
		_ = conn.Close()
	}
}

// parent is a node whose child does the serving, in a session of its own if
// escape is set, and serves on a second port itself.
func parent(escape bool) int {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=serve", "LISTEN="+os.Getenv("CHILD_LISTEN"))
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: escape}
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	return serve()
}

// wiped becomes a server without the marks in its environment, as a program
// does that writes its title over it.
func wiped() int {
	err := syscall.Exec(os.Args[0], os.Args, []string{roleVariable + "=serve", "LISTEN=" + os.Getenv("LISTEN")})
	fmt.Println(err)
	return 1
}

// fill writes more into a directory than its disk holds, says how that went, and
// serves.
func fill() int {
	fmt.Println(os.WriteFile(filepath.Join(os.Getenv("FILL"), "file"), make([]byte, 2*diskSize), 0o600))
	return serve()
}

// writer writes a line in two parts, and one to each stream, and serves.
func writer() int {
	fmt.Print("in two ")
	fmt.Fprintln(os.Stdout, "parts", os.Getpid())
	fmt.Fprintln(os.Stderr, "to standard error")
	return serve()
}

// ownARun is a harness that starts a node, tells its address, and waits to be
// killed.
func ownARun() int {
	ctx := context.Background()
	e, err := local.New(ctx, local.Options{Run: os.Getenv("RUN"), Dir: os.Getenv("DIR")})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	site, err := e.Reserve(ctx, "dp-1", engine.Program{Name: "test", Binary: os.Args[0]}, "proxy")
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	if _, err := site.Disk(ctx, diskSize); err != nil && !errors.Is(err, engine.ErrUnsupported) {
		fmt.Println("error", err)
		return 1
	}
	env := map[string]string{roleVariable: os.Getenv("NODE_ROLE"), "LISTEN": site.Listen("proxy")}
	if _, err := e.Start(ctx, site, engine.Process{Env: env}); err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println(site.Listen("proxy"))
	select {}
}

// testContext ends shortly before the package's time-out would.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// runID names a run after its test.
func runID(t *testing.T) string {
	return strings.NewReplacer("/", "-", " ", "_").Replace(t.Name()) + "-" + strconv.Itoa(os.Getpid())
}

func newEngine(t *testing.T) (*local.Engine, string) {
	t.Helper()
	dir := t.TempDir()
	e, err := local.New(t.Context(), local.Options{Run: runID(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, dir
}

func program(t *testing.T) engine.Program {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return engine.Program{Name: "test", Binary: binary}
}

// startNode starts a node in a role, listening on its "proxy" port.
func startNode(t *testing.T, e *local.Engine, role string) (engine.Site, engine.Node) {
	t.Helper()
	site, err := e.Reserve(t.Context(), "dp-1", program(t), "proxy", "child")
	if err != nil {
		t.Fatal(err)
	}
	node, err := e.Start(t.Context(), site, engine.Process{Env: map[string]string{
		roleVariable:   role,
		"LISTEN":       site.Listen("proxy"),
		"CHILD_LISTEN": site.Listen("child"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return site, node
}

// startShort starts a process that ends by itself. Whether Start sees the end
// already depends on who is faster.
func startShort(t *testing.T, e *local.Engine, site engine.Site, process engine.Process) engine.Node {
	t.Helper()
	node, err := e.Start(testContext(t), site, process)
	if node == nil || err != nil && !errors.Is(err, engine.ErrEnded) {
		t.Fatalf("Start() = %v, %v, want a node, and no other error than ErrEnded", node, err)
	}
	return node
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// ask dials until somebody answers and returns the answer.
func ask(t *testing.T, address string) string {
	t.Helper()
	var answer string
	eventually(t, "somebody answers at "+address, func(ctx context.Context) bool {
		got, err := askOnce(ctx, address)
		answer = got
		return err == nil && got != ""
	})
	return answer
}

func askOnce(ctx context.Context, address string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	answer, err := io.ReadAll(conn)
	return strings.TrimSpace(string(answer)), err
}

// awaitSilence waits until connections to the address are refused.
func awaitSilence(t *testing.T, address string) {
	t.Helper()
	eventually(t, "nobody answers at "+address, func(ctx context.Context) bool {
		_, err := askOnce(ctx, address)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// awaitEnd waits until the node's process has ended.
func awaitEnd(t *testing.T, node engine.Node) engine.State {
	t.Helper()
	var state engine.State
	eventually(t, "the process ends", func(ctx context.Context) bool {
		var err error
		state, err = node.State(ctx)
		return err == nil && !state.Running
	})
	return state
}

func stateOf(t *testing.T, node engine.Node) engine.State {
	t.Helper()
	state, err := node.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func logOf(t *testing.T, node engine.Node) string {
	t.Helper()
	reader, err := node.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err := errors.Join(err, reader.Close()); err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// assertGone checks that a path does not exist.
func assertGone(t *testing.T, path ...string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(path...)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", filepath.Join(path...), err)
	}
}
