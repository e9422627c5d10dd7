// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"blackout/harness/history"
)

// proc is a /proc with a process of number 7 and its threads: for how many
// milliseconds each ran and waited, and how often it got a processor.
func proc(threads map[int][3]int) fstest.MapFS {
	root := make(fstest.MapFS)
	for id, t := range threads {
		text := fmt.Sprintf("%d %d %d\n", time.Duration(t[0])*time.Millisecond, time.Duration(t[1])*time.Millisecond, t[2])
		root[fmt.Sprintf("proc/7/task/%d/schedstat", id)] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// TestDenial: what a process used itself is no denial, nor are many short waits, nor what
// it waited for before the first look.
func TestDenial(t *testing.T) {
	t.Parallel()
	first := map[int][3]int{7: {100, 5000, 30}, 8: {50, 200, 30}}
	for name, c := range map[string]struct {
		next map[int][3]int
		want time.Duration
	}{
		"it slept":                  {first, 0},
		"one waited":                {map[int][3]int{7: {100, 5400, 31}, 8: {50, 200, 30}}, 400 * time.Millisecond},
		"four times":                {map[int][3]int{7: {100, 5400, 34}, 8: {50, 200, 30}}, 400 * time.Millisecond},
		"as usual":                  {map[int][3]int{7: {100, 5400, 35}, 8: {50, 200, 30}}, 0},
		"both waited":               {map[int][3]int{7: {100, 5400, 31}, 8: {50, 500, 31}}, 400 * time.Millisecond},
		"one ran meanwhile":         {map[int][3]int{7: {100, 5400, 31}, 8: {150, 200, 31}}, 300 * time.Millisecond},
		"it was its own neighbour":  {map[int][3]int{7: {500, 5400, 31}, 8: {450, 600, 40}}, 0},
		"a new one waited":          {map[int][3]int{7: {100, 5000, 30}, 8: {50, 200, 30}, 9: {10, 310, 1}}, 300 * time.Millisecond},
		"one ended":                 {map[int][3]int{7: {110, 5410, 31}}, 0},
		"one's id was another's":    {map[int][3]int{7: {110, 5410, 31}, 8: {1, 200, 1}}, 0},
		"it waited beyond a second": {map[int][3]int{7: {101, 7201, 31}, 8: {50, 200, 30}}, 2200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d denial
			if got, err := d.look(proc(first), 7); err != nil || got != 0 {
				t.Fatalf("%s at the first look: %v", got, err)
			}
			if got, err := d.look(proc(c.next), 7); err != nil || got != c.want {
				t.Errorf("%s, %v, want %s", got, err, c.want)
			}
		})
	}
}

// TestDenialOfNobody: the process of another life begins anew, and what cannot be read is
// an error.
func TestDenialOfNobody(t *testing.T) {
	t.Parallel()
	d := denial{pid: 6, threads: map[string]runTime{"7": {}}}
	for _, step := range []struct {
		threads map[int][3]int
		want    time.Duration
	}{
		{map[int][3]int{7: {10, 300, 2}}, 0},
		{map[int][3]int{7: {10, 500, 3}}, 200 * time.Millisecond},
	} {
		if got, err := d.look(proc(step.threads), 7); err != nil || got != step.want {
			t.Errorf("%s, %v, want %s", got, err, step.want)
		}
	}
	if _, err := d.look(fstest.MapFS{}, 7); !isGone(err) {
		t.Errorf("a process that is gone: %v", err)
	}
	if _, err := d.look(fstest.MapFS{"proc/7/task/7/stat": &fstest.MapFile{}}, 7); !errors.Is(err, errNoRunTimes) {
		t.Errorf("a kernel that does not count: %v", err)
	}
	if _, err := d.look(fstest.MapFS{"proc/7/task/7/schedstat": &fstest.MapFile{Data: []byte("n/a")}}, 7); err == nil || isGone(err) {
		t.Errorf("what is no figure: %v", err)
	}
}

// TestDenialIsRecorded as a time, and once that it cannot be known.
func TestDenialIsRecorded(t *testing.T) {
	t.Parallel()
	rec := newRecording(t)
	s := newSampling(new(Sampler), rec.Writer)
	s.pids = map[string]int{"dp-1": 7, "dp-2": 8}
	for _, waited := range []int{0, 700, 800} {
		root := proc(map[int][3]int{7: {10, 300 + waited, 2 + waited/100}})
		root["proc/8/task/8/schedstat"] = &fstest.MapFile{Data: []byte("n/a")}
		s.root = root
		s.denied()
	}
	denied, unknown := rec.soFar("dp-1"), rec.soFar("dp-2")
	if len(denied) != 1 || denied[0].Kind != history.NodeDenied || denied[0].Until.Sub(denied[0].At) != 700*time.Millisecond {
		t.Errorf("recorded %+v, want 700 ms once", denied)
	}
	if len(unknown) != 1 || unknown[0].Kind != history.NodeDenied || unknown[0].Error == "" {
		t.Errorf("recorded %+v, want an error once", unknown)
	}
}

// TestRunTimesOfThisProcess: the kernel tells how long a thread ran in the first figure,
// and how often in the third. (What it waited depends on others.)
func TestRunTimesOfThisProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("there is nothing to read: ", err) // only Linux has it, where its kernel was built to count (CONFIG_SCHED_INFO)
	}
	root := os.DirFS("/")
	before, err := readRunTimes(root, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum := func(threads map[string]runTime) (sum runTime) {
		for _, t := range threads {
			sum.used, sum.turns = sum.used+t.used, sum.turns+t.turns
		}
		return sum
	}
	await(t, "the time of a busy process grows", func() bool {
		now, err := readRunTimes(root, os.Getpid())
		return err == nil && sum(now).used >= sum(before).used+10*time.Millisecond && sum(now).turns > sum(before).turns
	})
}
