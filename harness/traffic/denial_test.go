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
// milliseconds each ran and waited.
func proc(threads map[int][2]int) fstest.MapFS {
	root := make(fstest.MapFS)
	for id, t := range threads {
		text := fmt.Sprintf("%d %d 11\n", time.Duration(t[0])*time.Millisecond, time.Duration(t[1])*time.Millisecond)
		root[fmt.Sprintf("proc/7/task/%d/schedstat", id)] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// TestDenial: what a process used itself is no denial, nor what it waited for before the first look.
func TestDenial(t *testing.T) {
	t.Parallel()
	first := map[int][2]int{7: {100, 5000}, 8: {50, 200}}
	for name, c := range map[string]struct {
		next map[int][2]int
		want time.Duration
	}{
		"it slept":                  {first, 0},
		"one waited":                {map[int][2]int{7: {100, 5400}, 8: {50, 200}}, 400 * time.Millisecond},
		"both waited":               {map[int][2]int{7: {100, 5400}, 8: {50, 500}}, 400 * time.Millisecond},
		"one ran meanwhile":         {map[int][2]int{7: {100, 5400}, 8: {150, 200}}, 300 * time.Millisecond},
		"it was its own neighbour":  {map[int][2]int{7: {500, 5400}, 8: {450, 600}}, 0},
		"a new one waited":          {map[int][2]int{7: {100, 5000}, 8: {50, 200}, 9: {10, 310}}, 300 * time.Millisecond},
		"one ended":                 {map[int][2]int{7: {110, 5410}}, 0},
		"one's id was another's":    {map[int][2]int{7: {110, 5410}, 8: {1, 200}}, 0},
		"it waited for its turns":   {map[int][2]int{7: {103, 5600}, 8: {50, 200}}, 597 * time.Millisecond},
		"it waited beyond a second": {map[int][2]int{7: {101, 7201}, 8: {50, 200}}, 2200 * time.Millisecond},
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
		threads map[int][2]int
		want    time.Duration
	}{
		{map[int][2]int{7: {10, 300}}, 0},
		{map[int][2]int{7: {10, 500}}, 200 * time.Millisecond},
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
	for _, waited := range []int{0, 49, 749} {
		root := proc(map[int][2]int{7: {10, 300 + waited}})
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

// TestRunTimesOfThisProcess: the first figure is how long a thread ran. What it waited
// depends on others.
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
	used := func(threads map[string]runTime) (sum time.Duration) {
		for _, t := range threads {
			sum += t.used
		}
		return sum
	}
	await(t, "the time of a busy process grows", func() bool {
		now, err := readRunTimes(root, os.Getpid())
		return err == nil && used(now) >= used(before)+10*time.Millisecond
	})
}
