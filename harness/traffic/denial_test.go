// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"
	"time"
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

// TestDenial: what a process used itself is no denial, and neither is what it waited
// for before the first look.
func TestDenial(t *testing.T) {
	t.Parallel()
	first := map[int][2]int{7: {100, 5000}, 8: {50, 200}}
	for name, c := range map[string]struct {
		next map[int][2]int
		want time.Duration
	}{
		"it slept":                 {first, 0},
		"one waited":               {map[int][2]int{7: {100, 5400}, 8: {50, 200}}, 400 * time.Millisecond},
		"both waited":              {map[int][2]int{7: {100, 5400}, 8: {50, 500}}, 400 * time.Millisecond},
		"one ran meanwhile":        {map[int][2]int{7: {100, 5400}, 8: {150, 200}}, 300 * time.Millisecond},
		"it was its own neighbour": {map[int][2]int{7: {500, 5400}, 8: {450, 600}}, 0},
		"a new one waited":         {map[int][2]int{7: {100, 5000}, 8: {50, 200}, 9: {10, 310}}, 300 * time.Millisecond},
		"one ended":                {map[int][2]int{7: {110, 5110}}, 100 * time.Millisecond},
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

// TestDenialOverLives: the process of another life begins anew, and the total goes on.
func TestDenialOverLives(t *testing.T) {
	t.Parallel()
	d := denial{pid: 6, threads: map[string]runTime{"7": {}}, total: time.Second}
	for _, step := range []struct {
		threads map[int][2]int
		want    time.Duration
	}{
		{map[int][2]int{7: {10, 300}}, time.Second},
		{map[int][2]int{7: {10, 500}}, time.Second + 200*time.Millisecond},
	} {
		if got, err := d.look(proc(step.threads), 7); err != nil || got != step.want {
			t.Errorf("%s, %v, want %s", got, err, step.want)
		}
	}
	if _, err := d.look(fstest.MapFS{}, 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that is gone: %v", err)
	}
	bad := fstest.MapFS{"proc/7/task/7/schedstat": &fstest.MapFile{Data: []byte("n/a")}}
	if _, err := d.look(bad, 7); err == nil {
		t.Error("no error for what is no figure")
	}
}

// TestRunTimesOfThisProcess: the kernel counts what the harness takes it to count.
func TestRunTimesOfThisProcess(t *testing.T) {
	t.Parallel()
	root := os.DirFS("/")
	before, err := readRunTimes(root, os.Getpid())
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this machine has no /proc with run times: ", err)
	}
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
