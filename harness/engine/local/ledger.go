// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"blackout/harness/watchdog/owner"
)

// ledgerSuffix ends the name of a run's ledger: one JSON object per line.
const ledgerSuffix = ".jsonl"

// entry is one line of a ledger: the run's owner (the first line), or a
// directory about to be made, or a process that was started.
type entry struct {
	Owner   string `json:"owner,omitempty"`
	Dir     string `json:"dir,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Started string `json:"started,omitempty"` // as of owner.Started
}

// ledger notes what a run makes, for a sweep after the harness was killed. Each
// line is one write: what was written survives the writer's death.
type ledger struct {
	mu   sync.Mutex
	path string
}

// newLedger begins the ledger of a run.
func newLedger(run string, self owner.Owner) (*ledger, error) {
	dir, err := ledgerDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory for ledgers: %w", err)
	}
	l := &ledger{path: filepath.Join(dir, run+ledgerSuffix)}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("begin ledger of run %s: the id is in use, or was not swept: use another (%w)", run, err)
	}
	if err != nil {
		return nil, fmt.Errorf("begin ledger of run %s: %w", run, err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("begin ledger of run %s: %w", run, err)
	}
	return l, l.add(entry{Owner: self.String()})
}

// ledgerDir is the same directory for every harness of a user, because a sweep
// knows nothing of a run but its id.
func ledgerDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for ledgers: %w: set HOME", err)
	}
	return filepath.Join(cache, "blackout", "local"), nil
}

// add appends a line.
func (l *ledger) add(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0) // never makes it anew: a swept run is over
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// record is a ledger read back.
type record struct {
	run       string
	path      string
	owner     string // empty when its writer was killed before the first line
	dirs      []string
	processes []started
}

// started is a process by id and start time, as of owner.Started.
type started struct {
	pid int
	at  string
}

// parseLedger skips lines that are cut short or not its own: a sweep has to do
// what it can. Only absolute directories are taken, as the engine writes them.
func parseLedger(content []byte) record {
	var r record
	for line := range bytes.Lines(content) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			continue
		}
		switch {
		case e.Owner != "":
			r.owner = e.Owner
		case filepath.IsAbs(e.Dir):
			r.dirs = append(r.dirs, e.Dir)
		case e.PID > 1 && e.Started != "":
			r.processes = append(r.processes, started{pid: e.PID, at: e.Started})
		}
	}
	return r
}

// readLedgers reads the ledger of one run, or of all with run == "".
func readLedgers(run string) ([]record, error) {
	dir, err := ledgerDir()
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ledgers: %w", err)
	}
	var records []record
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ledgerSuffix)
		if !ok || run != "" && name != run {
			continue
		}
		path := filepath.Join(dir, file.Name())
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another sweep was faster
		}
		if err != nil {
			return nil, fmt.Errorf("read ledger of run %s: %w", name, err)
		}
		r := parseLedger(content)
		r.run, r.path = name, path
		records = append(records, r)
	}
	return records, nil
}
