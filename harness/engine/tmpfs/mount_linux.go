// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package tmpfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"blackout/harness/engine"
)

const flags = unix.MS_NOSUID | unix.MS_NODEV

// Mount makes the directory dir, which must not be there, and mounts a disk of
// that many bytes on it, writable by anyone. The error wraps
// [engine.ErrUnsupported] if this process may not mount; nothing is left then.
func Mount(dir string, bytes int64, mark Mark) error {
	if bytes <= 0 {
		return fmt.Errorf("mount disk %s: a disk of %d bytes has no room", dir, bytes)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}
	err := unix.Mount(mark.String(), dir, "tmpfs", flags, fmt.Sprintf("size=%d,mode=0777", bytes))
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: this process may not mount (CAP_SYS_ADMIN): run as root: %w", engine.ErrUnsupported, err)
	}
	return fmt.Errorf("mount disk: %w", errors.Join(err, os.Remove(dir)))
}

// Remount makes the disk at dir read-only, or writable again, for everybody who
// has it mounted, in whatever namespace. It is idempotent. A disk on which a file
// is open for writing cannot become read-only: the error is then unix.EBUSY,
// wrapped. Nothing but a disk is touched: without one at dir, the error wraps
// os.ErrNotExist.
func Remount(dir string, readOnly bool) error {
	dir, err := filepath.EvalSymlinks(dir) // as the mount table has it
	if err != nil {
		return fmt.Errorf("remount disk: %w", err)
	}
	disks, err := mounted()
	if err != nil {
		return fmt.Errorf("remount disk %s: %w", dir, err)
	}
	i := slices.IndexFunc(disks, func(d disk) bool { return d.dir == dir })
	if i < 0 {
		return fmt.Errorf("remount disk %s: none is mounted there: %w", dir, os.ErrNotExist)
	}
	with := uintptr(unix.MS_REMOUNT | flags)
	if readOnly {
		with |= unix.MS_RDONLY
	}
	if err := unix.Mount(disks[i].mark.String(), dir, "tmpfs", with, ""); err != nil {
		return fmt.Errorf("remount disk %s: %w", dir, err)
	}
	return nil
}

// Sweep takes away the disks that are wanted, also those in use, and returns a
// line for each. The directories stay.
func Sweep(wanted func(Mark) (bool, error)) (removed []string, err error) {
	disks, err := mounted()
	if err != nil {
		return nil, fmt.Errorf("sweep disks: %w", err)
	}
	var errs []error
	for _, d := range disks {
		take, err := wanted(d.mark)
		if err == nil && take {
			err = unix.Unmount(d.dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // another sweep was faster
		case err != nil:
			errs = append(errs, fmt.Errorf("unmount disk %s of run %s: %w", d.dir, d.mark.Run, err))
		case take:
			removed = append(removed, fmt.Sprintf("disk %s of run %s", d.dir, d.mark.Run))
		}
	}
	return removed, errors.Join(errs...)
}

// mounted are our disks in this process's mount namespace.
func mounted() ([]disk, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	return parseMounts(string(table)), nil
}
