// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"slices"
	"strings"
	"testing"
)

// TestFrozen: filters stand in other people's scripts. A word may be added; one
// that is here stays, and means what it meant.
func TestFrozen(t *testing.T) {
	t.Parallel()
	const want = "fast outage scaleout storage export integrity limits identity cp disk nightly docker local good parity fault defect control kill interrupt replay topology example"
	var all []Label
	for _, e := range slices.Concat(Scenarios, Engines, Families) {
		if e.Meaning == "" {
			t.Errorf("%s has no meaning", e.Label)
		}
		all = append(all, e.Label)
	}
	if got := Join(all); got != want {
		t.Errorf("the vocabulary is\n%s\nit was\n%s", got, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		labels []Label
		says   string // empty: accepted
	}{
		"none":               {nil, ""},
		"two":                {[]Label{Fast, Outage}, ""},
		"misspelt":           {[]Label{Fast, "outtage"}, `unknown label "outtage": the labels are fast, outage`},
		"another vocabulary": {[]Label{Docker}, `unknown label "docker"`},
		"twice":              {[]Label{Disk, Fast, Disk}, `label "disk" is named twice`},
	} {
		err := Check(c.labels, Scenarios)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
	if err := Check([]Label{Fast, Docker, Good}, Scenarios, Engines, Families); err != nil {
		t.Errorf("of three vocabularies: %v", err)
	}
}
