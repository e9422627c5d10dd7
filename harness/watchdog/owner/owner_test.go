// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package owner_test

import (
	"errors"
	"os/exec"
	"testing"

	"blackout/harness/watchdog/owner"
)

func TestSelfIsAlive(t *testing.T) {
	t.Parallel()
	self, err := owner.Self()
	if err != nil {
		t.Fatal(err)
	}
	gone, err := self.Gone()
	if err != nil || gone {
		t.Fatalf("Gone() = %v, %v for the running process, want false", gone, err)
	}
	parsed, err := owner.Parse(self.String())
	if err != nil || parsed != self {
		t.Fatalf("Parse(%q) = %+v, %v, want %+v", self, parsed, err, self)
	}
}

func TestGoneNeedsTheSameProcess(t *testing.T) {
	t.Parallel()
	self, err := owner.Self()
	if err != nil {
		t.Fatal(err)
	}
	successor := self
	successor.Started += "0"
	if gone, err := successor.Gone(); err != nil || !gone {
		t.Errorf("Gone() = %v, %v for another process with the same id, want true", gone, err)
	}
	foreign := successor
	foreign.Host += "-elsewhere"
	if gone, err := foreign.Gone(); err != nil || gone {
		t.Errorf("Gone() = %v, %v for a process of another host, want false", gone, err)
	}
}

// A killed harness whose parent has not collected it yet is gone all the same:
// in a container whose first process collects nothing it stays so for ever.
func TestZombieIsGone(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started, err := owner.Started(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	alive := true
	for alive { // until the test's own time-out
		if alive, err = owner.Alive(cmd.Process.Pid, started); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Started(cmd.Process.Pid); !errors.Is(err, owner.ErrGone) {
		t.Fatalf("Started() = %v for a collected process, want ErrGone", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"host/1/2", "host/-1/2", "//", "a/b/c", "host/1/2/3", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := owner.Parse(text)
		if err != nil {
			return
		}
		again, err := owner.Parse(parsed.String())
		if err != nil || again != parsed {
			t.Fatalf("Parse(%q) = %+v, which is read back as %+v, %v", text, parsed, again, err)
		}
	})
}
