// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package tmpfs mounts the disks of nodes: file systems in memory, each of a
// fixed size, that a harness can fill or make read-only from outside while a
// node uses them. [Mount] makes one, [Remount] changes it, [Sweep] takes those
// of dead runs away. It needs Linux and the right to mount (CAP_SYS_ADMIN).
//
// A mount carries its run and the harness that made it in its source, as a
// container does in its labels. The kernel makes mount and source at once, and
// keeps them for as long as there is anything to undo: so the mount table itself
// is the ledger, and no moment is left in which a killed harness has a mount
// that nothing names.
package tmpfs

import (
	"strings"
)

// Mark says whose a mount is.
type Mark struct {
	Run   string // the run's id, without a slash
	Owner string // the harness process, as owner.Owner writes it
}

// markPrefix begins the source of every mount of ours.
const markPrefix = "blackout/"

// String is the mark as a mount's source.
func (m Mark) String() string { return markPrefix + m.Run + "/" + m.Owner }

// parseMark reads what String wrote.
func parseMark(source string) (Mark, bool) {
	text, ours := strings.CutPrefix(source, markPrefix)
	run, owner, ok := strings.Cut(text, "/")
	return Mark{Run: run, Owner: owner}, ours && ok && run != "" && owner != ""
}
