// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"blackout/internal/fallback/bucket"
)

// Administration is the administration of a bucket, where its store has one.
type Administration interface {
	Create(ctx context.Context) error
	EnableVersioning(ctx context.Context) error
	EncryptByDefault(ctx context.Context, kmsKey string) error
	ExpireElection(ctx context.Context, prefix string, days int) error
	ExpireReplaced(ctx context.Context, prefix string, days int) error
}

// InitialiseOptions say how a bucket is to be set up.
type InitialiseOptions struct {
	Create       bool     // make the bucket, if it is not there
	KMSKey       string   // encrypt with this key by default; empty: with the store's own
	NoEncryption bool     // leave the default encryption alone
	Versions     []string // of the gateway, beside those that the bucket has objects of
	ElectionDays int      // after which an election's object that nobody writes is removed
	KeepDays     int      // for which replaced snapshots are kept; 0: for ever
	DryRun       bool     // say what would be done, and do nothing
}

// Outcomes of a [Step].
const (
	Done    = "done"
	Failed  = "failed"
	Planned = "planned" // it was a dry run
)

// Step is one setting of a bucket.
type Step struct {
	Setting string `json:"setting"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // why it failed
	err     error
}

// Initialisation is what became of a bucket's settings.
type Initialisation struct {
	Storage string   `json:"storage"`
	Steps   []Step   `json:"steps"`
	Notes   []string `json:"notes"`
}

// Initialise sets a bucket up for snapshots: old versions are kept, objects encrypted,
// what an election leaves is removed. Every step is tried; the error is [ErrInput], or the
// first step's that failed because the store does not answer or denies it. Repeating it
// does no harm.
func (s *Storage) Initialise(ctx context.Context, admin Administration, options InitialiseOptions) (Initialisation, error) {
	i := Initialisation{Storage: s.Location.String(), Steps: []Step{}, Notes: []string{}}
	if admin == nil {
		return i, fmt.Errorf("the storage %w: bucket-init sets up s3:// storages; set up %s with its provider's own tools", ErrInput, i.Storage)
	}
	for _, version := range options.Versions {
		if _, err := s.key(version); err != nil {
			return i, err
		}
	}
	do := func(setting string, step func(context.Context) error) {
		i.take(ctx, setting, options.DryRun, step)
	}
	if options.Create {
		do("bucket: create it, if it is not there", admin.Create)
	}
	// Some stores take settings of a bucket that is not there: MinIO, versioning.
	listed, more, err := s.list(ctx)
	if errors.Is(err, bucket.ErrNotFound) && !options.Create {
		return i, fmt.Errorf("%w; --create creates it", err)
	}
	do("versioning: keep what an upload replaces", admin.EnableVersioning)
	if !options.NoEncryption {
		do("encryption: "+or(options.KMSKey, "with the store's own keys"), func(ctx context.Context) error { return admin.EncryptByDefault(ctx, options.KMSKey) })
	}
	if err != nil && (!options.Create || !options.DryRun) {
		i.Notes = append(i.Notes, "which versions there are is not known: "+err.Error())
	}
	if more {
		i.Notes = append(i.Notes, fmt.Sprintf("only the first %d objects below the prefix were looked at for versions: name each with --version", MaxListed))
	}
	for _, version := range s.versions(&i, listed, options.Versions) {
		prefix := s.prefix() + version + "/" + electionDir
		do(fmt.Sprintf("lifecycle: remove objects below %s after %s", prefix, plural(options.ElectionDays, "day", "days")),
			func(ctx context.Context) error { return admin.ExpireElection(ctx, prefix, options.ElectionDays) })
	}
	if options.KeepDays > 0 {
		do(fmt.Sprintf("lifecycle: remove replaced versions below %s after %s", or(s.prefix(), "the whole bucket"), plural(options.KeepDays, "day", "days")),
			func(ctx context.Context) error { return admin.ExpireReplaced(ctx, s.prefix(), options.KeepDays) })
	}
	return i, i.failure(ctx)
}

// versions are those whose elections are to be tidied up.
func (s *Storage) versions(i *Initialisation, listed []bucket.Info, given []string) []string {
	all := slices.Clone(given)
	for _, info := range listed {
		if what, version := s.place(info.Key); what != foreign {
			all = append(all, version)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		i.Notes = append(i.Notes, "a lifecycle rule needs the version of the gateway, which no object tells yet: give --version, or call this again after the first export")
	} else {
		i.Notes = append(i.Notes, "call this again after an upgrade of the gateway: each version has an election of its own")
	}
	return all
}

// take does one step.
func (i *Initialisation) take(ctx context.Context, setting string, dry bool, do func(context.Context) error) {
	step := Step{Setting: setting, Outcome: Planned}
	if !dry {
		ctx, cancel := bound(ctx)
		defer cancel()
		if step.Outcome, step.err = Done, do(ctx); step.err != nil {
			step.Outcome, step.Reason = Failed, step.err.Error()
		}
	}
	i.Steps = append(i.Steps, step)
}

func (i *Initialisation) failure(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, step := range i.Steps {
		if errors.Is(step.err, bucket.ErrDenied) || errors.Is(step.err, bucket.ErrUnavailable) {
			return step.err
		}
	}
	return nil
}

// Complete says whether every step was done.
func (i Initialisation) Complete() bool {
	return !slices.ContainsFunc(i.Steps, func(s Step) bool { return s.Outcome == Failed })
}

// Text writes what became of the settings for people.
func (i Initialisation) Text(w io.Writer) error {
	var p page
	p.line(0, "storage", "%s", i.Storage)
	for _, s := range i.Steps {
		reason := ""
		if s.Reason != "" {
			reason = ": " + s.Reason
		}
		p.line(0, s.Outcome, "%s%s", s.Setting, reason)
	}
	for _, note := range i.Notes {
		p.line(0, "note", "%s", note)
	}
	return p.to(w)
}
