// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"blackout/harness/engine"
	"blackout/harness/engine/tmpfs"
)

// diskDir is where a node's disk is mounted, in its volume.
const diskDir = "disk"

// diskMark is a file by which the daemon shows that it sees the disk.
const diskMark = ".blackout-disk"

// Disk mounts a tmpfs in the node's volume. The volume is bound into every
// container of the node with what is mounted in it, and so the disk outlives
// them: a tmpfs of Docker's own would be empty after each.
func (s *site) Disk(ctx context.Context, bytes int64) (engine.Disk, error) {
	ctx, end, err := s.engine.begin(ctx)
	if err != nil {
		return engine.Disk{}, fmt.Errorf("add disk to %s: %w", s.name, err)
	}
	defer end()
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.started != nil || s.disk.Dir != "" {
		return engine.Disk{}, fmt.Errorf("add disk to %s: it was started, or has one already", s.name)
	}
	host, err := s.mountDisk(ctx, bytes)
	if err != nil {
		return engine.Disk{}, fmt.Errorf("add disk to %s: %w", s.name, err)
	}
	s.disk = engine.Disk{Dir: path.Join(dataDir, diskDir), Host: host, Bytes: bytes}
	return s.disk, nil
}

func (s *site) mountDisk(ctx context.Context, bytes int64) (host string, err error) {
	e := s.engine
	volume, err := e.daemon.VolumeInspect(ctx, s.object(), client.VolumeInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("find its volume: %w", err)
	}
	within := volume.Volume.Mountpoint
	if _, err := os.Stat(within); err != nil || !e.routable {
		return "", fmt.Errorf("%w: the daemon's volumes are not on this machine, or not for this user: run as root beside the daemon", engine.ErrUnsupported)
	}
	host = filepath.Join(within, diskDir)
	if err := tmpfs.Mount(host, bytes, tmpfs.Mark{Run: e.options.Run, Owner: e.owner.String()}); err != nil {
		return "", err
	}
	return host, nil
}

// checkDisk looks, before the container starts, whether its disk is the one that
// is mounted here: a daemon with mounts of its own would give the node a
// directory without a limit, and faults of the disk would be no faults. Later
// starts are not checked: by then the disk may be full.
func (s *site) checkDisk(ctx context.Context, made testcontainers.Container) error {
	if s.disk.Dir == "" || s.started != nil {
		return nil
	}
	mark := filepath.Join(s.disk.Host, diskMark)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return fmt.Errorf("check disk: %w", err)
	}
	_, err := s.engine.daemon.ContainerStatPath(ctx, made.GetContainerID(), client.ContainerStatPathOptions{Path: path.Join(s.disk.Dir, diskMark)})
	if errdefs.IsNotFound(err) {
		err = fmt.Errorf("%w: the daemon does not see what is mounted here", engine.ErrUnsupported)
	}
	if err := errors.Join(err, os.Remove(mark)); err != nil {
		return fmt.Errorf("check disk: %w", err)
	}
	return nil
}
