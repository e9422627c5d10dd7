// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
)

// copied is a file as it was before the fault.
type copied struct {
	info    fs.FileInfo
	content []byte
}

// copies are the regular files of a disk by path. They are held in memory, which
// is where the disk is too.
type copies map[string]copied

// copyFiles reads the files of a disk. One that goes away meanwhile was none.
func copyFiles(disk *os.Root) (copies, error) {
	files := make(copies)
	err := fs.WalkDir(disk.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(path.Base(name), ".blackout-") {
			return passOver(err)
		}
		info, err := entry.Info()
		if err != nil {
			return passOver(err)
		}
		content, err := disk.ReadFile(name)
		if err != nil {
			return passOver(err)
		}
		files[name] = copied{info, content}
		return nil
	})
	return files, err
}

// passOver is the error of something that was there, if it is not that it is
// gone.
func passOver(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// names are the files' paths in order.
func (c copies) names() []string { return slices.Sorted(maps.Keys(c)) }

// onDisk does something to the disk's files.
func (d *diskFault) onDisk(do func(disk *os.Root) error) error {
	disk, err := os.OpenRoot(d.disk.Host)
	if err != nil {
		return err
	}
	return errors.Join(do(disk), disk.Close())
}

// prepareFiles reads the files that the fault will act on.
func (d *diskFault) prepareFiles(ctx context.Context) (files copies, err error) {
	if err := d.Prepare(ctx); err != nil {
		return nil, err
	}
	err = d.onDisk(func(disk *os.Root) error {
		files, err = copyFiles(disk)
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%w: the disk has no file even before the fault", ErrNotWitnessed)
	}
	return files, err
}

// wipedDisk stages DiskWiped.
type wipedDisk struct {
	diskFault
	files    copies
	injected bool
}

func (w *wipedDisk) Prepare(ctx context.Context) (err error) {
	w.files, err = w.prepareFiles(ctx)
	return err
}

// Inject removes all that is on the disk.
func (w *wipedDisk) Inject(context.Context) error {
	w.injected = true
	return w.onDisk(func(disk *os.Root) error {
		entries, err := fs.ReadDir(disk.FS(), ".")
		errs := []error{err}
		for _, e := range entries {
			errs = append(errs, disk.RemoveAll(e.Name()))
		}
		return errors.Join(errs...)
	})
}

// Look sees that no file is there that was there before. What a running node has
// written since is something else.
func (w *wipedDisk) Look(ctx context.Context) (string, bool) {
	var since int
	err := w.onDisk(func(disk *os.Root) error {
		now, err := copyFiles(disk)
		since = len(now)
		for _, name := range now.names() {
			if before, ok := w.files[name]; ok && os.SameFile(before.info, now[name].info) {
				return fmt.Errorf("%s is still there", name)
			}
		}
		return err
	})
	if err != nil {
		return err.Error(), false
	}
	return w.besides(ctx, fmt.Sprintf("none of the %d files that were on the disk is there, %d were written since", len(w.files), since))
}

// Heal gives back the files that are still missing.
func (w *wipedDisk) Heal(context.Context) error {
	if !w.injected {
		return nil
	}
	return w.onDisk(func(disk *os.Root) error {
		for _, name := range w.files.names() {
			if err := restore(disk, name, w.files[name]); err != nil {
				return fmt.Errorf("give back %s: %w", name, err)
			}
		}
		return nil
	})
}

// restore writes a file that is not there.
func restore(disk *os.Root, name string, file copied) error {
	if err := disk.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	to, err := disk.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, file.info.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return nil // the node's own, by now
	}
	if err != nil {
		return err
	}
	_, err = to.Write(file.content)
	return errors.Join(err, to.Close())
}

// LookHealed looks whether everything is there that was, in whatever version.
func (w *wipedDisk) LookHealed(ctx context.Context) (string, bool) {
	err := w.onDisk(func(disk *os.Root) error {
		for _, name := range w.files.names() {
			if _, err := disk.Lstat(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Sprintf("a file is still missing: %v", err), false
	}
	return w.diskFault.LookHealed(ctx)
}

// corruptedDisk stages DiskCorrupted.
type corruptedDisk struct {
	diskFault
	files   copies
	flipped map[string][]byte // what each file becomes
}

func (c *corruptedDisk) Prepare(ctx context.Context) (err error) {
	if c.files, err = c.prepareFiles(ctx); err != nil {
		return err
	}
	c.flipped = make(map[string][]byte)
	for name, file := range c.files {
		if len(file.content) > 0 {
			c.flipped[name] = flip(file.content, c.spec.Seed, name)
		}
	}
	if len(c.flipped) == 0 {
		return fmt.Errorf("%w: every file on the disk is empty even before the fault", ErrNotWitnessed)
	}
	return nil
}

// flipEvery is how many bytes of a file have one flipped byte among them.
const flipEvery = 1024

// flip changes bytes of a file's content at places drawn from seed and name: one,
// and one more for every flipEvery bytes. The same draw gives the same bytes.
func flip(content []byte, seed uint64, name string) []byte {
	stream := fnv.New64a()
	_, _ = stream.Write([]byte(name)) // a hash takes everything
	random := rand.New(rand.NewPCG(seed, stream.Sum64()))
	flipped := bytes.Clone(content)
	for range 1 + len(content)/flipEvery {
		i, by := random.IntN(len(content)), byte(1+random.IntN(255))
		flipped[i] = content[i] ^ by // never flipped back by a second draw
	}
	return flipped
}

// Inject writes the flipped bytes into the files, which stay the same size.
func (c *corruptedDisk) Inject(context.Context) error {
	return c.rewrite(func(name string) (from, to []byte) { return c.files[name].content, c.flipped[name] })
}

// rewrite replaces what is in the files, where it is still that.
func (c *corruptedDisk) rewrite(change func(name string) (from, to []byte)) error {
	return c.onDisk(func(disk *os.Root) error {
		for _, name := range slices.Sorted(maps.Keys(c.flipped)) {
			from, to := change(name)
			if err := replace(disk, name, from, to); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
		}
		return nil
	})
}

// replace overwrites a file in place if its content is from.
func replace(disk *os.Root, name string, from, to []byte) error {
	now, err := disk.ReadFile(name)
	if err != nil || !bytes.Equal(now, from) {
		return passOver(err)
	}
	file, err := disk.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return passOver(err)
	}
	_, err = file.WriteAt(to, 0)
	return errors.Join(err, file.Close())
}

// Look sees that every file has its size and other bytes.
func (c *corruptedDisk) Look(ctx context.Context) (string, bool) {
	whole, err := c.whole()
	if err != nil {
		return err.Error(), false
	}
	if len(whole) > 0 {
		return fmt.Sprintf("%d of %d files are not corrupted, first %s", len(whole), len(c.flipped), whole[0]), false
	}
	return c.besides(ctx, fmt.Sprintf("%d files have their size and other bytes than before", len(c.flipped)))
}

// whole are the files that are not as the fault leaves them, also those that are
// not there.
func (c *corruptedDisk) whole() (names []string, err error) {
	err = c.onDisk(func(disk *os.Root) error {
		for _, name := range slices.Sorted(maps.Keys(c.flipped)) {
			now, err := disk.ReadFile(name)
			if passOver(err) != nil {
				return err
			}
			if err != nil || !bytes.Equal(now, c.flipped[name]) {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

// Heal gives the bytes back that are still the flipped ones.
func (c *corruptedDisk) Heal(context.Context) error {
	return c.rewrite(func(name string) (from, to []byte) { return c.flipped[name], c.files[name].content })
}

// LookHealed looks whether no file is left as it was corrupted.
func (c *corruptedDisk) LookHealed(ctx context.Context) (string, bool) {
	whole, err := c.whole()
	if err != nil {
		return err.Error(), false
	}
	if left := len(c.flipped) - len(whole); left > 0 {
		return fmt.Sprintf("%d of %d files are still corrupted", left, len(c.flipped)), false
	}
	return c.diskFault.LookHealed(ctx)
}
