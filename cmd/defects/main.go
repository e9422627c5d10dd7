// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command defects tests the harness: it lets it judge gateways with planted
// defects, each of which must be caught by the promise that it breaks, and the
// good gateway many times over, which must never be. What it has done it notes in
// a log, one line a run: started again with the same log, it goes on where it was.
//
//	defects --log reports/out/defects/log.jsonl --table docs/defects.md
//	defects --only rereads-store --clean none
//	defects --dir more/defects --scenarios all
//	defects --changed HEAD~1 --at-most 6
//
// A run is given the built gateway alone, never what the patch says of itself.
//
// It ends with 0 if every defect was caught, the promise named was right for nine
// in ten, and the good gateway raised no alarm; with 1 if not; with 3 if something
// could not be built or started, with 5 if the harness failed, and with 64 if the
// command line, or a patch's preamble, makes no sense.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"blackout/harness/admission"
	"blackout/harness/defect"
	"blackout/harness/engine"
	"blackout/harness/run"
	"blackout/scenarios"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:]))
}

// options are the command line.
type options struct {
	program   string
	log       string
	table     string // where the tables go, beside the terminal; empty: nowhere
	dir       string // of the patches
	engine    string
	seed      uint64
	parallel  int
	queue     float64  // tasks for each processor, above which no run begins beside others
	only      []string // names of defects; empty: all
	scenarios []string // in place of those that the patches name
	clean     repetitions
	changed   string // commit; empty: all defects
	atMost    int    // of the changed defects; 0: all
	controls  bool   // with changed: the three controls as well
	anew      bool   // begin another log
	tell      bool   // run nothing
	earlier   bool   // runs of earlier states of the sources count too
}

// since is what --changed takes for the commit that a branch left the main one at.
const since = "auto"

func execute(ctx context.Context, args []string) int {
	o, err := parse(args)
	if err == nil {
		err = carryOut(ctx, o)
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "defects:", err)
	}
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return run.ExitHeld
	case errors.Is(err, run.ErrUsage), errors.Is(err, defect.ErrUnknown):
		return run.ExitUsage
	case errors.Is(err, engine.ErrUnavailable):
		return run.ExitEnvironment
	case errors.Is(err, errShown):
		return run.ExitViolated
	}
	return run.ExitHarness
}

func parse(args []string) (options, error) {
	o := options{clean: repetitions{"cp-outage-scale-out": 50, others: 5}}
	flags := pflag.NewFlagSet("defects", pflag.ContinueOnError)
	flags.StringVar(&o.program, "program", "bin/blackout", "the harness")
	flags.StringVar(&o.log, "log", filepath.Join("reports", "out", "defects", "log.jsonl"), "what was done, to go on from; the runs' files lie beside it")
	flags.StringVar(&o.table, "table", "", "file that the tables are written to as well")
	flags.StringVar(&o.dir, "dir", defect.Dir, "directory of the patches")
	flags.StringVar(&o.engine, "engine", run.Local, "where to run: local, docker")
	flags.Uint64Var(&o.seed, "seed", 7, "of the defects' runs, and of what is drawn")
	flags.IntVar(&o.parallel, "parallel", 2, "how many runs at a time, if the machine has room for them")
	flags.Float64Var(&o.queue, "queue", admission.Processes.Now, "begin no run beside others while more tasks run or wait for each processor")
	flags.StringSliceVar(&o.only, "only", nil, "judge these defects alone")
	flags.StringSliceVar(&o.scenarios, "scenarios", nil, "run these in place of those that the patches name: scenarios, families, or all, until one of them catches")
	flags.Var(&o.clean, "clean", "how often the good gateway is judged, NAME=N, and N for every other scenario; or none")
	flags.StringVar(&o.changed, "changed", "", "judge only defects whose files differ from this commit; auto: from where the branch left origin/main, or the commit before; implies --clean none")
	flags.IntVar(&o.atMost, "at-most", 0, "with --changed: no more than so many, drawn by the seed; 0: all")
	flags.BoolVar(&o.controls, "controls", true, "with --changed: three controls as well")
	flags.BoolVar(&o.anew, "anew", false, "begin the log anew")
	flags.BoolVar(&o.tell, "tell", false, "run nothing: tell what the log has")
	flags.BoolVar(&o.earlier, "earlier", false, "count runs of earlier states of the sources too")
	if err := flags.Parse(args); err != nil {
		return o, errors.Join(run.ErrUsage, err)
	}
	if flags.NArg() > 0 || o.parallel < 1 || o.atMost < 0 {
		return o, fmt.Errorf("%w: there are flags and nothing else, --parallel is at least 1, and --at-most is not negative", run.ErrUsage)
	}
	if o.engine != run.Local && o.engine != run.Docker {
		return o, fmt.Errorf("%w: unknown engine %q: the engines are %s and %s", run.ErrUsage, o.engine, run.Local, run.Docker)
	}
	if o.changed != "" {
		o.clean = nil
	}
	return o, nil
}

// repetitions say how often the good gateway is judged, by scenario.
type repetitions map[string]int

// others stands for every scenario that is not named.
const others = ""

// of is how often a scenario is repeated.
func (r repetitions) of(scenario string) int {
	if n, named := r[scenario]; named {
		return n
	}
	return r[others]
}

// String implements pflag.Value.
func (r *repetitions) String() string {
	if *r == nil {
		return "none"
	}
	parts := make([]string, 0, len(*r))
	for _, s := range scenarios.All {
		if n, named := (*r)[s.Name]; named {
			parts = append(parts, fmt.Sprintf("%s=%d", s.Name, n))
		}
	}
	return strings.Join(append(parts, strconv.Itoa((*r)[others])), ",")
}

// Type implements pflag.Value.
func (r *repetitions) Type() string { return "NAME=N,N" }

// Set implements pflag.Value.
func (r *repetitions) Set(text string) error {
	*r = nil
	if text == "none" {
		return nil
	}
	read := make(repetitions)
	for _, part := range strings.Split(text, ",") {
		name, count, named := strings.Cut(part, "=")
		if !named {
			name, count = others, part
		} else if _, err := scenarios.Find(name); err != nil {
			return err
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no count: say NAME=N, and N for every other scenario, or none", part)
		}
		read[name] = n
	}
	*r = read
	return nil
}
