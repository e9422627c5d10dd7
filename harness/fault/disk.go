// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"blackout/harness/engine"
	"blackout/harness/engine/tmpfs"
)

// NewDisk returns the means of a fault of a node's disk. Control asks something
// that the fault does not act on: another node, or another disk.
//
// The witness of a full or read-only disk is a write by the harness, for no
// permission keeps root from writing. A file that was wiped or corrupted is given
// back when the fault is healed, if it still is as the fault left it: the disk
// then holds what it would hold without the fault. What the node has written
// anew, the node keeps.
func NewDisk(disk engine.Disk, spec Spec, control func(context.Context) error) Means {
	d := diskFault{disk: disk, spec: spec, control: control}
	switch spec.Kind {
	case DiskFull:
		return &fullDisk{d}
	case DiskReadOnly:
		return &readOnlyDisk{d}
	case DiskCorrupted:
		return &corruptedDisk{diskFault: d}
	default:
		return &wipedDisk{diskFault: d}
	}
}

// diskFault is what the faults of a disk have in common.
type diskFault struct {
	disk    engine.Disk
	spec    Spec
	control func(context.Context) error
}

// Prepare sees that the disk can be written.
func (d *diskFault) Prepare(ctx context.Context) error {
	if d.disk.Host == "" {
		return fmt.Errorf("%w: %s has no disk of its own", ErrCannotStage, d.spec.Node)
	}
	if err := d.write(); err != nil {
		return fmt.Errorf("%w: the disk cannot be written even before the fault: %w", ErrNotWitnessed, err)
	}
	if err := d.control(ctx); err != nil {
		return fmt.Errorf("%w: what is untouched does not work even before the fault: %w", ErrNotWitnessed, err)
	}
	return nil
}

// Undo is nothing: what the fault did to a disk's files goes with the disk.
func (d *diskFault) Undo() []Undo { return nil }

// Clean has nothing to remove.
func (d *diskFault) Clean(context.Context) error { return nil }

// probeSize is what a witness writes, in bytes: the least that takes up room.
const probeSize = 4096

// write writes a file to the disk and removes it.
func (d *diskFault) write() (err error) {
	file, err := os.CreateTemp(d.disk.Host, ".blackout-probe-")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeSize))
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

// refuses says whether a write fails with that error, though what is untouched
// works.
func (d *diskFault) refuses(ctx context.Context, want syscall.Errno) (string, bool) {
	err := d.write()
	switch {
	case err == nil:
		return "a write to the disk still works", false
	case !errors.Is(err, want):
		return fmt.Sprintf("a write to the disk fails, but not as it should: %v", err), false
	}
	return d.besides(ctx, "a write to the disk fails: "+want.Error())
}

// besides adds to what was seen whether what is untouched works.
func (d *diskFault) besides(ctx context.Context, seen string) (string, bool) {
	if err := d.control(ctx); err != nil {
		return fmt.Sprintf("%s; but what is untouched does not work either: %v", seen, err), false
	}
	return seen + "; what is untouched works", true
}

// LookHealed looks whether the disk can be written.
func (d *diskFault) LookHealed(context.Context) (string, bool) {
	if err := d.write(); err != nil {
		return fmt.Sprintf("a write to the disk still fails: %v", err), false
	}
	return "a write to the disk works again", true
}

// fullDisk stages DiskFull.
type fullDisk struct{ diskFault }

// ballastName is the file that fills a disk.
const ballastName = ".blackout-ballast"

// UndoFullDisk is the name of the undo that [FreeDisk] carries out.
const UndoFullDisk = "free disk"

func (f *fullDisk) ballast() string { return filepath.Join(f.disk.Host, ballastName) }

// Undo removes the ballast.
func (f *fullDisk) Undo() []Undo {
	return []Undo{{Do: UndoFullDisk, Args: map[string]string{"ballast": f.ballast()}}}
}

// FreeDisk removes the file args["ballast"] from a full disk. If it is not there,
// nothing is left to do.
func FreeDisk(_ context.Context, args map[string]string) error {
	path := args["ballast"]
	if filepath.Base(path) != ballastName {
		return fmt.Errorf("free disk: %s is no file of this program's", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("free disk: %w", err)
	}
	return nil
}

// Inject writes until the disk is full.
func (f *fullDisk) Inject(ctx context.Context) error {
	file, err := os.OpenFile(f.ballast(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make ballast: %w", err)
	}
	return errors.Join(fill(ctx, file, f.disk.Bytes), file.Close())
}

// fill writes to a file until its disk is full. More than the disk's size would
// say that it is another disk, perhaps the machine's own.
func fill(ctx context.Context, file *os.File, size int64) error {
	page := make([]byte, probeSize)
	for written := int64(0); written <= size+probeSize; {
		n, err := file.Write(page)
		written += int64(n)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			return nil
		case err != nil:
			return fmt.Errorf("write ballast: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("write ballast: %w", context.Cause(ctx))
		}
	}
	return fmt.Errorf("write ballast: a disk of %d bytes takes more than that: it is not the one that was mounted", size)
}

// Look sees that a write fails for want of room.
func (f *fullDisk) Look(ctx context.Context) (string, bool) { return f.refuses(ctx, syscall.ENOSPC) }

// Heal removes the ballast.
func (f *fullDisk) Heal(ctx context.Context) error {
	return FreeDisk(ctx, map[string]string{"ballast": f.ballast()})
}

// readOnlyDisk stages DiskReadOnly.
type readOnlyDisk struct{ diskFault }

// UndoReadOnlyDisk is the name of the undo that [MakeWritable] carries out.
const UndoReadOnlyDisk = "make disk writable"

// Undo makes the disk writable.
func (r *readOnlyDisk) Undo() []Undo {
	return []Undo{{Do: UndoReadOnlyDisk, Args: map[string]string{"disk": r.disk.Host}}}
}

// MakeWritable makes the disk that is mounted at args["disk"] writable again. If
// none is, nothing is left to do.
func MakeWritable(_ context.Context, args map[string]string) error {
	err := tmpfs.Remount(args["disk"], false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// The kernel refuses to make a disk read-only on which a file is open for
// writing. One that is just being written is waited for.
const (
	busyLimit    = 5 * time.Second
	busyInterval = 10 * time.Millisecond
)

// Inject makes the disk read-only.
func (r *readOnlyDisk) Inject(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyLimit)
	defer cancel()
	tick := time.NewTicker(busyInterval)
	defer tick.Stop()
	for {
		err := tmpfs.Remount(r.disk.Host, true)
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: a file on the disk stays open for writing: %w", ErrCannotStage, err)
		case <-tick.C:
		}
	}
}

// Look sees that a write is refused because the disk is read-only.
func (r *readOnlyDisk) Look(ctx context.Context) (string, bool) { return r.refuses(ctx, syscall.EROFS) }

// Heal makes the disk writable.
func (r *readOnlyDisk) Heal(ctx context.Context) error {
	return MakeWritable(ctx, map[string]string{"disk": r.disk.Host})
}
