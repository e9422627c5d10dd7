// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/OpenSLO/go-sdk/pkg/openslo/v1"

	"blackout/reports/stats"
)

// The annotations of an SLO that are ours.
const (
	prefix        = "blackout/"
	tierKey       = prefix + "tier"
	confidenceKey = prefix + "confidence"
	samplesKey    = prefix + "min-samples"
	phaseKey      = prefix + "phase"
	invariantKey  = prefix + "invariant"
)

var keys = []string{tierKey, confidenceKey, samplesKey, phaseKey, invariantKey}

// Phases are the values of the annotation blackout/phase: the time before a fault
// takes a data plane's control plane away, while it is gone, since it is back, or all
// of the run.
var Phases = []string{"steady", "outage", "recovery", "run"}

// annotation is the path of an annotation.
func annotation(key string) string { return `metadata.annotations["` + key + `"]` }

// notes are an SLO's annotations.
type notes struct {
	tier, phase string
	confidence  float64
	samples     int
	invariant   bool
}

// annotations reads an SLO's annotations.
func (s located) annotations() (notes, error) {
	n := notes{confidence: stats.Confidence}
	given := s.slo.Metadata.Annotations
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if problem := n.set(key, given[key]); problem != "" {
			return n, s.errorf(annotation(key), "%s", problem)
		}
	}
	if n.tier == "" {
		return n, s.errorf(annotation(tierKey), "it is missing: the tiers are %s", strings.Join(Tiers, ", "))
	}
	return n, nil
}

// set takes an annotation, or says what is wrong with it.
func (n *notes) set(key, value string) (problem string) {
	var err error
	switch key {
	case tierKey:
		n.tier = value
		if !slices.Contains(Tiers, value) {
			return strconv.Quote(value) + " is no tier: the tiers are " + strings.Join(Tiers, ", ")
		}
	case phaseKey:
		n.phase = value
		if !slices.Contains(Phases, value) {
			return strconv.Quote(value) + " is no phase: the phases are " + strings.Join(Phases, ", ")
		}
	case confidenceKey:
		n.confidence, err = strconv.ParseFloat(value, 64)
		if err != nil || !(n.confidence >= 0.5 && n.confidence < 1) {
			return strconv.Quote(value) + ` is no confidence: write a number from "0.5" to below "1", as in "0.95"`
		}
	case samplesKey:
		n.samples, err = strconv.Atoi(value)
		if err != nil || n.samples < 1 {
			return strconv.Quote(value) + ` is no number of samples: write a whole number from "1" on`
		}
	case invariantKey:
		if value != "true" && value != "false" {
			return strconv.Quote(value) + ` is neither "true" nor "false"`
		}
		n.invariant = value == "true"
	default:
		return "no such annotation: those of ours are " + strings.Join(keys, ", ")
	}
	return ""
}

// objective is an objective with what its SLO says.
func (n notes) objective(s located) Objective {
	o := Objective{
		Name: s.slo.Metadata.Name, Title: s.slo.Metadata.DisplayName, Description: strings.TrimSpace(s.slo.Spec.Description),
		Phase: n.phase, Confidence: n.confidence, MinSamples: n.samples, Invariant: n.invariant,
		where: s.position,
	}
	if o.Title == "" {
		o.Title = o.Name
	}
	return o
}

// aim takes the numbers of an objective, at a path.
func (o *Objective) aim(s located, at string, stated v1.SLOObjective, ratio bool) error {
	field := at + ".target"
	switch {
	case stated.Target != nil:
		o.Target = *stated.Target
	case stated.TargetPercent != nil:
		field = at + ".targetPercent"
		o.Target = *stated.TargetPercent / 100
	}
	o.Limit = stated.Value
	switch {
	case ratio && stated.Value != nil:
		return s.errorf(at+".value", "a ratio has a target and no value; a limit of a value is a thresholdMetric's")
	case ratio && o.Invariant:
		return s.errorf(annotation(invariantKey), "an invariant has no error budget, a ratio's target is one: make it a thresholdMetric with op: lte and the value that is never exceeded")
	case ratio && o.Target <= 0:
		return s.errorf(field, "0 asks for nothing: write the share that must be good, as in 0.999")
	case !ratio && stated.Value == nil:
		return s.errorf(at+".value", "it is missing: a thresholdMetric needs the value that is not to be exceeded")
	case !ratio && *stated.Value < 0:
		return s.errorf(at+".value", "%g is negative: no indicator is", *stated.Value)
	case !ratio && stated.Operator != v1.OperatorLTE:
		return s.errorf(at+".op", "%q is not read: write lte", stated.Operator)
	case o.Target > 0 && o.Invariant:
		return s.errorf(annotation(invariantKey), "an invariant has no error budget, %s of %g is one: write target: 0, or leave out the annotation", field, o.Target)
	}
	if need := stats.Needed(0, o.Target, o.Confidence); o.Target > 0 && o.MinSamples > 0 && o.MinSamples < need {
		return s.errorf(annotation(samplesKey), "%d samples cannot prove the target %g at the confidence %g: it takes %d", o.MinSamples, o.Target, o.Confidence, need)
	}
	return nil
}

// sourceType is the type of our metric sources.
const sourceType = "blackout"

// source is the SLI that an indicator at a path names, with its parameters.
func (s located) source(spec v1.SLISpec, at string) (name string, parameters map[string]string, err error) {
	var sources []v1.SLIMetricSource
	var paths []string
	take := func(path string, m *v1.SLIMetricSpec) {
		if m != nil {
			sources, paths = append(sources, m.MetricSource), append(paths, at+path)
		}
	}
	take(".thresholdMetric.metricSource", spec.ThresholdMetric)
	if r := spec.RatioMetric; r != nil {
		take(".ratioMetric.raw.metricSource", r.Raw)
		take(".ratioMetric.good.metricSource", r.Good)
		take(".ratioMetric.bad.metricSource", r.Bad)
		take(".ratioMetric.total.metricSource", r.Total)
		if r.RawType == v1.SLIRawMetricTypeFailure {
			return "", nil, s.errorf(at+".ratioMetric.rawType", "failure is not read: write success, and the share of good ones as the target")
		}
	}
	for i, source := range sources {
		switch {
		case source.Type != sourceType:
			return "", nil, s.errorf(paths[i]+".type", "%q is not ours: write %s", source.Type, sourceType)
		case !reflect.DeepEqual(source.Spec, sources[0].Spec):
			return "", nil, s.errorf(paths[i]+".spec", "it differs from that of the indicator's first metricSource: one SLI counts both good ones and all")
		}
	}
	return s.parameters(sources[0].Spec, paths[0])
}

// parameters are those of a metric source's spec, of which sli is the name of the SLI.
func (s located) parameters(spec map[string]any, at string) (name string, parameters map[string]string, err error) {
	parameters = make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		switch value := spec[key].(type) {
		case string:
			parameters[key] = value
		case float64:
			parameters[key] = strconv.FormatFloat(value, 'f', -1, 64)
		default:
			return "", nil, s.errorf(at+".spec."+key, "it is neither text nor a number")
		}
	}
	name = parameters["sli"]
	delete(parameters, "sli")
	if name == "" {
		return "", nil, s.errorf(at+".spec.sli", "it is missing: name the SLI")
	}
	return name, parameters, nil
}
