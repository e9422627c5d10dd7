// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"blackout/harness/watchdog/owner"
)

// segment is a System V shared memory segment: it outlives those who use it until
// somebody removes it.
type segment struct{ id, creator int }

// endSharedMemory removes the segments that processes of a run made, and counts
// those that are still there: one that is in use goes with its last user.
func endSharedMemory(made []started) (int, error) {
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // a kernel without System V's
	}
	if err != nil {
		return 0, fmt.Errorf("list shared memory: %w", err)
	}
	var (
		left int
		errs []error
	)
	for _, s := range parseSegments(table) {
		ours, err := madeByOneOf(s, made)
		errs = append(errs, err)
		if !ours {
			continue
		}
		left++
		_, err = unix.SysvShmCtl(s.id, unix.IPC_RMID, nil)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EIDRM) { // gone meanwhile
			errs = append(errs, fmt.Errorf("remove shared memory %d of process %d: %w", s.id, s.creator, err))
		}
	}
	return left, errors.Join(errs...)
}

// madeByOneOf says whether one of the processes made a segment: the one that had
// its creator's id, unless that is another's by now.
func madeByOneOf(s segment, processes []started) (bool, error) {
	for _, p := range processes {
		if p.pid != s.creator {
			continue
		}
		now, err := owner.Started(p.pid)
		if errors.Is(err, owner.ErrGone) || err == nil && now == p.at {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("judge shared memory %d: %w", s.id, err)
		}
	}
	return false, nil
}

// parseSegments reads the table of /proc/sysvipc/shm, see proc(5): columns "key
// shmid perms size cpid …" under their titles. Lines that are not of it are left out.
func parseSegments(table []byte) []segment {
	var segments []segment
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		id, idErr := strconv.Atoi(fields[1])
		creator, creatorErr := strconv.Atoi(fields[4])
		if idErr == nil && creatorErr == nil && id >= 0 && creator > 0 {
			segments = append(segments, segment{id, creator})
		}
	}
	return segments
}
