// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"strings"
)

// The names of objects below "<prefix>/<version>/".
const (
	snapshotName = "config.json"
	electionDir  = "election/"
	leaseName    = electionDir + "lease.json"
)

// part is what a key stands for.
type part int

const (
	foreign part = iota // nothing that a node wrote
	snapshotPart
	leasePart
	electionPart
)

// prefix is what the keys of the storage begin with.
func (s *Storage) prefix() string {
	if s.Location.Prefix == "" {
		return ""
	}
	return s.Location.Prefix + "/"
}

// place says what a key of the storage stands for, and of which version.
func (s *Storage) place(key string) (part, string) {
	rest, ours := strings.CutPrefix(key, s.prefix())
	version, name, nested := strings.Cut(rest, "/")
	if !ours || !nested || version == "" {
		return foreign, ""
	}
	switch {
	case name == snapshotName:
		return snapshotPart, version
	case name == leaseName:
		return leasePart, version
	case strings.HasPrefix(name, electionDir) && name != electionDir:
		return electionPart, version
	}
	return foreign, ""
}
