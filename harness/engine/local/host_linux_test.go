// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"blackout/harness/engine"
	"blackout/harness/engine/local"
)

// systemRoles are node programs that need Linux.
var systemRoles = map[string]func() int{"segment": segment, "attach": attach, "whoami": whoami}

// segment makes a shared memory segment that a child of another session, without
// marks, holds on to, says its id, and serves.
func segment() int {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	child := exec.Command(os.Args[0])
	child.Env = []string{roleVariable + "=attach", fmt.Sprintf("SEGMENT=%d", id)}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1)) // it is attached
	}
	fmt.Println("segment", id, err)
	return serve()
}

// attach holds on to a segment until it is killed.
func attach() int {
	var id int
	if _, err := fmt.Sscan(os.Getenv("SEGMENT"), &id); err != nil {
		return 1
	}
	if _, err := unix.SysvShmAttach(id, 0, 0); err != nil {
		return 1
	}
	fmt.Println("attached")
	select {}
}

// whoami says whom it runs as and whether it may write in its directory, and serves.
func whoami() int {
	err := os.WriteFile("mine", nil, 0o600)
	groups, groupsErr := os.Getgroups()
	fmt.Println("user", os.Getuid(), "groups", groups, errors.Join(err, groupsErr))
	return serve()
}

// segmentThere says whether a segment is in the kernel's table.
func segmentThere(t *testing.T, id string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == id {
			return true
		}
	}
	return false
}

// TestSweepRemovesSharedMemory that outlives the process that made it, and waits for
// those that use it.
func TestSweepRemovesSharedMemory(t *testing.T) {
	t.Parallel()
	run, dir := runID(t), t.TempDir()
	address, kill := startHarness(t, run, dir, "segment")
	ask(t, address)
	log, err := os.ReadFile(filepath.Join(dir, "dp-1.log"))
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if _, err := fmt.Sscanf(string(log), "segment %s <nil>", &id); err != nil || !segmentThere(t, id) {
		t.Fatalf("the node says %q: %v", log, err)
	}
	kill()
	assertSwept(t, true, run)
	if segmentThere(t, id) {
		t.Errorf("shared memory %s is still there", id)
	}
}

func TestNodesListenOnAnotherAddress(t *testing.T) {
	t.Parallel()
	e, err := local.New(t.Context(), local.Options{Run: runID(t), Dir: t.TempDir(), Address: netip.MustParseAddr("127.0.0.7")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	site, _ := startNode(t, e, "serve")
	if !strings.HasPrefix(site.Peer("proxy"), "127.0.0.7:") {
		t.Errorf("its address is %s", site.Peer("proxy"))
	}
	ask(t, site.Peer("proxy"))
}

func TestRunsAsAnotherUser(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	if err != nil || os.Geteuid() != 0 {
		t.Skipf("NOT MEASURED: needs root and the user nobody (%v)", err)
	}
	dir, err := os.MkdirTemp("", "blackout-user-") // unlike a test's own, below a directory that everybody may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e, err := local.New(t.Context(), local.Options{Run: runID(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	// The test's own program lies where nobody else may go.
	binary := filepath.Join(dir, "program")
	if err := os.Link(program(t).Binary, binary); err != nil {
		t.Skipf("NOT MEASURED: %v", err)
	}
	site, err := e.Reserve(t.Context(), "db", engine.Program{Name: "test", Binary: binary}, "proxy")
	if err != nil {
		t.Fatal(err)
	}
	node, err := e.Start(t.Context(), site, engine.Process{
		User: "nobody", Env: map[string]string{roleVariable: "whoami", "LISTEN": site.Listen("proxy")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, site.Listen("proxy"))
	if want := "user " + nobody.Uid + " groups [] <nil>"; !strings.Contains(logOf(t, node), want) {
		t.Errorf("the node says %q, want %q", logOf(t, node), want)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o710 {
		t.Errorf("the directory of all nodes is %v, %v, want one that only the user's group may pass", info.Mode(), err)
	}
	if err := errors.Join(node.Kill(t.Context()), node.Restart(t.Context())); err != nil {
		t.Fatalf("again: %v", err)
	}
	ask(t, site.Listen("proxy"))
}

func TestCannotRunAsAnotherUser(t *testing.T) {
	t.Parallel()
	e, _ := newEngine(t)
	site, err := e.Reserve(t.Context(), "db", program(t), "proxy")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"blackout-nobody-of-this-name"}
	if os.Geteuid() != 0 {
		names = append(names, "root")
	} else {
		names = append(names, "nobody") // a test's directory is its user's alone
	}
	for _, name := range names {
		if _, err := e.Start(t.Context(), site, engine.Process{User: name}); !errors.Is(err, engine.ErrUnsupported) {
			t.Errorf("as %s: error %v, want one that wraps ErrUnsupported", name, err)
		}
	}
}
