// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// Schema is the version of the format in which a plan is saved.
const Schema = 1

// file is a plan as it is saved. Durations are nanoseconds.
type file struct {
	Schema    int               `json:"schema"`
	Scenario  string            `json:"scenario"`
	Seed      uint64            `json:"seed"`
	Profile   history.Profile   `json:"profile"`
	Promises  []string          `json:"promises"`
	Exercises []string          `json:"exercises"`
	Topology  topology.Topology `json:"topology"`
	Steps     []fileStep        `json:"steps"`
}

// fileStep is a step as it is saved. Its number and title are for people: when
// a plan is read, its place and its action decide them.
type fileStep struct {
	Step  int             `json:"step"`
	Phase string          `json:"phase"`
	At    *time.Duration  `json:"at,omitempty"` // absent in the bring-up
	Do    string          `json:"do"`
	Title string          `json:"title"`
	With  json.RawMessage `json:"with"`
}

// file is the plan in the form in which it is saved.
func (p Plan) file() (file, error) {
	f := file{Schema, p.Scenario, p.Seed, p.Profile, p.Promises, p.Exercises, p.Topology, make([]fileStep, len(p.Steps))}
	for i, s := range p.Steps {
		with, err := json.Marshal(s.Action)
		if err != nil {
			return file{}, fmt.Errorf("write plan: step %d (%s): %w", s.Number, s.Action.Name(), err)
		}
		f.Steps[i] = fileStep{Step: s.Number, Phase: s.Phase, Do: s.Action.Name(), Title: s.Action.Title(), With: with}
		if s.Phase != BringUp {
			f.Steps[i].At = &s.At
		}
	}
	return f, nil
}

// MarshalJSON writes the plan as it is saved, without its layout.
func (p Plan) MarshalJSON() ([]byte, error) {
	f, err := p.file()
	if err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

// Encode writes the plan as it is saved with a run: the same plan, the same bytes.
func (p Plan) Encode(w io.Writer) error {
	f, err := p.file()
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(f); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

// Decode reads a plan that was saved, or written by hand in the same form. action
// makes an action of its name and arguments. A field that no plan has, and a plan
// of another schema, are errors. Times are left to [Plan.Check].
func Decode(b []byte, action func(name string, with []byte) (Action, error)) (Plan, error) {
	var version struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return Plan{}, fmt.Errorf("read plan: %w", err)
	}
	switch {
	case version.Schema == nil:
		return Plan{}, errors.New("read plan: it has no schema version: it is no plan, or older than replay; draw it again from its seed")
	case *version.Schema != Schema:
		return Plan{}, fmt.Errorf("read plan: it has schema %d, and this program reads schema %d: use the program that wrote it", *version.Schema, Schema)
	}
	var f file
	if err := Strict(b, &f); err != nil {
		return Plan{}, fmt.Errorf("read plan: %w", err)
	}
	p := Plan{f.Scenario, f.Seed, f.Profile, f.Topology, f.Promises, f.Exercises, make([]Step, len(f.Steps))}
	for i, s := range f.Steps {
		a, err := action(s.Do, s.With)
		if err != nil {
			return Plan{}, fmt.Errorf("read plan: step %d: %w", i+1, err)
		}
		p.Steps[i] = Step{Number: i + 1, Phase: s.Phase, Action: a}
		if (s.At == nil) != (s.Phase == BringUp) {
			return Plan{}, fmt.Errorf(`read plan: step %d (%s): the steps of the bring-up have no "at", and all others have one`, i+1, s.Do)
		}
		if s.At != nil {
			p.Steps[i].At = *s.At
		}
	}
	return p, nil
}

// Strict decodes one JSON value and refuses fields that v has not and anything
// after the value.
func Strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after its end")
	}
	return nil
}
