// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package label is the vocabulary by which experiments are chosen: a scenario
// names its labels, a spec carries them with those of its engine and family, and
// a filter picks some of them:
//
//	go test . -ginkgo.label-filter='outage && local && !nightly'
//
// The vocabulary is frozen. A word that is not in it is refused where it is said,
// for a filter that asks for a misspelt label would choose nothing and pass.
package label

import (
	"fmt"
	"slices"
	"strings"
)

// Label is a word of the vocabulary.
type Label string

// What a scenario does, and how long it takes.
const (
	Fast         Label = "fast"
	Outage       Label = "outage"
	ScaleOut     Label = "scaleout"
	Storage      Label = "storage"
	Export       Label = "export"
	Integrity    Label = "integrity"
	Limits       Label = "limits"
	Identity     Label = "identity"
	ControlPlane Label = "cp"
	Disk         Label = "disk"
	Nightly      Label = "nightly"
)

// Where a spec runs: the engines' names.
const (
	Docker Label = "docker"
	Local  Label = "local"
)

// What a spec of the suite shows: its family.
const (
	Good      Label = "good"
	Defect    Label = "defect"
	Control   Label = "control"
	Kill      Label = "kill"
	Interrupt Label = "interrupt"
	Replay    Label = "replay"
	Topology  Label = "topology"
	Example   Label = "example"
	Fault     Label = "fault"
	Parity    Label = "parity"
)

// Entry is a label's place in the vocabulary.
type Entry struct {
	Label   Label
	Meaning string
}

// Scenarios are the labels that a scenario may have.
var Scenarios = []Entry{
	{Fast, "with the timer profile fast, it is planned to last a minute at most"},
	{Outage, "the control plane is cut off"},
	{ScaleOut, "data planes are added"},
	{Storage, "the object store is ill"},
	{Export, "backup nodes write the snapshot"},
	{Integrity, "data is damaged, foreign or secret"},
	{Limits, "configurations are large or data planes many"},
	{Identity, "certificates or credentials are wrong"},
	{ControlPlane, "the control plane is there and does not do its work"},
	{Disk, "a data plane's disk is ill"},
	{Nightly, "not for every change: it is left out unless a filter is given"},
}

// Engines are the labels of the engines.
var Engines = []Entry{
	{Docker, "in containers"},
	{Local, "in processes on loopback"},
}

// Families are the labels of the suite's families.
var Families = []Entry{
	{Good, "the reference gateway keeps its promises"},
	{Parity, "both engines come to the same"},
	{Fault, "every kind of fault is staged, witnessed, healed and cleaned up"},
	{Defect, "a gateway with a planted defect is caught"},
	{Control, "a harness that is misused calls its own run INVALID"},
	{Kill, "a harness that is killed leaves nothing behind"},
	{Interrupt, "a run that is interrupted cleans up and still reports"},
	{Replay, "a plan is carried out again as it was"},
	{Topology, "every shape of topology comes up and changes"},
	{Example, "what the documentation shows works"},
}

// Check reports the first label that is in none of the vocabularies, or is named
// twice.
func Check(labels []Label, vocabularies ...[]Entry) error {
	known := slices.Concat(vocabularies...)
	for i, l := range labels {
		if !slices.ContainsFunc(known, func(e Entry) bool { return e.Label == l }) {
			return fmt.Errorf("unknown label %q: the labels are %s", l, names(known))
		}
		if slices.Contains(labels[:i], l) {
			return fmt.Errorf("label %q is named twice", l)
		}
	}
	return nil
}

func names(entries []Entry) string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = string(e.Label)
	}
	return strings.Join(all, ", ")
}

// Join is labels as they are listed, "fast outage".
func Join(labels []Label) string {
	all := make([]string, len(labels))
	for i, l := range labels {
		all[i] = string(l)
	}
	return strings.Join(all, " ")
}
