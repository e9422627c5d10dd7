// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"
)

func TestReadThrottling(t *testing.T) {
	t.Parallel()
	const (
		v2     = "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500000\n"
		v2Root = "usage_usec 5\nuser_usec 5\n"
		v1     = "nr_periods 9\nnr_throttled 4\nthrottled_time 2500000000\n"
	)
	for name, c := range map[string]struct {
		files map[string]string
		want  throttling
		err   error
	}{
		"v2": {map[string]string{
			"proc/self/cgroup":                            "0::/user.slice/run.scope\n",
			"sys/fs/cgroup/cpu.stat":                      v2Root,
			"sys/fs/cgroup/user.slice/cpu.stat":           v2Root,
			"sys/fs/cgroup/user.slice/run.scope/cpu.stat": v2,
		}, throttling{3, 1500 * time.Millisecond}, nil},
		"v2, and a group above it": {map[string]string{
			"proc/self/cgroup":                     "0::/pod/container\n",
			"sys/fs/cgroup/pod/cpu.stat":           v2,
			"sys/fs/cgroup/pod/container/cpu.stat": v2,
		}, throttling{6, 3 * time.Second}, nil},
		"v2, in a container of its own": {map[string]string{
			"proc/self/cgroup":       "0::/\n",
			"sys/fs/cgroup/cpu.stat": v2,
		}, throttling{3, 1500 * time.Millisecond}, nil},
		"v1": {map[string]string{
			"proc/self/cgroup":                          "5:memory:/run\n4:cpu,cpuacct:/run\n1:name=systemd:/run\n",
			"sys/fs/cgroup/cpu,cpuacct/run/cpu.stat":    v1,
			"sys/fs/cgroup/memory/run/cpu.stat":         v1,
			"sys/fs/cgroup/cpu,cpuacct/others/cpu.stat": v1,
		}, throttling{4, 2500 * time.Millisecond}, nil},
		"v1, in a container that sees its host's names": {map[string]string{
			"proc/self/cgroup":           "1:cpu:/docker/0123\n",
			"sys/fs/cgroup/cpu/cpu.stat": v1,
		}, throttling{4, 2500 * time.Millisecond}, nil},
		"both": {map[string]string{
			"proc/self/cgroup":                "1:cpu:/\n0::/\n",
			"sys/fs/cgroup/cpu/cpu.stat":      v1,
			"sys/fs/cgroup/unified/cpu.stat":  v2Root,
			"sys/fs/cgroup/unified/procs.txt": "",
		}, throttling{4, 2500 * time.Millisecond}, nil},
		"a name that leads out": {map[string]string{
			"proc/self/cgroup":       "0::/../../other\n",
			"sys/fs/cgroup/cpu.stat": v2,
		}, throttling{3, 1500 * time.Millisecond}, nil},
		"not counted": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.stat": v2Root}, throttling{}, errNoThrottling},
		"garbage":     {map[string]string{"proc/self/cgroup": "::\n\n0\nx:cpu\n", "sys/fs/cgroup/cpu.stat": "nr_throttled\nnr_throttled x\n"}, throttling{}, errNoThrottling},
		"no groups":   {nil, throttling{}, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := make(fstest.MapFS)
			for path, content := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(content)}
			}
			got, err := readThrottling(root)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func FuzzReadThrottling(f *testing.F) {
	f.Add([]byte("0::/a/b\n4:cpu,cpuacct:/../x\n"), []byte("nr_throttled 3\nthrottled_usec 5\n"))
	f.Fuzz(func(t *testing.T, groups, stat []byte) {
		root := fstest.MapFS{
			"proc/self/cgroup":       &fstest.MapFile{Data: groups},
			"sys/fs/cgroup/cpu.stat": &fstest.MapFile{Data: stat},
		}
		if got, err := readThrottling(root); err != nil && got != (throttling{}) {
			t.Errorf("%+v beside error %v", got, err)
		}
	})
}
