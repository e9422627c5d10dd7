// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package database runs the PostgreSQL in which the control planes of a run keep
// their configuration, and asks it whether it is there. Its central type is
// [Server].
//
//	installed, err := database.Find(ctx) // wraps engine.ErrUnsupported if there is none
//	server, err := installed.Start(ctx, database.Options{Host: host, Run: "r42", Allow: network})
//	err = server.Create(ctx, "cp")
//	for name, value := range server.Environment("cp", "127.0.0.1:20107") { … } // the node's environment
//	err = database.Ask(ctx, conn)
//
// It is Debian's PostgreSQL, a process of this machine whatever engine the gateways
// run on: containers reach it at their network's gateway. It is made for one run,
// with a password of the run, and thrown away with it: nothing of it is ever synced
// to the disk (fsync=off), so that it is no model of a database's speed, and would
// not survive a crash of the machine.
package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/engine"
)

// Variable is the environment variable that names the directory of PostgreSQL's
// programs, where it is not Debian's.
const Variable = "BLACKOUT_POSTGRES"

// debian is where Debian puts the programs of each major version.
const debian = "/usr/lib/postgresql/*/bin"

// programs are those that a server needs.
var programs = []string{initdb, postgres, psql}

const (
	initdb   = "initdb"
	postgres = "postgres"
	psql     = "psql"
)

// Installation is a PostgreSQL on this machine.
type Installation struct {
	Dir     string // of its programs
	Version string // "15.18"
}

// String is "PostgreSQL 15.18 in /usr/lib/postgresql/15/bin".
func (i Installation) String() string { return "PostgreSQL " + i.Version + " in " + i.Dir }

// Find finds the PostgreSQL that runs use: that of BLACKOUT_POSTGRES, or Debian's
// newest. The error wraps [engine.ErrUnsupported] if there is none.
func Find(ctx context.Context) (Installation, error) {
	dir := os.Getenv(Variable)
	if dir == "" {
		found, err := filepath.Glob(debian)
		if err != nil {
			return Installation{}, fmt.Errorf("look for PostgreSQL: %w", err)
		}
		dir = newest(found)
	}
	if dir == "" {
		return Installation{}, fmt.Errorf("%w: no PostgreSQL at %s: apt-get install postgresql, or name the directory of its programs in %s", engine.ErrUnsupported, debian, Variable)
	}
	return at(ctx, dir)
}

// newest is the directory of the highest major version.
func newest(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	major := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // another name is older than any
		return n
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(major(a), major(b)) })
}

// at is the installation in a directory.
func at(ctx context.Context, dir string) (Installation, error) {
	for _, name := range programs {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return Installation{}, fmt.Errorf("%w: PostgreSQL in %s has no program %s: apt-get install postgresql, or name another directory in %s", engine.ErrUnsupported, dir, name, Variable)
		}
	}
	said, err := exec.CommandContext(ctx, filepath.Join(dir, postgres), "--version").Output()
	if err != nil {
		return Installation{}, fmt.Errorf("%w: ask PostgreSQL in %s for its version: %w", engine.ErrUnsupported, dir, err)
	}
	version, err := parseVersion(string(said))
	if err != nil {
		return Installation{}, fmt.Errorf("%w: PostgreSQL in %s: %w", engine.ErrUnsupported, dir, err)
	}
	return Installation{dir, version}, nil
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(said string) (string, error) {
	_, after, ok := strings.Cut(said, "(PostgreSQL) ")
	fields := strings.Fields(after)
	if !ok || len(fields) == 0 {
		return "", errors.New("it does not tell its version")
	}
	return fields[0], nil
}

// servers are the accounts that a server may run under where the harness is root,
// which PostgreSQL refuses to be, in order.
var servers = []string{"postgres", "nobody"}

// runAs is the account that a server runs under; empty: the harness's own.
func runAs() (string, error) {
	if os.Geteuid() != 0 {
		return "", nil
	}
	for _, name := range servers {
		if _, err := user.Lookup(name); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: PostgreSQL does not run as root, and there is no user %s", engine.ErrUnsupported, strings.Join(servers, " or "))
}
