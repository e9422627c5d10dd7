// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"strings"

	"blackout/internal/gateway/entity"
)

// Finding is one thing about a configuration that a person should know.
type Finding struct {
	Kind   string `json:"kind,omitempty"` // the section: "routes"; empty for the configuration as a whole
	Row    int    `json:"row,omitempty"`  // position in it, from 1
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Field  string `json:"field,omitempty"` // "config.redis.host"
	Reason string `json:"reason"`
}

// String is "routes.2 (list): paths.1: the reason".
func (f Finding) String() string {
	var parts []string
	if f.Kind != "" {
		where := f.Kind
		if f.Row > 0 {
			where += fmt.Sprintf(".%d", f.Row)
		}
		switch {
		case f.Name != "":
			where += " (" + f.Name + ")"
		case f.ID != "":
			where += " (" + f.ID + ")"
		}
		parts = append(parts, where)
	}
	if f.Field != "" {
		parts = append(parts, f.Field)
	}
	return strings.Join(append(parts, f.Reason), ": ")
}

func findings(from []entity.Finding) []Finding {
	all := make([]Finding, len(from))
	for i, f := range from {
		all[i] = Finding{Kind: f.Section, Row: f.Row, ID: f.ID, Name: f.Name, Field: f.Field, Reason: f.Reason}
	}
	return all
}

// about is a finding about an entity.
func about(kind string, row int, record entity.Record, field, reason string) Finding {
	f := Finding{Kind: kind, Row: row, ID: record.ID(), Field: field, Reason: reason}
	if schema := entity.Lookup(kind); schema != nil {
		f.Name = schema.Label(record)
	}
	return f
}
