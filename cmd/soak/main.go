// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command soak starts whole topologies many times over, several at once, and
// kills the harness at drawn moments, and looks whether anything clashed or was
// left behind. What it has done it notes in a log, one line a trial: started
// again with the same log, it goes on where it was.
//
//	soak --starts local=100,docker=25 --kills local=25,docker=25 --log reports/out/soak/log.jsonl
//
// It ends with 0 if every trial was good, with 1 if one was not, with 3 if an
// engine is missing, and with 64 if the command line makes no sense.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:]))
}

// options are the command line.
type options struct {
	program  string
	log      string
	seed     uint64
	parallel int
	starts   map[string]int // by engine
	kills    map[string]int
	patience time.Duration // how long after a kill something may be left
}

// patience is how long after a kill something may be left, as promised.
const patience = 30 * time.Second

func execute(ctx context.Context, args []string) int {
	o, err := parse(args)
	if err == nil {
		err = soak(ctx, o)
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return run.ExitHeld
	case errors.Is(err, run.ErrUsage):
		return run.ExitUsage
	case errors.Is(err, engine.ErrUnavailable):
		return run.ExitEnvironment
	}
	return run.ExitViolated
}

func parse(args []string) (options, error) {
	o := options{patience: patience}
	flags := pflag.NewFlagSet("soak", pflag.ContinueOnError)
	flags.StringVar(&o.program, "program", "bin/blackout", "the harness")
	flags.StringVar(&o.log, "log", filepath.Join("reports", "out", "soak", "log.jsonl"), "what was done, to go on from; the runs' files lie beside it")
	flags.Uint64Var(&o.seed, "seed", 7, "of everything that is drawn")
	flags.IntVar(&o.parallel, "parallel", 4, "how many topologies start at a time")
	flags.StringToIntVar(&o.starts, "starts", map[string]int{run.Local: 100, run.Docker: 25}, "how many topologies to start, by engine")
	flags.StringToIntVar(&o.kills, "kills", map[string]int{run.Local: 25, run.Docker: 25}, "how many harnesses to kill, by engine")
	if err := flags.Parse(args); err != nil {
		return o, errors.Join(run.ErrUsage, err)
	}
	if flags.NArg() > 0 || o.parallel < 1 {
		return o, fmt.Errorf("%w: there are flags and nothing else, and --parallel is at least 1", run.ErrUsage)
	}
	for _, counts := range []map[string]int{o.starts, o.kills} {
		for name, n := range counts {
			if !slices.Contains([]string{run.Local, run.Docker}, name) || n < 0 {
				return o, fmt.Errorf("%w: %s=%d: the engines are %s and %s, and counts are not negative", run.ErrUsage, name, n, run.Local, run.Docker)
			}
		}
	}
	return o, nil
}

// soak does what is not yet in the log, and says what came of everything.
func soak(ctx context.Context, o options) error {
	if o.starts[run.Docker]+o.kills[run.Docker] > 0 {
		if err := docker.Available(ctx); err != nil {
			return fmt.Errorf("%w; leave it out with --starts local=N --kills local=N", err)
		}
	}
	s, err := newSoak(o)
	if err != nil {
		return err
	}
	err = errors.Join(s.carryOut(ctx), s.done.Close())
	fmt.Println(s.done.summary(o))
	if err != nil {
		return err
	}
	return s.done.problems()
}
