// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFallbackOnATerminal writes for people without being told.
func TestFallbackOnATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for form, want := range map[string]string{"": "storage      s3://backup/eu\r\n", "--json": `"storage": "s3://backup/eu"`} {
		master, terminal := openTerminal(t)
		cmd := command(t.Context(), s.env, strings.Fields("inspect "+form)...)
		cmd.Stdout = terminal
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = terminal.Close()               // the program's is the last one
		shown, _ := io.ReadAll(master)     // ends with an error when it is closed
		if err := cmd.Wait(); err != nil { // which is not the reading's
			t.Fatal(err)
		}
		if !strings.Contains(string(shown), want) {
			t.Errorf("%q shows %q, want %q", form, shown, want)
		}
	}
}

// openTerminal opens a pseudo-terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("NOT MEASURED: no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd()) // #nosec G115 -- a descriptor
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}
