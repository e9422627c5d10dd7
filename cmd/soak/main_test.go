// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/run"
)

// asHarness makes this test binary a harness that behaves as it says.
const asHarness = "SOAK_TEST_AS_HARNESS"

func TestMain(m *testing.M) {
	if as := os.Getenv(asHarness); as != "" {
		code, err := behave(as, os.Args[len(os.Args)-1])
		if err != nil {
			fmt.Println(err)
			code = run.ExitHarness
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// behave is what a harness does that writes its run's files to out.
func behave(as, out string) (code int, err error) {
	dir := filepath.Join(out, "19700101-000000-test-"+filepath.Base(filepath.Dir(out)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	fmt.Println("   0.0s  under way")
	switch as {
	case "leaves a file":
		err = os.WriteFile(filepath.Join(os.TempDir(), "forgotten"), nil, 0o600)
	case "clashes":
		fmt.Println("listen tcp 127.0.0.1:8000: bind: address already in use")
	case "fails":
		return run.ExitEnvironment, nil
	case "stays", "stays and leaves a file":
		if as != "stays" {
			if err := os.WriteFile(filepath.Join(os.TempDir(), "forgotten"), nil, 0o600); err != nil {
				return 0, err
			}
		}
		time.AfterFunc(time.Minute, func() { os.Exit(run.ExitHarness) })
		select {} // until killed
	}
	return run.ExitNotMeasured, errors.Join(err, record(filepath.Join(dir, "recording"), as != "stops early"))
}

// record writes the recording of a run that carried out its plan, or did not.
func record(dir string, whole bool) error {
	w, err := history.Create(dir, history.Header{Run: "test"})
	if err != nil {
		return err
	}
	w.Event(history.Event{Kind: history.RunEnd, OK: whole})
	return w.Close()
}

// options are those of a soak whose harness behaves in a certain way.
func soakOf(t *testing.T, as string) options {
	t.Helper()
	t.Setenv(asHarness, as)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	return options{
		program: os.Args[0], log: filepath.Join(t.TempDir(), "soak", "log.jsonl"), seed: 7, parallel: 2, patience: time.Second,
		starts: map[string]int{}, kills: map[string]int{},
	}
}

// TestStarts: what is wrong with a start is seen, told with run and seed, and its
// files are kept; a good one leaves nothing but its line in the log.
func TestStarts(t *testing.T) {
	for as, says := range map[string]string{
		"is good":       "",
		"leaves a file": "left at its end: file ",
		"clashes":       "clash: output.log: listen tcp 127.0.0.1:8000: bind: address already in use",
		"fails":         "exit code 3: 0.0s under way",
		"stops early":   "the plan was not carried out to its end",
	} {
		t.Run(as, func(t *testing.T) {
			o := soakOf(t, as)
			o.starts[run.Local] = 2
			err := soak(t.Context(), o)
			kept, globErr := filepath.Glob(filepath.Join(filepath.Dir(o.log), "start-*-on-local"))
			if globErr != nil {
				t.Fatal(globErr)
			}
			if says == "" {
				if err != nil || len(kept) > 0 {
					t.Errorf("error %v, kept %q", err, kept)
				}
				return
			}
			if err == nil || strings.Count(err.Error(), says) != 2 || !strings.Contains(err.Error(), "start 1 on local, run 19700101-000000-test-start-1-on-local, seed ") {
				t.Errorf("error %v, want two with %q", err, says)
			}
			if len(kept) != 2 {
				t.Errorf("kept %q", kept)
			}
		})
	}
}

// TestKills: a harness that is killed must leave nothing, and one that ends before
// it can be killed shows nothing.
func TestKills(t *testing.T) {
	for as, says := range map[string]string{
		"stays":                   "",
		"stays and leaves a file": "left 1s after the kill: file ",
		"is good":                 "runs of cp-outage-scale-out had ended before a moment",
	} {
		t.Run(as, func(t *testing.T) {
			o := soakOf(t, as)
			s, err := newSoak(o)
			if err != nil {
				t.Fatal(err)
			}
			s.moments = 4 * time.Second
			if as == "is good" {
				s.moments = 2 * time.Minute // in which its end surely lies
			}
			came := outcome{trial: late(s), Seed: 3}
			if err := s.kill(t.Context(), &came); err != nil {
				t.Fatal(err)
			}
			if (came.Problem == "") != (says == "") || !strings.Contains(came.Problem, says) {
				t.Errorf("problem %q, want %q", came.Problem, says)
			}
			if as == "stays" && (came.Killed == 0 || came.Killed > s.moments || came.Run == "" || came.Last != "0.0s under way") {
				t.Errorf("%+v", came)
			}
		})
	}
}

// late is a trial whose moment leaves its harness time to begin.
func late(s *soakRun) trial {
	t := trial{kill, run.Local, 1}
	for s.moment(t, 0, s.moments) < s.moments/2 {
		t.Number++
	}
	return t
}

// TestGoesOn: a soak that is called again does what is not in its log, and counts
// everything that is.
func TestGoesOn(t *testing.T) {
	o := soakOf(t, "fails")
	o.starts[run.Local] = 1
	if err := soak(t.Context(), o); err == nil {
		t.Fatal("a failure was overlooked")
	}
	log, err := os.OpenFile(o.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString(`{"kind":"start","engi`); err != nil { // torn by a kill
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(asHarness, "is good")
	o.starts[run.Local] = 3
	err = soak(t.Context(), o)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "start 1 on local") {
		t.Errorf("error %v, want that of the first start alone", err)
	}
	j, err := openLog(o.log, o.seed)
	if err != nil {
		t.Fatal(err)
	}
	want := "soak, seed 7: 2 of 3 starts on local clean after at most "
	if got := j.summary(o); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "; 0 clashes, 1 problems") {
		t.Errorf("%s, want %s", got, want)
	}
	numbers := map[int]bool{}
	for _, done := range j.of(start, run.Local) {
		numbers[done.Number] = true
	}
	if len(numbers) != 3 || len(j.of(start, run.Local)) != 3 {
		t.Errorf("done were %v", j.All())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(o.log, 8); !errors.Is(err, run.ErrUsage) || !strings.Contains(err.Error(), "--seed 7") {
		t.Errorf("another seed: error %v", err)
	}
}

// TestInterrupted: a trial that was cut short has shown nothing, and is done again.
func TestInterrupted(t *testing.T) {
	for as, want := range map[string]options{
		"stays":   {kills: map[string]int{run.Local: 2}},
		"is good": {starts: map[string]int{run.Local: 2}},
	} {
		t.Run(as, func(t *testing.T) {
			o := soakOf(t, as)
			o.starts, o.kills = want.starts, want.kills
			ctx, interrupt := context.WithCancelCause(t.Context())
			if as == "is good" {
				interrupt(errors.New("enough"))
			} else {
				time.AfterFunc(50*time.Millisecond, func() { interrupt(errors.New("enough")) })
			}
			if err := soak(ctx, o); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("error %v, want the interrupt", err)
			}
			j, err := openLog(o.log, o.seed)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			if len(j.All()) != 0 {
				t.Errorf("in the log: %+v", j.All())
			}
		})
	}
}

// TestMoments: the same seed kills at the same moments, and they differ.
func TestMoments(t *testing.T) {
	o := soakOf(t, "is good")
	var all [2][]string
	for i := range all {
		o.log = filepath.Join(t.TempDir(), "log.jsonl")
		s, err := newSoak(o)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			all[i] = append(all[i], s.moment(trial{kill, run.Local, n + 1}, 0, time.Minute).String())
		}
	}
	slices.Sort(all[0])
	if distinct := slices.Compact(slices.Clone(all[0])); len(distinct) < 19 {
		t.Errorf("20 moments, %d of them different", len(distinct))
	}
	if slices.Sort(all[1]); !slices.Equal(all[0], all[1]) {
		t.Errorf("one seed, different moments: %v and %v", all[0], all[1])
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{{"--starts", "cloud=3"}, {"--kills", "local=-1"}, {"--parallel", "0"}, {"more"}, {"--starts", "3"}} {
		if _, err := parse(bad); !errors.Is(err, run.ErrUsage) {
			t.Errorf("%q: error %v, want one of usage", bad, err)
		}
	}
	o, err := parse([]string{"--starts", "local=3", "--kills", "docker=2", "--seed", "9"})
	if err != nil || o.starts[run.Local] != 3 || o.starts[run.Docker] != 0 || o.kills[run.Docker] != 2 || o.seed != 9 || o.patience != 30*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}
