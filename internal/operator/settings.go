// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"blackout/internal/fallback/bucket/s3"
)

// Settings are what is in force on a bucket.
type Settings struct {
	Versioning string            `json:"versioning"` // "Enabled", "Suspended", "Off"; empty: not known
	Encryption string            `json:"encryption"` // by default: "AES256", "aws:kms", "None"; empty: not known
	KMSKey     string            `json:"kms_key,omitempty"`
	Expiries   []Expiry          `json:"expiries"`          // lifecycle rules that delete something
	Unknown    map[string]string `json:"unknown,omitempty"` // what could not be read, and why
}

// Expiry is a lifecycle rule that deletes objects.
type Expiry struct {
	ID           string `json:"id"`
	Prefix       string `json:"prefix"`                  // of the keys that it is for
	Days         int    `json:"days,omitempty"`          // after which an object is deleted
	ReplacedDays int    `json:"replaced_days,omitempty"` // after which a replaced version is deleted
	More         bool   `json:"more,omitempty"`          // it has further conditions
}

// Settings asks what is in force on the bucket, which takes rights that no node needs. A
// store without such settings is [ErrInput].
func (s *Storage) Settings(ctx context.Context) (*Settings, error) {
	administered, is := s.Bucket.(interface{ Administration() s3.Administration })
	if !is {
		return nil, fmt.Errorf("the storage %w: only s3:// storages tell of their bucket's settings", ErrInput)
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	told, err := administered.Administration().Describe(ctx)
	if err != nil {
		return nil, err
	}
	settings := &Settings{Versioning: told.Versioning, Encryption: told.Encryption, KMSKey: told.KMSKey, Expiries: []Expiry{}, Unknown: map[string]string{}}
	for _, rule := range told.Expiries {
		settings.Expiries = append(settings.Expiries, Expiry{rule.ID, rule.Prefix, rule.Days, rule.Replaced, rule.More})
	}
	for name, err := range told.Unknown {
		settings.Unknown[name] = err.Error()
	}
	return settings, nil
}

func (s *Settings) text(p *page) {
	p.line(0, "versioning", "%s", or(s.Versioning, "not known"))
	key := ""
	if s.KMSKey != "" {
		key = ", key " + s.KMSKey
	}
	if s.Encryption == "" {
		p.line(0, "encryption", "not known")
	} else {
		p.line(0, "encryption", "%s%s by default", s.Encryption, key)
	}
	for _, e := range s.Expiries {
		p.line(0, "lifecycle", "%s: below %s: %s", e.ID, or(e.Prefix, "the whole bucket"), e.effect())
	}
	for _, name := range slices.Sorted(maps.Keys(s.Unknown)) {
		p.line(0, "not known", "%s: %s", name, s.Unknown[name])
	}
}

func (e Expiry) effect() string {
	text := ""
	if e.Days > 0 {
		text = "objects go after " + plural(e.Days, "day", "days")
	}
	if e.ReplacedDays > 0 {
		if text != "" {
			text += ", "
		}
		text += "replaced versions after " + plural(e.ReplacedDays, "day", "days")
	}
	if e.More {
		text += ", under further conditions"
	}
	return text
}
