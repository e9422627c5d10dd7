// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// throttling is how often and how long in all the kernel has denied this process
// the processor because a control group of it had used up its quota.
type throttling struct {
	periods int64
	total   time.Duration
}

// errNoThrottling says that this machine does not tell.
var errNoThrottling = errors.New("no control group of this process counts throttling (no cpu.stat with nr_throttled)")

// readThrottling sums up what the groups of this process count, of cgroup v1 and
// v2 alike, up to the root of what is mounted: a limit of any of them is felt
// below it. Within a container the names in /proc may be those of the host, which
// are not there; the mount's own root is the container's group then.
func readThrottling(root fs.FS) (throttling, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return throttling{}, fmt.Errorf("read the control groups of this process: %w", err)
	}
	var sum throttling
	found := false
	for _, mount := range cgroups(groups) {
		for group := mount.group; ; group = path.Dir(group) { // up to "/", where it ends
			found = sum.add(root, path.Join(mount.root, group)) || found
			if group == "/" {
				break
			}
		}
	}
	if !found {
		return throttling{}, errNoThrottling
	}
	return sum, nil
}

// cgroup is a control group of the processor, below where it is mounted.
type cgroup struct{ root, group string }

// cgroups are where the groups named in a /proc/self/cgroup may be found: lines
// "number:controllers:path", without a controller for v2.
func cgroups(proc []byte) []cgroup {
	var out []cgroup
	for line := range strings.Lines(string(proc)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		group = path.Join("/", group) // nothing leads out of the mount
		switch {
		case !ok:
		case controllers == "":
			out = append(out, cgroup{"sys/fs/cgroup", group}, cgroup{"sys/fs/cgroup/unified", group})
		case slices.Contains(strings.Split(controllers, ","), "cpu"):
			out = append(out, cgroup{"sys/fs/cgroup/" + controllers, group})
		}
	}
	return out
}

// add adds what a group counts and reports whether it does.
func (t *throttling) add(root fs.FS, dir string) (found bool) {
	stat, err := fs.ReadFile(root, path.Join(dir, "cpu.stat"))
	if err != nil {
		return false // no group there, or none that counts
	}
	lines := bufio.NewScanner(bytes.NewReader(stat))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "nr_throttled":
			t.periods += n
			found = true
		case "throttled_time": // v1
			t.total += time.Duration(n)
		case "throttled_usec": // v2
			t.total += time.Duration(n) * time.Microsecond
		}
	}
	return found
}
