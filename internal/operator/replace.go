// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// ReplaceOptions say how a snapshot is replaced.
type ReplaceOptions struct {
	Version string // whose snapshot
	By      string // who writes, for the object's bookkeeping
	Force   bool   // replace a snapshot that holds something
	DryRun  bool   // say what would be done, and do nothing
}

// Outcomes of a [Replacement].
const (
	Written   = "written"
	Unchanged = "unchanged"   // the bucket holds the same configuration already, or one that differs in form alone and is not forced
	WouldBe   = "would-write" // it was a dry run
	Refused   = "refused"     // the bucket holds something, and it was not forced
)

// Replacement is what became of a one-off export.
type Replacement struct {
	Storage    string         `json:"storage"`
	Version    string         `json:"version"`
	Key        string         `json:"key"`
	From       string         `json:"from"`
	Outcome    string         `json:"outcome"`
	Hash       string         `json:"hash"`
	Bytes      int64          `json:"bytes"`
	Epoch      string         `json:"epoch"`
	Entities   map[string]int `json:"entities"`
	Replaces   *Snapshot      `json:"replaces"`   // null: there was none
	Difference *Difference    `json:"difference"` // to what it replaces; null: that is no configuration
	Warnings   []string       `json:"warnings"`
}

// putTimeout bounds the upload. It goes on when the caller's context ends: a store must
// not be left in doubt by an interrupt.
const putTimeout = 60 * time.Second

// Replace writes a configuration as an exporter does, once: with the same guard against
// one that is empty and the same bookkeeping, on the condition that nobody writes
// meanwhile. What holds something is replaced only if that is forced. A conflict, what
// the guard refuses and what is larger than nodes take is [ErrRefused]; that the outcome is [Refused] is no error.
func (s *Storage) Replace(ctx context.Context, with *Configuration, options ReplaceOptions) (Replacement, error) {
	key, err := s.key(options.Version)
	if err != nil {
		return Replacement{}, err
	}
	r := Replacement{Storage: s.Location.String(), Version: options.Version, Key: key, From: with.From, Hash: with.Hash,
		Bytes: int64(len(with.Table.Raw)), Entities: map[string]int{}, Warnings: []string{}}
	for kind, rows := range rowsOf(with.Table.All) {
		r.Entities[kind] = len(rows)
	}
	if err := fallback.CheckConfiguration(with.Table.Raw); err != nil {
		return Replacement{}, fmt.Errorf("%w to write %s: %w", ErrRefused, key, err)
	}
	if limit := cmp.Or(s.MaxBytes, fallback.DefaultMaxBytes); r.Bytes > limit {
		return Replacement{}, fmt.Errorf("%w to write %s: its %d bytes are more than nodes take; blackout_fallback_max_size sets their limit, --max-size this command's, %d",
			ErrRefused, key, r.Bytes, limit)
	}
	found, err := s.look(ctx, key)
	if err != nil {
		return Replacement{}, err
	}
	lease, err := s.leaseOf(ctx, options.Version)
	if err != nil {
		return Replacement{}, fmt.Errorf("look at the lease: %w", err)
	}
	r.consider(found, lease, with, options)
	if r.Outcome != Written {
		return r, nil
	}
	return r, s.write(ctx, &r, found, with, options)
}

// held is what is in the bucket now.
type held struct {
	condition     bucket.Condition
	snapshot      *Snapshot
	epoch         election.Epoch
	configuration *Configuration // nil: it is none
	empty         bool           // it is a configuration without entities
}

// look reads what is to be replaced.
func (s *Storage) look(ctx context.Context, key string) (held, error) {
	read, object, err := s.read(ctx, key)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return held{condition: bucket.IfAbsent()}, nil
	case object == nil:
		return held{}, err
	}
	found := held{condition: bucket.IfVersion(object.Version), snapshot: &Snapshot{Object: Object{Key: key}},
		epoch: fallback.Noted(*object).Epoch}
	s.note(found.snapshot, object.Info, fallback.Noted(*object))
	if err != nil {
		found.snapshot.Error = err.Error()
		return found, nil
	}
	found.empty = fallback.CheckConfiguration(read.ConfigTable) != nil
	if found.configuration, err = parsed(key, read.ConfigTable); err != nil {
		found.snapshot.Error = err.Error()
	}
	return found, nil
}

// consider decides what is to be done.
func (r *Replacement) consider(found held, lease *Lease, with *Configuration, options ReplaceOptions) {
	r.Replaces = found.snapshot
	term := found.epoch.Term
	if lease != nil {
		term = max(term, lease.Term)
		switch {
		case lease.Error != "":
			r.Warnings = append(r.Warnings, "the lease is not known: "+lease.Error)
		case !lease.Released:
			r.Warnings = append(r.Warnings, fmt.Sprintf("backup node %s (%s) held the lease %s ago: if it runs, it writes its own configuration again",
				or(lease.Name, "without a name"), lease.Holder, span(lease.AgeSeconds)))
		}
	}
	r.Epoch = election.Epoch{Term: term + 1, Write: 1}.String()
	if found.configuration != nil {
		d := compare(found.configuration, with)
		r.Difference = &d
	}
	switch {
	case found.configuration != nil && found.configuration.Hash == with.Hash, r.same() && !options.Force:
		r.Outcome, r.Epoch = Unchanged, found.snapshot.Epoch
	case found.snapshot != nil && !found.empty && !options.Force:
		r.Outcome = Refused
	case options.DryRun:
		r.Outcome = WouldBe
	default:
		r.Outcome = Written
	}
}

// same says whether what is there configures the same, if perhaps in another form: a
// control plane's Admin API tells defaults and times otherwise than its export.
func (r *Replacement) same() bool { return r.Difference != nil && r.Difference.Equal }

// write uploads the configuration.
func (s *Storage) write(ctx context.Context, r *Replacement, found held, with *Configuration, options ReplaceOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	epoch, err := election.ParseEpoch(r.Epoch)
	if err != nil {
		return err
	}
	once := fallback.Once{Bucket: s.Bucket, Key: r.Key, By: options.By, Life: uuid.NewString(), Hash: with.Hash, Epoch: epoch, If: found.condition, Time: s.now()}
	r.Bytes, err = once.Write(ctx, with.Table.Raw)
	gone := errors.Is(err, bucket.ErrNotFound) && found.snapshot != nil // else there is no bucket
	if errors.Is(err, bucket.ErrConflict) || gone {
		return fmt.Errorf("%w to replace %s: somebody else wrote it meanwhile; look at it again: %w", ErrRefused, r.Key, err)
	}
	return err
}
