// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"blackout/harness/engine"
)

// account is a user of this machine.
type account struct {
	name     string
	uid, gid int
}

// findAccount is the account of a name.
func findAccount(name string) (account, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("%w: find the user to run as: %w", engine.ErrUnsupported, err)
	}
	uid, uidErr := strconv.Atoi(found.Uid)
	gid, gidErr := strconv.Atoi(found.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("%w: the ids of user %s are no numbers: %w", engine.ErrUnsupported, name, err)
	}
	return account{name, uid, gid}, nil
}

// credential is what a process of a user runs with, and with no further group; nil
// if it is the harness's own.
func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	a, err := findAccount(name)
	if err != nil || a.uid == os.Geteuid() {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: only root may run a process as %s", engine.ErrUnsupported, name)
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}, nil
}

// lend gives a user the site's directory with everything in it, and a way to it:
// its group may pass the directory of all nodes, and not list it.
func (s *site) lend(name string) error {
	as, err := credential(name)
	if as == nil {
		return err
	}
	a := account{name, int(as.Uid), int(as.Gid)}
	all := s.engine.options.Dir
	info, err := os.Stat(all)
	if err != nil {
		return fmt.Errorf("give %s its directory: %w", name, err)
	}
	err = errors.Join(os.Chown(all, -1, a.gid), os.Chmod(all, info.Mode().Perm()|0o010), a.take(s.Dir()))
	if err != nil {
		return fmt.Errorf("give %s its directory: %w", name, err)
	}
	return a.reaches(all)
}

// take makes everything in a directory the account's. Nothing outside it is
// touched, whatever links are in it.
func (a account) take(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, a.uid, a.gid)
	})
	return errors.Join(err, root.Close())
}

// reaches says whether the account may pass every directory on the way to dir.
func (a account) reaches(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.mayPass(info) {
			return fmt.Errorf("%w: user %s may not enter %s: set TMPDIR to a directory that everybody may", engine.ErrUnsupported, a.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a account) mayPass(dir fs.FileInfo) bool {
	stat, ok := dir.Sys().(*syscall.Stat_t)
	switch mode := dir.Mode(); {
	case !ok:
		return false
	case int(stat.Uid) == a.uid:
		return mode&0o100 != 0
	case int(stat.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}
