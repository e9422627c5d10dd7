// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"blackout/harness/oracle"
	"blackout/reports/slo"
	"blackout/reports/stats"
)

// Find is the SLI of a name.
func Find(slis []SLI, name string) (SLI, error) {
	var names []string
	for _, s := range slis {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return SLI{}, fmt.Errorf("no SLI is named %q: there are %s", name, strings.Join(names, ", "))
}

// Check says whether the file asks for what the SLIs can measure, and in a way that
// can be judged. Its error names the place in the file.
func Check(doc slo.Document, slis []SLI) error {
	for _, o := range doc.Objectives {
		sli, err := Find(slis, o.Indicator)
		if err != nil {
			return o.Errorf("spec.indicator", "%v", err)
		}
		if err := sli.check(o); err != nil {
			return err
		}
	}
	return nil
}

// check says whether an objective can be judged by the SLI.
func (s SLI) check(o slo.Objective) error {
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		refuse, known := s.Parameters[name]
		if !known {
			return o.Errorf("spec.indicator", "%s has no parameter %q: it has %s", s.Name, name, cmp.Or(strings.Join(slices.Sorted(maps.Keys(s.Parameters)), ", "), "none"))
		}
		if err := refuse(o.Parameters[name]); err != nil {
			return o.Errorf("spec.indicator", "parameter %s of %s: %v", name, s.Name, err)
		}
	}
	if o.Phase != "" && !slices.Contains(s.Phases, o.Phase) {
		return o.Errorf(`metadata.annotations["blackout/phase"]`, "%s is not measured in the phase %q, but in %s", s.Name, o.Phase, strings.Join(s.Phases, ", "))
	}
	const invariant = `metadata.annotations["blackout/invariant"]`
	switch {
	case s.Kind == Share && o.Limit != nil:
		return o.Errorf("spec.indicator", "%s is a share of good ones: make it a ratioMetric with a target", s.Name)
	case s.Kind != Share && o.Limit == nil:
		return o.Errorf("spec.indicator", "%s is no share of good ones: make it a thresholdMetric with op: lte and a value", s.Name)
	case s.Kind == Values && o.Target == 0 && !o.Invariant:
		return o.Errorf("spec.objectives", "of %s either a share must be within the value, as in target: 0.95, or all: write %s: \"true\"", s.Name, "blackout/invariant")
	case (s.Kind == Count || s.Kind == Gate) && !o.Invariant:
		return o.Errorf(invariant, "%s counts what should not happen: write blackout/invariant: \"true\" and target: 0", s.Name)
	case s.Kind == Ratio && (o.Invariant || o.Target != 0):
		return o.Errorf(invariant, "%s is one figure, of which no share is within a value: write target: 0 and no invariant", s.Name)
	}
	return nil
}

// Judge judges a file's objectives, in its order. One whose SLI is not among those
// given, or cannot be asked so, is INVALID.
func Judge(run Run, doc slo.Document, slis []SLI) []Verdict {
	verdicts := make([]Verdict, 0, len(doc.Objectives))
	for _, o := range doc.Objectives {
		verdicts = append(verdicts, judge(run, o, slis))
	}
	return verdicts
}

func judge(run Run, o slo.Objective, slis []SLI) Verdict {
	v := Verdict{
		Name: o.Name, Title: o.Title, Description: o.Description, Indicator: o.Indicator, Phase: o.Phase, Confidence: o.Confidence,
		Limit: o.Limit, Invariant: o.Invariant, MinSamples: o.MinSamples, Values: []*float64{}, Parts: []Part{}, Evidence: []oracle.Evidence{},
	}
	if o.Target > 0 {
		v.Target = &o.Target
	}
	sli, err := Find(slis, o.Indicator)
	if err == nil {
		err = sli.check(o)
	}
	if err != nil {
		v.Status, v.Reason = Invalid, err.Error()
		return v
	}
	v.Kind, v.Unit, v.SamplesName, v.Phase = sli.Kind, sli.Unit, sli.Samples, cmp.Or(o.Phase, sli.Phases[0])
	v.Goal = v.goal()
	if run.Void != "" {
		v.Status, v.Reason = Invalid, run.Void
		return v
	}
	q := Query{Phase: v.Phase, Confidence: o.Confidence, parameters: o.Parameters}
	if o.Limit != nil {
		q.Limit = *o.Limit
	}
	m := sli.Measure(run, q)
	v.take(m)
	v.Status, v.Reason = v.conclude(run, sli, m)
	if v.Status != NotProven {
		v.Needed = nil
	}
	v.General = general(m, o.Confidence)
	return v
}

// conclude says what a measurement comes to.
func (v *Verdict) conclude(run Run, sli SLI, m Measurement) (Status, string) {
	if m.Doubt == "" {
		m.Doubt = run.unsound(sli.Rests)
	}
	switch {
	case m.Doubt != "":
		return Invalid, m.Doubt
	case v.Samples == 0 && run.Unfinished != "":
		return Invalid, run.Unfinished
	case v.Samples == 0:
		return NotMeasured, cmp.Or(m.Missing, "there was nothing to measure")
	}
	status, reason := v.bounds(m)
	if m.Spared > 0 {
		if !v.violatedWithout(m.Spared) {
			return Invalid, m.Stall
		}
		reason += fmt.Sprintf("; it is VIOLATED without the %d that the machine may have made, too", m.Spared)
	}
	if status != Violated && run.Unfinished != "" {
		return Invalid, run.Unfinished
	}
	return status, reason
}

// bounds judges by the numbers alone.
func (v *Verdict) bounds(m Measurement) (Status, string) {
	switch {
	case v.Kind == Gate:
		return Proven, fmt.Sprintf("all of %d %s passed", v.Samples, v.SamplesName)
	case v.Kind == Ratio:
		return v.ratio(*m.Ratio)
	case v.Invariant:
		return v.invariant()
	}
	return v.share()
}

// share judges by the bounds of the share of good samples.
func (v *Verdict) share() (Status, string) {
	bad, n, may := v.Bad, v.Samples, 1-*v.Target
	failing := stats.Upper(bad, n, v.Confidence)
	carried := fmt.Sprintf("%d of %d %s were good, which proves at least %s at the confidence %g", n-bad, n, v.SamplesName, stats.Percent(failing), v.Confidence)
	short := v.MinSamples - n
	switch {
	case failing <= may && short <= 0:
		return Proven, carried
	case stats.Lower(bad, n, v.Confidence) > may:
		return Violated, fmt.Sprintf("%d of %d %s were bad: at the confidence %g no more than %s are good", bad, n, v.SamplesName, v.Confidence, stats.PercentUp(stats.Lower(bad, n, v.Confidence)))
	}
	short = max(short, stats.Needed(bad, *v.Target, v.Confidence)-n)
	v.Needed = &short
	return NotProven, fmt.Sprintf("%s; it would take %d more, all of them good", carried, short)
}

// violatedWithout says whether a share is VIOLATED even if some of its bad samples are
// left out.
func (v *Verdict) violatedWithout(spared int) bool {
	rest := *v
	rest.Bad, rest.Samples = v.Bad-spared, v.Samples-spared
	if rest.Samples <= 0 {
		return false
	}
	status, _ := rest.share()
	return status == Violated
}

// invariant judges by counterexamples.
func (v *Verdict) invariant() (Status, string) {
	if v.Kind == Count && float64(v.Bad) > *v.Limit || v.Kind == Values && v.Bad > 0 {
		reason := fmt.Sprintf("%d counterexamples in %d %s", v.Bad, v.Samples, v.SamplesName)
		if len(v.Evidence) > 0 {
			reason += ", first: " + v.Evidence[0].Text
		}
		return Violated, reason
	}
	within := fmt.Sprintf("none of %d %s", v.Samples, v.SamplesName)
	if v.Bad > 0 {
		within = fmt.Sprintf("%d of %d %s", v.Bad, v.Samples, v.SamplesName)
	}
	carried := fmt.Sprintf("%s was a counterexample, which proves that at least %s have none at the confidence %g", within, stats.Percent(stats.Upper(v.Bad, v.Samples, v.Confidence)), v.Confidence)
	if short := v.MinSamples - v.Samples; short > 0 {
		v.Needed = &short
		return NotProven, fmt.Sprintf("%s; %d more are asked for", carried, short)
	}
	return Proven, carried
}

// ratio judges by the bounds of a ratio.
func (v *Verdict) ratio(d Degradation) (Status, string) {
	limit := *v.Limit
	found := fmt.Sprintf("the ratio is %.3f (%s during, %s before)", d.Point, milliseconds(d.During), milliseconds(d.Before))
	if !d.Bounded() {
		return NotProven, found + "; " + d.short()
	}
	found += fmt.Sprintf(", from %.3f to %.3f, each at the confidence %g", d.Lower, d.Upper, v.Confidence)
	short := v.MinSamples - v.Samples
	switch {
	case d.Lower > limit:
		return Violated, found
	case d.Upper <= limit && short <= 0:
		return Proven, found
	case short > 0:
		v.Needed = &short
		return NotProven, fmt.Sprintf("%s; %d more %s are asked for", found, short, v.SamplesName)
	}
	return NotProven, found + "; a longer run narrows it"
}

// take counts a measurement's samples and bounds what they are drawn from.
func (v *Verdict) take(m Measurement) {
	v.Bad, v.Samples, v.Note = m.Bad, m.Total, m.Note
	v.Evidence = append(v.Evidence, m.Evidence[:min(len(m.Evidence), oracle.MaxEvidence)]...)
	v.Parts = append(v.Parts, m.Parts...)
	switch v.Kind {
	case Values:
		v.takeValues(m.Values)
	case Ratio:
		if m.Ratio == nil {
			return
		}
		v.Samples, v.Estimate = max(m.Ratio.Blocks, 1), &m.Ratio.Point
		if m.Ratio.Bounded() {
			v.Lower, v.Upper = &m.Ratio.Lower, &m.Ratio.Upper
		}
		return
	}
	if v.Samples == 0 || v.Kind == Gate {
		return
	}
	good := max(v.Samples-v.Bad, 0) // what is counted may happen several times in a sample
	share := float64(good) / float64(v.Samples)
	lower := stats.Lower(good, v.Samples, v.Confidence)
	upper := stats.Upper(good, v.Samples, v.Confidence)
	v.Estimate, v.Lower, v.Upper = &share, &lower, &upper
}

// takeValues counts the values beyond the limit.
func (v *Verdict) takeValues(values []Value) {
	v.Samples = len(values)
	values = slices.Clone(values)
	slices.SortStableFunc(values, func(a, b Value) int { return cmp.Compare(a.At, b.At) })
	var bad []oracle.Evidence
	for _, s := range values {
		if !s.Never {
			v.Worst = highest(v.Worst, s.Value)
		}
		if s.Never || s.Value > *v.Limit {
			bad = append(bad, oracle.Evidence{At: s.At, Text: s.Text})
		}
	}
	v.Bad, v.Values = len(bad), kept(values)
	v.Evidence = append(v.Evidence, bad[:min(len(bad), oracle.MaxEvidence)]...)
}

// MaxValues is how many values of an objective a report keeps.
const MaxValues = 64

// kept are the values that a report keeps, in their order.
func kept(values []Value) []*float64 {
	out := make([]*float64, min(len(values), MaxValues))
	for i := range out {
		if v := values[i*len(values)/len(out)]; !v.Never {
			out[i] = &v.Value
		}
	}
	return out
}

func highest(so *float64, value float64) *float64 {
	if so != nil && *so >= value {
		return so
	}
	return &value
}

// general counts outages.
func general(m Measurement, confidence float64) General {
	g := General{Outages: m.Episodes, Clean: m.Clean}
	if m.Episodes == 0 {
		g.Text = "The bound describes this run. It was not counted in outages, so it says nothing about outages in general."
		return g
	}
	lower := stats.Lower(m.Clean, m.Episodes, confidence)
	g.Lower = &lower
	g.Text = fmt.Sprintf("The bound describes this run. Of outages in general it proves, at the confidence %g, that at least %s are clean: %d of %d were.",
		confidence, stats.Percent(1-lower), m.Clean, m.Episodes)
	return g
}
