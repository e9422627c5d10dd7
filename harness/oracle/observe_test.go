// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// TestObserve: what happened in the good run, in the terms of its topology.
func TestObserve(t *testing.T) {
	t.Parallel()
	o, err := Observe(goodRun())
	if err != nil {
		t.Fatal(err)
	}
	if o.Void != "" || o.Unfinished != "" || !o.Audited || !o.Looked || len(o.Away) != 0 || len(o.Rewound) != 0 {
		t.Errorf("%+v", o)
	}
	var cut []string
	for _, out := range o.Outages {
		cut = append(cut, out.Node)
		if out.Doubt != "" || out.HealDoubt != "" || out.Inject >= out.Active || out.Active >= out.Heal || out.Heal >= out.Healed || out.Detection != 0 {
			t.Errorf("%+v", out)
		}
	}
	slices.Sort(cut)
	if want := []string{"backup", "dp-1", "dp-2", "dp-3", "dp-4", "dp-5"}; !slices.Equal(cut, want) {
		t.Errorf("outages of %v, want %v", cut, want)
	}
	// dp-4 may not import, and dp-5's store is broken.
	if len(o.Starts) != 1 || o.Starts[0].Node != "dp-3" || o.Starts[0].Served == nil || o.Starts[0].Asked == nil || *o.Starts[0].Asked >= *o.Starts[0].Served || o.Starts[0].Snapshot != good {
		t.Errorf("starts %+v", o.Starts)
	}
	if len(o.Returns) != 1 || o.Returns[0].Newest != newest || o.Returns[0].Doubt != "" || o.Returns[0].Latest == nil || *o.Returns[0].Latest <= o.Returns[0].At {
		t.Errorf("returns %+v", o.Returns)
	}
}

// TestDetection: a control plane that says nothing is not known to be gone at once.
func TestDetection(t *testing.T) {
	t.Parallel()
	profile := topology.Profiles["kong"]
	v := &view{header: history.Header{Profile: profile}}
	for kind, want := range map[string]time.Duration{
		"exit": 0, "reset": 0, "kill": 0, "cp-busy": 0, "certificate-expired": 0,
		"drop": profile.DialTimeout, "blackhole": profile.DialTimeout, "pause": profile.DialTimeout, "cp-silent-after-tls": profile.DialTimeout,
		"cp-silent-after-upgrade": profile.NoConfiguration, "cp-no-database": profile.NoConfiguration, "cp-invalid-configuration": profile.NoConfiguration,
	} {
		if got := v.detection(kind); got != want || profile.DialTimeout == 0 || profile.NoConfiguration == 0 {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}
