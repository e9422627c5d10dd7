// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"fmt"
)

// Load reads the recording in dir whole. What it makes of damaged files is said
// at [Source.Events].
func Load(dir string) (rec *Recording, err error) {
	source, err := Open(dir)
	if err != nil {
		return nil, fmt.Errorf("load recording: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	rec = &Recording{Header: source.Header}
	if source.lines > 0 { // grown bit by bit, many take several times the memory
		rec.Events = make([]Event, 0, source.lines)
	}
	for e, err := range source.Events() {
		if err != nil {
			return nil, fmt.Errorf("load recording: %w", err)
		}
		rec.Events = append(rec.Events, e)
	}
	if source.size > 0 {
		rec.Requests = make([]Request, 0, source.size)
	}
	for q, err := range source.Requests() {
		if err != nil {
			return nil, fmt.Errorf("load recording: %w", err)
		}
		rec.Requests = append(rec.Requests, q)
	}
	rec.Damage = source.Damage()
	return rec, nil
}
