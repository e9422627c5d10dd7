// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"blackout/harness/engine"
	"blackout/harness/engine/tmpfs"
	"blackout/harness/watchdog/owner"
)

var _ engine.Site = (*site)(nil)

// tempDir is a node's TMPDIR, inside its directory so that it goes with it.
const tempDir = "tmp"

// site is a node's place; it holds the node once that was started.
type site struct {
	engine *Engine
	name   string
	binary string

	portsMu   sync.Mutex
	addresses map[string]string // by port name

	mu   sync.Mutex // one start at a time
	node *node
	disk engine.Disk // its Dir is empty if there is none
}

// Name is the node's name.
func (s *site) Name() string { return s.name }

// Dir is <Options.Dir>/<node>.
func (s *site) Dir() string { return filepath.Join(s.engine.options.Dir, s.name) }

// Listen is "<Options.Address>:<port>", or empty for a port that was not reserved.
func (s *site) Listen(port string) string {
	s.portsMu.Lock()
	defer s.portsMu.Unlock()
	return s.addresses[port]
}

// Peer is the same as Listen.
func (s *site) Peer(port string) string { return s.Listen(port) }

// AddPort sets one more port aside.
func (s *site) AddPort(port string) error {
	s.portsMu.Lock()
	defer s.portsMu.Unlock()
	if s.addresses[port] != "" {
		return fmt.Errorf("add port %s to %s: the name is taken", port, s.name)
	}
	address, err := s.engine.ports.take()
	if err != nil {
		return fmt.Errorf("add port %s to %s: %w", port, s.name, err)
	}
	s.addresses[port] = address
	return nil
}

// diskDir is where a node's disk is mounted, in its directory.
const diskDir = "disk"

// Disk mounts a tmpfs at <Dir>/disk.
func (s *site) Disk(ctx context.Context, bytes int64) (engine.Disk, error) {
	if err := ctx.Err(); err != nil {
		return engine.Disk{}, fmt.Errorf("add disk to %s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node != nil || s.disk.Dir != "" {
		return engine.Disk{}, fmt.Errorf("add disk to %s: it was started, or has one already", s.name)
	}
	dir := filepath.Join(s.Dir(), diskDir)
	if err := s.engine.mount(dir, bytes); err != nil {
		return engine.Disk{}, fmt.Errorf("add disk to %s: %w", s.name, err)
	}
	s.disk = engine.Disk{Dir: dir, Host: dir, Bytes: bytes}
	return s.disk, nil
}

// mount mounts a disk with the run's mark, by which a sweep finds it.
func (e *Engine) mount(dir string, bytes int64) error {
	e.mu.Lock() // Close sees every disk that was mounted, or this sees Close
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	return tmpfs.Mount(dir, bytes, tmpfs.Mark{Run: e.options.Run, Owner: e.owner.String()})
}

// logPath is where the node's output goes. It is beside the node's directory,
// not in it: a node's own leavings are removed, its log is evidence.
func (s *site) logPath() string { return s.Dir() + ".log" }

// start writes the files and starts the process, on the node that is there
// already if there is one. The node is there, with the error, if the process ran.
func (s *site) start(ctx context.Context, process engine.Process) (*node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node != nil && s.node.running() {
		return nil, errRunning
	}
	if err := s.writeFiles(process.Files); err != nil {
		return nil, err
	}
	if err := s.lend(process.User); err != nil {
		return nil, err
	}
	n := s.node
	if n == nil {
		n = &node{site: s}
	}
	ran, err := n.launch(process)
	if !ran {
		return nil, err
	}
	s.node = n
	if err == nil {
		err = n.runs()
	}
	return n, err
}

// writeFiles puts the files below the node's directory, and nowhere else.
func (s *site) writeFiles(files map[string][]byte) error {
	root, err := os.OpenRoot(s.Dir())
	if err != nil {
		return fmt.Errorf("write files: %w", err)
	}
	for path, content := range files {
		if err := writeFile(root, path, content); err != nil {
			_ = root.Close() // the write error is the one to tell
			return fmt.Errorf("write file %s: %w", path, err)
		}
	}
	return root.Close()
}

func writeFile(root *os.Root, path string, content []byte) error {
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return root.WriteFile(path, content, 0o600) // may be a private key
}

// kill ends the site's process if there is one, without waiting.
func (s *site) kill() error {
	s.mu.Lock()
	n := s.node
	s.mu.Unlock()
	if n == nil {
		return nil
	}
	return n.kill()
}

// environment is what a node gets: nothing of the harness's own but the path,
// so that neither its credentials nor its proxies change what a node does.
func (s *site) environment(process engine.Process) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.Dir(),
		"TMPDIR=" + filepath.Join(s.Dir(), tempDir),
	}
	if race := s.engine.options.Race; race != "" {
		env = append(env, "GORACE=log_path="+filepath.Join(race, s.name))
	}
	for key, value := range process.Env {
		env = append(env, key+"="+value) // of two with one key, os/exec passes on the last
	}
	return append(env,
		engine.RunVariable+"="+s.engine.options.Run,
		owner.Variable+"="+s.engine.owner.String())
}
