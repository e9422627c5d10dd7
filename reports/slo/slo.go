// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package slo reads what a run is to prove: an OpenSLO v1 file, into a [Document].
// It is the one package that knows OpenSLO's SDK.
//
// OpenSLO says which indicator is to reach which target. What it has no field for
// is said by annotations of the SLO (see [Objective]): a tier, a confidence, how
// many observations there must be, a phase of the run, and that there is no error
// budget, because OpenSLO cannot say 100 %. An annotation of ours that is unknown,
// or contradicts another or the target, is an error. Annotations of others pass.
//
// Every error of a file is one line that names the file, the line and the field.
package slo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/OpenSLO/go-sdk/pkg/openslo"
	v1 "github.com/OpenSLO/go-sdk/pkg/openslo/v1"
	"github.com/OpenSLO/go-sdk/pkg/openslosdk"
	"github.com/nobl9/govy/pkg/govy"
	"go.yaml.in/yaml/v3"
)

// Document is an SLO file.
type Document struct {
	Name       string        // the file's, without its directory
	Tier       string        // one of Tiers
	Window     string        // that the SLA speaks of, as in "30d"; empty if it is not said. A run is shorter
	Length     time.Duration // of the window; a month counts as OpenSLO's SDK counts it
	Objectives []Objective
	Source     []byte // the file as it was read
}

// Tiers are the values of the annotation blackout/tier.
var Tiers = []string{"ci", "nightly", "evidence"}

// Objective is one objective of an SLO.
type Objective struct {
	Name        string // the SLO's, and #2 … for others than its first objective
	Title       string
	Description string

	Indicator  string            // the name of the SLI
	Parameters map[string]string // of the SLI, from the metric source's spec

	Phase      string  // blackout/phase: of the run; empty: the SLI's own
	Confidence float64 // blackout/confidence; 0.95 without it
	MinSamples int     // blackout/min-samples: with fewer nothing is proven; 0 without it
	Invariant  bool    // blackout/invariant: one counterexample is enough, there is no error budget

	Target float64  // the share that must be good, in (0, 1); 0, which OpenSLO wants written, if none is named
	Limit  *float64 // what a value must not exceed, in the SLI's unit; nil for a ratio of good to all

	where func(field string) position
}

// position is a place in a file.
type position struct {
	file string
	line int
}

// Error is what is wrong with a file, in one line.
type Error struct {
	File    string
	Line    int
	Field   string // its path in the document, as in spec.objectives[0].target; empty if the document is no YAML
	Problem string // and what to do
}

func (e *Error) Error() string {
	at := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Field != "" {
		at += e.Field + ": "
	}
	return at + strings.Join(strings.Fields(e.Problem), " ")
}

// Errorf says what is wrong with a field of the objective's SLO.
func (o Objective) Errorf(field, format string, args ...any) error {
	at := position{file: o.Name}
	if o.where != nil {
		at = o.where(field)
	}
	return &Error{File: at.file, Line: at.line, Field: field, Problem: fmt.Sprintf(format, args...)}
}

// maxSize is the largest file that is read, in bytes.
const maxSize = 1 << 20

// Read reads a file. Its error is the operating system's or an [*Error].
func Read(path string) (Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return Document{}, fmt.Errorf("read SLO file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return Document{}, fmt.Errorf("read SLO file: %w", err)
	}
	return Parse(filepath.Base(path), text)
}

// Parse reads the text of a file of a name.
func Parse(name string, text []byte) (Document, error) {
	p := parser{doc: Document{Name: name, Source: text}, indicators: make(map[string]v1.SLI)}
	if len(text) > maxSize {
		return Document{}, &Error{File: name, Line: 1, Problem: fmt.Sprintf("the file is larger than %d bytes", maxSize)}
	}
	parts, err := split(name, text)
	if err != nil {
		return Document{}, err
	}
	for _, part := range parts {
		if err := p.decode(part); err != nil {
			return Document{}, err
		}
	}
	for _, s := range p.slos {
		if err := p.add(s); err != nil {
			return Document{}, err
		}
	}
	if len(p.doc.Objectives) == 0 {
		return Document{}, &Error{File: name, Line: 1, Field: "kind", Problem: "no SLO is in the file: a document with kind: SLO is needed"}
	}
	return p.doc, nil
}

// parser is a file on its way.
type parser struct {
	doc        Document
	slos       []located
	indicators map[string]v1.SLI
}

// located is an SLO and the part of the file that it came from.
type located struct {
	part
	slo v1.SLO
}

// decode reads one YAML document by the SDK, which refuses unknown fields, and has it
// validated.
func (p *parser) decode(part part) error {
	if _, version := lookUp(part.node, "apiVersion"); version != nil && version.Value != string(openslo.VersionV1) {
		return part.errorf("apiVersion", "%q is not read: write %s", version.Value, openslo.VersionV1)
	}
	text, err := yaml.Marshal(part.node)
	if err != nil {
		return part.errorf("", "%v", err)
	}
	objects, err := openslosdk.Decode(bytes.NewReader(text), openslosdk.FormatYAML)
	if err != nil {
		return part.undecoded(err)
	}
	if len(objects) != 1 {
		return part.errorf("", "a document holds one object; put --- between two")
	}
	object := objects[0]
	if err := openslosdk.Validate(object); err != nil {
		return part.invalid(err)
	}
	switch object := object.(type) {
	case v1.SLO:
		p.slos = append(p.slos, located{part, object})
	case v1.SLI:
		p.indicators[object.Metadata.Name] = object
	}
	return nil
}

// add adds an SLO's objectives.
func (p *parser) add(s located) error {
	notes, err := s.annotations()
	if err != nil {
		return err
	}
	switch {
	case p.doc.Tier != "" && p.doc.Tier != notes.tier:
		return s.errorf(annotation(tierKey), "%q, but the file's first SLO is of the tier %q: a file has one", notes.tier, p.doc.Tier)
	case s.slo.IsComposite():
		return s.errorf("spec.objectives[0]", "composite SLOs are not read: give the SLO one indicator")
	case s.slo.Spec.BudgetingMethod != v1.SLOBudgetingMethodOccurrences:
		return s.errorf("spec.budgetingMethod", "%q is not read: write Occurrences", s.slo.Spec.BudgetingMethod)
	}
	p.doc.Tier = notes.tier
	if w := s.slo.Spec.TimeWindow; len(w) > 0 && p.doc.Window == "" {
		p.doc.Window, p.doc.Length = w[0].Duration.String(), w[0].Duration.Duration()
	}
	spec, at, err := p.indicator(s)
	if err != nil {
		return err
	}
	name, parameters, err := s.source(spec, at)
	if err != nil {
		return err
	}
	for i, stated := range s.slo.Spec.Objectives {
		o := notes.objective(s)
		o.Indicator, o.Parameters = name, parameters
		if i > 0 {
			o.Name = fmt.Sprintf("%s#%d", o.Name, i+1)
		}
		if stated.DisplayName != "" {
			o.Title = stated.DisplayName
		}
		if err := o.aim(s, fmt.Sprintf("spec.objectives[%d]", i), stated, spec.RatioMetric != nil); err != nil {
			return err
		}
		for _, other := range p.doc.Objectives {
			if other.Name == o.Name {
				return s.errorf("metadata.name", "%q is the name of another SLO of the file", o.Name)
			}
		}
		p.doc.Objectives = append(p.doc.Objectives, o)
	}
	return nil
}

// indicator is what an SLO's objectives are about, and where it is said.
func (p *parser) indicator(s located) (v1.SLISpec, string, error) {
	if s.slo.Spec.Indicator != nil {
		return s.slo.Spec.Indicator.Spec, "spec.indicator.spec", nil
	}
	name := *s.slo.Spec.IndicatorRef
	sli, ok := p.indicators[name]
	if !ok {
		return v1.SLISpec{}, "", s.errorf("spec.indicatorRef", "no document of the file is the SLI %q", name)
	}
	return sli.Spec, "spec.indicatorRef", nil
}

// invalid words an error of the SDK's validation: its first.
func (p part) invalid(err error) error {
	var found *govy.ValidatorError
	var several govy.ValidatorErrors
	switch {
	case errors.As(err, &several) && len(several) > 0:
		found = several[0]
	case !errors.As(err, &found):
		return p.errorf("", "%v", err)
	}
	if len(found.Errors) == 0 {
		return p.errorf("", "%v", err)
	}
	first := found.Errors[0]
	var rules []string
	for _, rule := range first.Errors {
		rules = append(rules, rule.Message)
	}
	problem := strings.Join(rules, ", ")
	if first.PropertyValue != "" && len(first.PropertyValue) < 80 {
		problem = fmt.Sprintf("%s (it is %s)", problem, first.PropertyValue)
	}
	return p.errorf(strings.TrimPrefix(first.PropertyPath.String(), "$."), "%s", problem)
}
