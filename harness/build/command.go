// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"blackout/harness/engine"
)

const (
	// outputLines is how much of a failed compiler's output an error shows.
	outputLines = 20
	// drainTimeout bounds the wait for the pipes of a killed compiler.
	drainTimeout = 5 * time.Second
)

// goCommand runs the go command in dir. It ends, with all its children, when
// ctx does.
func (b *builder) goCommand(ctx context.Context, dir string, args []string, race bool) error {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = b.environment(race)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = drainTimeout
	// The compiler's children are ended with it: they form one process group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w; install Go or put it into PATH", err)
	}
	return fmt.Errorf("go build: %w\n%s", err, firstLines(output.String(), outputLines))
}

// environment is the harness's own, so that the user's proxy and cache settings
// hold, with what decides about the result fixed.
func (b *builder) environment(race bool) []string {
	cgo := "CGO_ENABLED=0"
	if race {
		cgo = "CGO_ENABLED=1"
	}
	env := append(os.Environ(), "GOOS="+b.goos, "GOARCH="+b.arch, "GOWORK=off", cgo)
	if b.Run != "" {
		env = append(env, engine.RunVariable+"="+b.Run)
	}
	return append(env, b.Env...)
}

// firstLines returns at most n lines of text and says how many it left out.
func firstLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) <= n {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines[:n], "\n") + fmt.Sprintf("\n… and %d more lines", len(lines)-n)
}
