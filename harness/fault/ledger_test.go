// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/harness/topology"
	"blackout/harness/watchdog/owner"
)

// undos notes what was undone, in order.
type undos struct{ done []string }

func (u *undos) undoers() map[string]Undoer {
	return map[string]Undoer{
		"note": func(_ context.Context, args map[string]string) error {
			u.done = append(u.done, args["what"])
			return nil
		},
		"fail": func(context.Context, map[string]string) error { return errFake },
	}
}

func note(what ...string) []Undo {
	undo := make([]Undo, len(what))
	for i, w := range what {
		undo[i] = Undo{Do: "note", Args: map[string]string{"what": w}}
	}
	return undo
}

func enterFault(t *testing.T, l *Ledger, node string, undo []Undo) int {
	t.Helper()
	n, err := l.enter(Spec{Kind: Pause, Node: node}, undo)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// exists says whether a run's ledger is still there.
func (l *Ledger) exists() bool {
	_, err := os.Stat(l.path)
	return err == nil
}

// dir is where the ledger lies.
func (l *Ledger) dir() string { return filepath.Dir(l.path) }

// TestRecoverUndoesTheCrashedRun: what was not struck, latest first, and the
// undos of a fault in reverse.
func TestRecoverUndoesTheCrashedRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ledger, err := OpenLedger(dir, "r1")
	if err != nil {
		t.Fatal(err)
	}
	enterFault(t, ledger, "first", note("1a", "1b"))
	struck := enterFault(t, ledger, "second", note("2"))
	enterFault(t, ledger, "third", note("3a", "3b"))
	if err := ledger.strike(struck); err != nil {
		t.Fatal(err)
	}
	var u undos
	undone, err := Recover(t.Context(), dir, "r1", u.undoers())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"3b", "3a", "1b", "1a"}; !slices.Equal(u.done, want) {
		t.Errorf("undone %q, want %q", u.done, want)
	}
	if want := []string{"fault pause on third", "fault pause on first"}; !slices.Equal(undone, want) {
		t.Errorf("lines %q, want %q", undone, want)
	}
	if ledger.exists() {
		t.Error("the ledger is still there")
	}
	if undone, err := Recover(t.Context(), dir, "", u.undoers()); err != nil || len(undone) != 0 {
		t.Errorf("a second recovery: %q, %v", undone, err)
	}
	if _, err := ledger.enter(fakeSpec, nil); err == nil {
		t.Error("a recovered run goes on")
	}
}

// TestLedgerSurvivesItsEncoding: what is undone is what was entered.
func TestLedgerSurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	ledger := newLedger(t)
	spec := Spec{
		Kind: Flapping, Edge: topology.Edge{From: "dp-1", To: "cp"}, Direction: Upstream, Delay: 1, Jitter: 2, Rate: 3, Bytes: 4,
		Status: 5, RetryAfter: 6, Count: 7, Generation: 8, Seed: 1<<64 - 1, Times: []time.Duration{9, 10}, Control: true,
	}
	undo := []Undo{{Do: "x\n", Args: map[string]string{"a": "ä\n\"", "b": ""}}}
	if _, err := ledger.enter(spec, undo); err != nil {
		t.Fatal(err)
	}
	r, err := readLedger(ledger.path)
	if err != nil || len(r.open) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	got, err := json.Marshal(r.open[0])
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(line{Number: 1, Fault: &spec, Undo: undo})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read %s, entered %s", got, want)
	}
}

// writeLedger makes a ledger of the given lines.
func writeLedger(t *testing.T, dir, run string, text ...string) string {
	t.Helper()
	path := filepath.Join(dir, run+ledgerSuffix)
	if err := os.WriteFile(path, []byte(strings.Join(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownedBy is the first line of a ledger of a living or of a dead process.
func ownedBy(t *testing.T, living bool) string {
	t.Helper()
	o, err := owner.Self()
	if err != nil {
		t.Fatal(err)
	}
	if !living {
		o.Started += "0"
	}
	return `{"owner":"` + o.String() + `"}`
}

const entry = `{"n":1,"fault":{"kind":"pause","node":"n1"},"undo":[{"do":"note","args":{"what":"1"}}]}`

// TestSweepKeepsWhatLives: without a run's name, only dead harnesses are cleaned
// up after.
func TestSweepKeepsWhatLives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	kept := []string{
		writeLedger(t, dir, "living", ownedBy(t, true), entry),
		writeLedger(t, dir, "just-begun"),
		filepath.Join(dir, "notes.txt"),
	}
	if err := os.WriteFile(kept[2], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := []string{
		writeLedger(t, dir, "dead", ownedBy(t, false), entry, entry[:40]), // its last line is cut short
		writeLedger(t, dir, "dead-and-clean", ownedBy(t, false), entry, `{"struck":1}`),
		writeLedger(t, dir, "never-begun", `{"own`),
	}
	if err := os.Chtimes(gone[2], old, old); err != nil {
		t.Fatal(err)
	}
	var u undos
	undone, err := Recover(t.Context(), dir, "", u.undoers())
	if err != nil || len(undone) != 1 || !slices.Equal(u.done, []string{"1"}) {
		t.Errorf("lines %q, undone %q, error %v", undone, u.done, err)
	}
	for _, path := range kept {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("not kept: %v", err)
		}
	}
	for _, path := range gone {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

// TestFailedRecoveryKeepsTheLedger, undoes what it can, and can be repeated.
func TestFailedRecoveryKeepsTheLedger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		undo []Undo
		says []string
		is   error
	}{
		"an undo fails":      {[]Undo{{Do: "fail"}}, []string{"fail", "pause on n2", "run r1"}, errFake},
		"an undo is unknown": {[]Undo{{Do: "wipe"}}, []string{"wipe", "pause on n2", "the one that wrote it"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ledger, err := OpenLedger(dir, "r1")
			if err != nil {
				t.Fatal(err)
			}
			enterFault(t, ledger, "n1", note("1"))
			enterFault(t, ledger, "n2", append(note("2"), c.undo...))
			enterFault(t, ledger, "n3", note("3"))
			var u undos
			undone, err := Recover(t.Context(), dir, "r1", u.undoers())
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("error %v", err)
			}
			for _, text := range c.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			if want := []string{"3", "1"}; !slices.Equal(u.done, want) || len(undone) != 2 {
				t.Errorf("undone %q, want %q; lines %q", u.done, want, undone)
			}
			undoers := u.undoers()
			undoers["fail"], undoers["wipe"] = undoers["note"], undoers["note"]
			if _, err := Recover(t.Context(), dir, "r1", undoers); err != nil || ledger.exists() {
				t.Errorf("the repetition: error %v, ledger still there: %v", err, ledger.exists())
			}
		})
	}
}

// TestHungUndoIsBounded by the caller's context as well.
func TestHungUndoIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ledger, err := OpenLedger(dir, "r1")
	if err != nil {
		t.Fatal(err)
	}
	enterFault(t, ledger, "n1", []Undo{{Do: "hang"}})
	ctx, cancel := context.WithCancel(t.Context())
	hang := func(ctx context.Context, _ map[string]string) error {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > undoLimit {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := Recover(ctx, dir, "r1", map[string]Undoer{"hang": hang}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestRecoverWithoutLedgers(t *testing.T) {
	t.Parallel()
	undone, err := Recover(t.Context(), filepath.Join(t.TempDir(), "missing"), "", nil)
	if err != nil || len(undone) != 0 {
		t.Errorf("%q, %v", undone, err)
	}
}

func TestCloseKeepsWhatIsOpen(t *testing.T) {
	t.Parallel()
	ledger := newLedger(t)
	n := enterFault(t, ledger, "n1", note("1"))
	if err := ledger.Close(); err == nil || !strings.Contains(err.Error(), "pause on n1") || !strings.Contains(err.Error(), "doctor") {
		t.Errorf("error %v", err)
	}
	if !ledger.exists() {
		t.Fatal("a ledger with an open fault is gone")
	}
	if err := ledger.strike(n); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Close(); err != nil || ledger.exists() {
		t.Errorf("error %v, ledger still there: %v", err, ledger.exists())
	}
}

func TestLedgersAreNotShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := OpenLedger(dir, "r1"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLedger(dir, "r1"); !errors.Is(err, os.ErrExist) {
		t.Errorf("error %v", err)
	}
}

// TestTornLineSpoilsNoOther: a line that the disk took in part must not take the
// next one with it.
func TestTornLineSpoilsNoOther(t *testing.T) {
	t.Parallel()
	ledger := newLedger(t)
	file, err := os.OpenFile(ledger.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(entry[:40]); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	enterFault(t, ledger, "n1", note("1"))
	if r, err := readLedger(ledger.path); err != nil || len(r.open) != 1 || r.owner == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLedgerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 5
	ledger := newLedger(t)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range each {
				n, err := ledger.enter(fakeSpec, note("x"))
				if err == nil && i > 0 {
					err = ledger.strike(n)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	r, err := readLedger(ledger.path)
	if err != nil || len(r.open) != workers {
		t.Fatalf("%d faults open, error %v; want %d", len(r.open), err, workers)
	}
	numbers := make(map[int]bool)
	for _, l := range r.open {
		numbers[l.Number] = true
	}
	if len(numbers) != workers {
		t.Errorf("numbers %v are not unique", numbers)
	}
}

func FuzzReadLedger(f *testing.F) {
	f.Add([]byte(`{"owner":"h/b/n/1/2"}` + "\n" + entry + "\n" + `{"struck":1}`))
	f.Add([]byte(entry + "\n" + entry[:40]))
	f.Add([]byte(`{"n":1,"fault":null}` + "\n[]\n{}\nnull"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "r1"+ledgerSuffix)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := readLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.open) > bytes.Count(content, []byte("\n"))+1 {
			t.Errorf("%d faults in %q", len(r.open), content)
		}
		for _, l := range r.open {
			if l.Fault == nil {
				t.Errorf("a fault without a spec in %q", content)
			}
		}
	})
}
