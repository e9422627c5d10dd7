// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package tmpfs

import (
	"strconv"
	"strings"
)

// disk is a mount of ours.
type disk struct {
	dir  string
	mark Mark
}

// parseMounts finds our mounts in the text of /proc/self/mountinfo, see proc(5):
//
//	36 35 0:40 / /dir rw,relatime shared:1 - tmpfs source rw,size=1024k
//
// Lines that are not of that shape are not ours.
func parseMounts(table string) []disk {
	var disks []disk
	for line := range strings.Lines(table) {
		mount, system, ok := strings.Cut(line, " - ")
		place, source := strings.Fields(mount), strings.Fields(system)
		if !ok || len(place) < 5 || len(source) < 2 || source[0] != "tmpfs" {
			continue
		}
		if mark, ours := parseMark(unescape(source[1])); ours {
			disks = append(disks, disk{dir: unescape(place[4]), mark: mark})
		}
	}
	return disks
}

// unescape undoes the kernel's writing of blanks and backslashes as "\040".
func unescape(text string) string {
	var plain strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		plain.WriteString(before)
		if !found {
			return plain.String()
		}
		if len(after) >= 3 {
			if code, err := strconv.ParseUint(after[:3], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				text = after[3:]
				continue
			}
		}
		plain.WriteByte('\\')
		text = after
	}
}
