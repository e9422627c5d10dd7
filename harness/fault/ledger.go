// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"blackout/harness/watchdog/owner"
)

// Undo is one thing that takes a fault away without the process that injected
// it: the name of an [Undoer] and its arguments.
type Undo struct {
	Do   string            `json:"do"`
	Args map[string]string `json:"args"`
}

// Undoer carries out an Undo. What is already undone, because its target is gone
// for instance, is no error.
type Undoer func(ctx context.Context, args map[string]string) error

// Ledger notes on disk which faults a run has injected, and how to undo them,
// for [Recover] after the harness was killed. Each line is written through to
// the disk before the fault is in force. It is safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex
	path string
	next int
}

// ledgerSuffix ends the name of a run's ledger: one JSON object per line.
const ledgerSuffix = ".jsonl"

// line is one line of a ledger: its owner (the first), a fault that is about to
// be injected, or the number of one that was cleaned up.
type line struct {
	Owner  string `json:"owner,omitempty"`
	Number int    `json:"n,omitempty"`
	Fault  *Spec  `json:"fault,omitempty"`
	Undo   []Undo `json:"undo,omitempty"`
	Struck int    `json:"struck,omitempty"`
}

// OpenLedger begins the ledger of a run in dir, which is made if missing.
func OpenLedger(dir, run string) (*Ledger, error) {
	self, err := owner.Self()
	if err != nil {
		return nil, fmt.Errorf("begin ledger of faults: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin ledger of faults: %w", err)
	}
	l := &Ledger{path: filepath.Join(dir, run+ledgerSuffix), next: 1}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin ledger of faults: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("begin ledger of faults: %w", err)
	}
	return l, l.write(line{Owner: self.String()})
}

// LedgerDir is the directory of the ledgers of all runs of this user.
func LedgerDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for ledgers: %w: set HOME", err)
	}
	return filepath.Join(cache, "blackout", "faults"), nil
}

// enter notes a fault that is about to be injected and returns its number.
func (l *Ledger) enter(spec Spec, undo []Undo) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.next
	if err := l.write(line{Number: n, Fault: &spec, Undo: undo}); err != nil {
		return 0, err
	}
	l.next++
	return n, nil
}

// strike notes that a fault was cleaned up.
func (l *Ledger) strike(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(line{Struck: n})
}

// write appends a line and waits until it is on the disk.
func (l *Ledger) write(v line) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write ledger of faults: %w", err)
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0) // never makes it anew: a recovered run is over
	if err != nil {
		return fmt.Errorf("write ledger of faults: %w", err)
	}
	// A line of its own, also after one that a full disk took in part.
	_, err = fmt.Fprintf(file, "\n%s\n", b)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write ledger of faults: %w", err)
	}
	return nil
}

// Close removes the ledger if every fault in it was cleaned up, and keeps it for
// Recover otherwise.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := readLedger(l.path)
	if err != nil {
		return fmt.Errorf("close ledger of faults: %w", err)
	}
	if n := len(r.open); n > 0 {
		return fmt.Errorf("close ledger of faults: %d faults were not cleaned up, first %s: `blackout doctor` undoes them", n, r.open[0].Fault)
	}
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("close ledger of faults: %w", err)
	}
	return nil
}

// record is a ledger read back.
type record struct {
	path  string
	owner string // empty when its writer was killed before the first line
	open  []line // faults that were not struck, latest first
}

// readLedger skips lines that are cut short: a fault is injected only after its
// line is whole.
func readLedger(path string) (record, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return record{}, err
	}
	r := record{path: path}
	for text := range bytes.Lines(content) {
		var l line
		if json.Unmarshal(text, &l) != nil {
			continue
		}
		switch {
		case l.Owner != "":
			r.owner = l.Owner
		case l.Fault != nil:
			r.open = append([]line{l}, r.open...)
		case l.Struck != 0:
			for i, o := range r.open {
				if o.Number == l.Struck {
					r.open = append(r.open[:i], r.open[i+1:]...)
					break
				}
			}
		}
	}
	return r, nil
}

// undoLimit bounds the undoing of one fault.
const undoLimit = 10 * time.Second

// Recover undoes the faults that a run left in force, and with run == "" those of
// every run whose harness is gone. It returns a line for each. The ledger of a run
// is removed when everything in it is undone.
func Recover(ctx context.Context, dir, run string, undoers map[string]Undoer) (undone []string, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recover faults: %w", err)
	}
	var errs []error
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ledgerSuffix)
		if !ok || run != "" && name != run {
			continue
		}
		lines, err := recoverRun(ctx, filepath.Join(dir, file.Name()), run == "", undoers)
		undone = append(undone, lines...)
		if err != nil {
			errs = append(errs, fmt.Errorf("recover faults of run %s: %w", name, err))
		}
	}
	return undone, errors.Join(errs...)
}

func recoverRun(ctx context.Context, path string, onlyDead bool, undoers map[string]Undoer) (undone []string, err error) {
	r, err := readLedger(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // another sweep was faster
	}
	if err != nil {
		return nil, err
	}
	if onlyDead {
		gone, err := r.ownerGone()
		if err != nil || !gone {
			return nil, err
		}
	}
	var errs []error
	for _, l := range r.open {
		if err := l.undo(ctx, undoers); err != nil {
			errs = append(errs, fmt.Errorf("undo %s: %w", l.Fault, err))
			continue // the others act on other targets
		}
		undone = append(undone, "fault "+l.Fault.String())
	}
	if err := errors.Join(errs...); err != nil {
		return undone, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return undone, err
	}
	return undone, nil
}

// ownerGone says whether the harness that wrote the ledger is gone. One that was
// killed before its first line has injected nothing; a ledger just begun looks
// the same, so it is left alone for a while.
func (r record) ownerGone() (bool, error) {
	if r.owner == "" {
		info, err := os.Stat(r.path)
		return err == nil && time.Since(info.ModTime()) > time.Minute, err
	}
	o, err := owner.Parse(r.owner)
	if err != nil {
		return false, err
	}
	return o.Gone()
}

// undo carries out a fault's undos in the reverse order.
func (l line) undo(ctx context.Context, undoers map[string]Undoer) error {
	ctx, cancel := context.WithTimeout(ctx, undoLimit)
	defer cancel()
	for i := len(l.Undo) - 1; i >= 0; i-- {
		u := l.Undo[i]
		do, ok := undoers[u.Do]
		if !ok {
			return fmt.Errorf("no way to %q is known to this program: use the one that wrote it", u.Do)
		}
		if err := do(ctx, u.Args); err != nil {
			return fmt.Errorf("%s: %w", u.Do, err)
		}
	}
	return nil
}
