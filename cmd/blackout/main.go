// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command blackout proves, or disproves, that an API gateway survives the loss of
// its control plane: it plans, runs and judges scenarios and writes their
// reports. `blackout help` lists its commands; the exit codes are those of
// harness/run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"blackout/harness/defect"
	"blackout/harness/run"
)

func main() {
	run.Guard()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once; the watchdog then cleans up
	os.Exit(execute(ctx, os.Args[1:]))
}

// exit carries an exit code out of a command; its error, if any, is printed.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// exitCodes are the exit codes of the commands that judge, for their help.
const exitCodes = `Exit codes:
  0   every promise that was asked for held, every objective is PROVEN
  1   a promise or an objective was VIOLATED
  3   the environment failed: no engine, no image
  4   INVALID: the measurement, or the fault it rests on, was bad
  5   the harness failed
  6   an objective is NOT PROVEN
  7   NOT MEASURED, though asked for
  64  usage`

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:   "blackout",
		Short: "Prove that an API gateway survives the loss of its control plane",
		Long: `Prove, or disprove, that an API gateway survives the loss of its control plane.

A run draws a plan from a seed, brings a topology up, injects faults, records
everything, judges the recording promise by promise and writes a report.

` + exitCodes,
		SilenceErrors: true,
		SilenceUsage:  true,
		// One line says what is valid; a guess beside it would be a second.
		DisableSuggestions: true,
	}
	root.AddCommand(runCommand(), replayCommand(), shrinkCommand(), nightCommand(), planCommand(), listCommand(), rejudgeCommand(), reportCommand(), doctorCommand(), fallbackCommand(), versionCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var e exit
	switch {
	case err == nil:
		return run.ExitHeld
	case errors.As(err, &e):
		if e.err != nil {
			complain(e.err)
		}
		return e.code
	case errors.Is(err, run.ErrUsage), errors.Is(err, defect.ErrUnknown):
		complain(err)
		return run.ExitUsage
	}
	// What cobra itself refuses: an unknown command or flag, a missing argument.
	complain(fmt.Errorf("%w; %s", worded(err), valid(root, args)))
	return run.ExitUsage
}

// worded says of a flag's value what it should be, in place of how reading it failed.
func worded(err error) error {
	refused, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	wants := map[string]string{"int": "a whole number", "bool": "true or false"}
	want, known := wants[refused.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", refused.GetFlag().Name, want, refused.GetValue())
}

// valid names what the command line could have said: the flags of the command
// that it was meant for, or the commands.
func valid(root *cobra.Command, args []string) string {
	found, _, err := root.Find(args)
	if err != nil || found == root {
		var names []string
		for _, c := range root.Commands() {
			names = append(names, c.Name())
		}
		return "the commands are " + strings.Join(names, ", ")
	}
	var names []string
	found.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return fmt.Sprintf("the flags of %s are %s", found.CommandPath(), strings.Join(names, ", "))
}

// complain prints an error in one line.
func complain(err error) {
	text := strings.TrimPrefix(err.Error(), run.ErrUsage.Error()+": ")
	fmt.Fprintln(os.Stderr, "blackout: "+strings.ReplaceAll(text, "\n", "; "))
}
