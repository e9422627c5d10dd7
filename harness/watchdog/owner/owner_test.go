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

func TestGone(t *testing.T) {
	t.Parallel()
	self, err := owner.Self()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		change func(*owner.Owner)
		gone   bool
	}{
		"this process":                {change: func(*owner.Owner) {}},
		"another with this id":        {change: func(o *owner.Owner) { o.Started += "0" }, gone: true},
		"of another namespace":        {change: func(o *owner.Owner) { o.Namespace += "0"; o.Started += "0" }},
		"of another boot":             {change: func(o *owner.Owner) { o.Boot += "0" }, gone: true},
		"of another boot, namespaced": {change: func(o *owner.Owner) { o.Boot += "0"; o.Namespace += "0" }, gone: true},
		"of another host":             {change: func(o *owner.Owner) { o.Host += "0"; o.Boot += "0"; o.Started += "0" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := self
			c.change(&o)
			if gone, err := o.Gone(); err != nil || gone != c.gone {
				t.Errorf("Gone() of %s = %v, %v, want %v", o, gone, err, c.gone)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "////", "host/1/2", "host/boot/ns/1", "host/boot/ns/1/2/3", "host//ns/1/2", "host/boot//1/2", "host/boot/ns/0/2", "host/boot/ns/x/2"} {
		if o, err := owner.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", text, o)
		}
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
	for _, seed := range []string{"host/boot/ns/1/2", "host/-/-/1/2", "host/boot/ns/-1/2", "////", "a/b/c/d/e", "host/1/2", ""} {
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
