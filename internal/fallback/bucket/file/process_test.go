// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
)

// roleVariable makes the test binary a process of another kind, which tests start,
// with the directory in dirVariable.
const (
	roleVariable = "BLACKOUT_FILE_TEST_ROLE"
	dirVariable  = "BLACKOUT_FILE_TEST_DIR"
)

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{"writer": writeForEver, "volume": fillAVolume, "stranger": readAsStranger}
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv(dirVariable)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func process(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	return command
}

// fill is what every body of writeForEver ends with.
var fill = strings.Repeat("x", 2<<20)

// writeForEver writes bodies that begin with a number, each larger than the one
// before, and says every number once it is written.
func writeForEver(dir string) error {
	b, err := Open(dir)
	if err != nil {
		return err
	}
	n, err := latest(b)
	for err == nil {
		n++
		_, err = b.Put(context.Background(), key, bucket.BodyOf([]byte(strconv.Itoa(n)+fill)), bucket.PutOptions{Metadata: map[string]string{"n": strconv.Itoa(n)}})
		fmt.Println(n)
	}
	return err
}

// latest is the number of the body that is there, 0 if there is none, and an error
// if it is not whole.
func latest(b *Bucket) (int, error) {
	object, err := b.Get(context.Background(), key, 4<<20)
	if errors.Is(err, bucket.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	number, whole := strings.CutSuffix(string(object.Body), fill)
	n, err := strconv.Atoi(number)
	if err != nil || !whole || object.Metadata["n"] != number {
		return 0, fmt.Errorf("there are %d bytes that begin with %.20q, with the metadata %v", len(object.Body), object.Body, object.Metadata)
	}
	return n, nil
}

func TestKilledAtAnyInstantAWriterLeavesAWholeObject(t *testing.T) {
	t.Parallel()
	kills := 60
	if testing.Short() {
		kills = 10
	}
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 0))
	dir := memoryDir(t)
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for kill := range kills {
		said := runAndKill(t, dir, random.Float64())
		n, err := latest(b)
		if err != nil || n < said || n > said+1 {
			t.Fatalf("kill %d of seed %d: the writer had said %d, there is %d, %v", kill, seed, said, n, err)
		}
	}
	if n, err := latest(b); err != nil || n < kills {
		t.Errorf("%d writes before %d kills, %v", n, kills, err)
	}
}

// memoryDir is a directory in memory, where there is such a file system: on a disk a
// write mostly waits for it, and few kills would come in the middle of anything else.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "blackout-file-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// runAndKill kills a writer at an instant of its third write, which phase in [0,1)
// chooses by how long the second took, and returns the last number that it said.
func runAndKill(t *testing.T, dir string, phase float64) int {
	t.Helper()
	command := process(t, "writer", dir)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	said := readNumber(t, lines, 0)
	began := time.Now()
	said = readNumber(t, lines, said)
	<-time.After(time.Duration(phase * float64(time.Since(began))))
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		next := readNumber(t, lines, said)
		if next == said {
			break
		}
		said = next
	}
	// It was killed; its exit status says just that.
	_ = command.Wait()
	removeLeft(t, dir)
	return said
}

// removeLeft removes what the dead writer left, which the next one would take for a
// living one's: many of them do not fit into a small file system in memory.
func removeLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, filepath.Dir(key), stagedPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// readNumber is the number in the next line, or last where there is no more.
func readNumber(t *testing.T, lines *bufio.Reader, last int) int {
	t.Helper()
	line, err := lines.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return last
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the writer says %q", line)
	}
	return n
}

// noVolume is what a process says that may not mount.
const noVolume = "NOT MEASURED: may not mount a file system: "

// inMountNamespace runs a role where what it mounts is gone with it.
func inMountNamespace(t *testing.T, role string) {
	t.Helper()
	command := process(t, role, t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := command.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || strings.HasPrefix(string(out), noVolume) {
		t.Skipf("needs the right to mount: %s %v", out, err)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAFullOrReadOnlyVolumeKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	inMountNamespace(t, "volume")
}

func fillAVolume(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		return fmt.Errorf("%s%w", noVolume, err)
	}
	b, err := Open(dir)
	if err != nil {
		return err
	}
	version, err := b.Put(context.Background(), key, bucket.BodyOf([]byte(table)), bucket.PutOptions{})
	if err != nil {
		return err
	}
	if _, err := b.Put(context.Background(), key, bucket.BodyOf(make([]byte, 512<<10)), bucket.PutOptions{}); !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), "the volume is full") {
		return fmt.Errorf("full: %w", err)
	}
	if object, err := b.Get(context.Background(), key, 1<<20); err != nil || object.Version != version {
		return fmt.Errorf("after a write to the full volume there is %+v: %w", object, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "3.9.1.0", stagedPrefix+"*")); err != nil || len(left) != 0 {
		return fmt.Errorf("left are %q: %w", left, err)
	}
	if err := recoverFromDeadWriter(b, dir); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	if _, err := b.Put(context.Background(), key, bucket.BodyOf([]byte("x")), bucket.PutOptions{}); !errors.Is(err, bucket.ErrDenied) {
		return fmt.Errorf("read-only: %w", err)
	}
	if object, err := b.Get(context.Background(), key, 1<<20); err != nil || string(object.Body) != "again" {
		return fmt.Errorf("on the read-only volume there is %+v: %w", object, err)
	}
	return nil
}

// recoverFromDeadWriter writes to a volume that is full of what a dead writer left.
func recoverFromDeadWriter(b *Bucket, dir string) error {
	dead := filepath.Join(dir, "3.9.1.0", stagedPrefix+"DEAD")
	if err := os.WriteFile(dead, make([]byte, 512<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the volume does not fill: %w", err)
	}
	when := time.Now().Add(-time.Minute)
	if err := os.Chtimes(dead, when, when); err != nil {
		return err
	}
	if _, err := b.Put(context.Background(), key, bucket.BodyOf([]byte("again")), bucket.PutOptions{}); err != nil {
		return fmt.Errorf("full of what a dead writer left: %w", err)
	}
	return nil
}

func TestAStrangerIsDenied(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, which can become somebody else")
	}
	inMountNamespace(t, "stranger")
}

func readAsStranger(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0711"); err != nil {
		return fmt.Errorf("%s%w", noVolume, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		return err
	}
	b, err := Open(dir)
	if err != nil {
		return err
	}
	if _, err := b.Put(context.Background(), key, bucket.BodyOf([]byte(table)), bucket.PutOptions{}); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	// Its parents are closed to others: the process stays inside.
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := syscall.Setgid(65534); err != nil {
		return err
	}
	if err := syscall.Setuid(65534); err != nil {
		return err
	}
	b.dir = "."
	if _, err := b.Get(context.Background(), key, 1000); !errors.Is(err, bucket.ErrDenied) || !strings.Contains(err.Error(), "check the rights") {
		return fmt.Errorf("get: %w", err)
	}
	if _, err := b.Put(context.Background(), "other/config.json", bucket.BodyOf(nil), bucket.PutOptions{}); !errors.Is(err, bucket.ErrDenied) {
		return fmt.Errorf("put: %w", err)
	}
	if listed, _, err := b.List(context.Background(), "", 100); err != nil || len(listed) != 0 {
		return fmt.Errorf("list: %v %w", listed, err)
	}
	return nil
}
