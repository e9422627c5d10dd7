// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command repeat runs a command until it has succeeded so many times without a
// failure between them. What it has done it notes in a log, one line a repetition:
// started again with the same log and commit, it goes on counting; after a failure
// the count begins anew. What the command says goes to a file beside the log.
//
//	repeat --name 'fast on local' --times 30 --log reports/out/repeat/log.jsonl -- make scenarios FAMILY=fast ENGINE=local
//
// It ends with 0 after so many successes, with 1 at the first failure, with 5 if it
// cannot do its work, and with 64 if the command line makes no sense.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"blackout/harness/journal"
	"blackout/harness/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Stdout, run.Version(), os.Args[1:]))
}

// endLimit is how long the command may take to end when it is interrupted.
const endLimit = 3 * time.Minute

// options are the command line.
type options struct {
	name, log string
	times     int
	command   []string
}

// repetition is a line of the log.
type repetition struct {
	Name   string        `json:"name"`
	Commit string        `json:"commit"`
	Began  time.Time     `json:"began"`
	Took   time.Duration `json:"took_ns"`
	Exit   int           `json:"exit"` // the command's exit code
	Output string        `json:"output"`
}

// heading is the first line of the log.
type heading struct {
	Of     string `json:"of"`
	Schema int    `json:"schema"`
}

var ours = heading{"repetitions", 1}

// errFailed is returned, wrapped, for a repetition that failed.
var errFailed = errors.New("FAILED")

func execute(ctx context.Context, w io.Writer, commit string, args []string) int {
	o, err := parse(args)
	if err == nil {
		err = repeat(ctx, w, commit, o)
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "repeat:", err)
	}
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return run.ExitHeld
	case errors.Is(err, run.ErrUsage):
		return run.ExitUsage
	case errors.Is(err, errFailed):
		return run.ExitViolated
	}
	return run.ExitHarness
}

func parse(args []string) (options, error) {
	var o options
	flags := pflag.NewFlagSet("repeat", pflag.ContinueOnError)
	flags.StringVar(&o.name, "name", "", "of what is repeated")
	flags.StringVar(&o.log, "log", filepath.Join("reports", "out", "repeat", "log.jsonl"), "what was done, to go on from; the command's output lies beside it")
	flags.IntVar(&o.times, "times", 30, "how many successes without a failure between them")
	if err := flags.Parse(args); err != nil {
		return o, errors.Join(run.ErrUsage, err)
	}
	if o.command = flags.Args(); o.name == "" || o.times < 1 || len(o.command) == 0 {
		return o, fmt.Errorf("%w: there is a --name and a command, and --times is at least 1", run.ErrUsage)
	}
	return o, nil
}

// repeat repeats the command until it has succeeded often enough, or fails.
func repeat(ctx context.Context, w io.Writer, commit string, o options) (err error) {
	j, err := journal.Open[heading, repetition](o.log, ours)
	if err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	good := inARow(j.All(), o.name, commit)
	if good > 0 {
		fmt.Fprintf(w, "%s: goes on after %d of %d at %s\n", o.name, good, o.times, commit)
	}
	for ; good < o.times; good++ {
		r, err := once(ctx, commit, o)
		if err != nil {
			return err // cut short, it has shown nothing
		}
		if err := j.Add(r); err != nil {
			return err
		}
		if r.Exit != 0 {
			return fmt.Errorf("%w: %s, after %d in a row, with exit code %d in %.0f s: see %s", errFailed, o.name, good, r.Exit, r.Took.Seconds(), r.Output)
		}
		fmt.Fprintf(w, "%s: %d of %d in %.0f s\n", o.name, good+1, o.times, r.Took.Seconds())
	}
	fmt.Fprintf(w, "%s: %d in a row without a failure at %s, see %s\n", o.name, good, commit, o.log)
	return nil
}

// inARow is how many repetitions succeeded since the last that did not. Those of
// another commit do not count, and none do of a tree with changes, which may have
// been others.
func inARow(done []repetition, name, commit string) int {
	n := 0
	if strings.HasSuffix(commit, "+changes") || commit == "unknown" {
		return 0
	}
	for _, r := range slices.Backward(done) {
		if r.Name != name {
			continue
		}
		if r.Commit != commit || r.Exit != 0 {
			break
		}
		n++
	}
	return n
}

// once runs the command.
func once(ctx context.Context, commit string, o options) (repetition, error) {
	r := repetition{Name: o.name, Commit: commit, Began: time.Now().UTC()}
	r.Output = filepath.Join(filepath.Dir(o.log), strings.ReplaceAll(o.name, " ", "-")+r.Began.Format("-20060102-150405.000")+".log")
	output, err := os.Create(r.Output)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, o.command[0], o.command[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which passes it on
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = endLimit
	err = cmd.Run()
	r.Took = time.Since(r.Began)
	closeErr := output.Close()
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		r.Exit, err = cmd.ProcessState.ExitCode(), nil
	}
	return r, errors.Join(err, closeErr)
}
