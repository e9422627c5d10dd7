// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"strings"
	"testing"
	"time"

	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// steps is a plan of a control plane, two data planes and these steps after the
// bring-up.
func steps(actions ...plan.Action) plan.Plan {
	p := plan.Plan{Profile: topology.Profiles["fast"], Topology: topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: "backup", Role: topology.DataPlane, Export: true},
		topology.Node{Name: "dp-1", Role: topology.DataPlane},
	)}
	t := plan.NewTimetable(p.Profile)
	t.Phase(plan.BringUp, BringUp{})
	t.Phase("outage", actions...)
	p.Steps = t.Steps()
	for i := range p.Steps {
		p.Steps[i].Number = i + 1
	}
	return p
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	top := steps().Topology
	cut := func(node string) fault.Spec { return fault.Spec{Kind: fault.Exit, Edge: top.CPEdge(node)} }
	late := fault.Spec{Kind: fault.Latency, Edge: top.CPEdge("dp-1"), Delay: time.Second}
	inject := func(faults ...fault.Spec) Inject { return Inject{Faults: faults} }
	on := func(kind fault.Kind, node string) fault.Spec { return fault.Spec{Kind: kind, Node: node} }
	database := func(kind fault.Kind, node string) fault.Spec {
		return fault.Spec{Kind: kind, Edge: topology.DatabaseEdge(node)}
	}
	dp2 := topology.Node{Name: "dp-2", Role: topology.DataPlane}
	grow := func(faults ...fault.Spec) ScaleOut { return ScaleOut{Nodes: []topology.Node{dp2}, Faults: faults} }
	probe := func(s history.Stream) StartTraffic {
		return StartTraffic{Nodes: []string{"dp-1"}, Streams: []history.Stream{s}}
	}
	for name, c := range map[string]struct {
		actions []plan.Action
		says    string // empty: it is taken
	}{
		"heal one of two":            {[]plan.Action{inject(cut("dp-1"), cut("backup")), Heal{Targets: []string{"dp-1>cp"}}, Heal{}}, ""},
		"heal a node":                {[]plan.Action{inject(on(fault.Kill, "dp-1")), Heal{Targets: []string{"dp-1"}}}, ""},
		"heal nothing":               {[]plan.Action{inject(cut("dp-1")), Heal{Targets: []string{"dp-1>cp", "dp-2>cp"}}}, "step 3 (heal): there is no fault on dp-2>cp to heal"},
		"heal twice":                 {[]plan.Action{inject(cut("dp-1")), Heal{}, Heal{Targets: []string{"dp-1>cp"}}}, "step 4 (heal): there is no fault on dp-1>cp to heal"},
		"two on an edge":             {[]plan.Action{inject(cut("dp-1"), late), Heal{}}, "step 2 (inject): latency on dp-1>cp: step 2 injects exit on that edge: heal it first"},
		"a second on an edge":        {[]plan.Action{inject(cut("dp-1")), inject(late), Heal{}}, "step 3 (inject): latency on dp-1>cp: step 2 injects exit on that edge: heal it first"},
		"one after another":          {[]plan.Action{inject(cut("dp-1")), Heal{}, inject(late), Heal{}}, ""},
		"no disk":                    {[]plan.Action{inject(on(fault.DiskWiped, "dp-1")), Heal{}}, "disk-wiped on dp-1: dp-1 has no disk of its own"},
		"a control plane's identity": {[]plan.Action{inject(on(fault.CertificateWrong, "cp")), Heal{}}, "certificate-wrong on cp: it acts on a node that dials"},
		"traffic to a control plane": {[]plan.Action{StartTraffic{Nodes: []string{"cp"}, Rate: 5}}, "cp is a control plane, which takes no traffic"},
		"two on a node":              {[]plan.Action{inject(on(fault.StoreHangs, "backup"), on(fault.StoreEmpty, "backup")), Heal{}}, ""},
		"early":                      {[]plan.Action{grow(cut("dp-2")), Heal{}}, ""},
		"early of another":           {[]plan.Action{grow(cut("dp-1")), Heal{}}, "step 2 (scale-out): exit on dp-1>cp: it concerns no node that this step adds"},
		"early of nobody":            {[]plan.Action{ScaleOut{Faults: []fault.Spec{cut("dp-1")}}, Heal{}}, "it concerns no node that this step adds"},
		"early of a process":         {[]plan.Action{grow(on(fault.Kill, "dp-2")), Heal{}}, "step 2 (scale-out): kill on dp-2: the node does not run before this step"},
		"early of its resolver":      {[]plan.Action{grow(fault.Spec{Kind: fault.DNSFailure, Edge: top.CPEdge("dp-2")}), Heal{}}, "the node does not run before this step"},
		"later of a process":         {[]plan.Action{grow(), inject(on(fault.Kill, "dp-2")), Heal{}}, ""},
		"no account":                 {[]plan.Action{inject(on(fault.StoreHangs, "dp-1")), Heal{}}, "step 2 (inject): store-hangs on dp-1: dp-1 has no account of a store"},
		"no account to revoke":       {[]plan.Action{inject(on(fault.CredentialRevoked, "dp-1")), Heal{}}, "dp-1 has no account of a store"},
		"an account":                 {[]plan.Action{inject(on(fault.CredentialRevoked, "backup")), Heal{}}, ""},
		"no TLS":                     {[]plan.Action{inject(on(fault.StoreUnknownCA, "backup")), Heal{}}, "backup does not reach a store over TLS"},
		"no TLS for a host":          {[]plan.Action{inject(on(fault.StoreOtherHost, "backup")), Heal{}}, "backup does not reach a store over TLS"},
		"a version that is none":     {[]plan.Action{Plant{Generation: 7, Version: "../3.9.1"}}, `step 2 (plant): version "../3.9.1": give it letters`},
		"another version":            {[]plan.Action{Plant{Generation: 7, Version: "3.10.0.1"}}, ""},
		"no interval":                {[]plan.Action{probe(history.Stream{Name: "slow", Timeout: 1})}, `step 2 (start-traffic): stream "slow": give it an interval`},
		"a rate for an interval":     {[]plan.Action{StartTraffic{Nodes: []string{"dp-1"}, Rate: 5, Streams: []history.Stream{{Timeout: 1}}}}, ""},
		"a rate that is none":        {[]plan.Action{StartTraffic{Nodes: []string{"dp-1"}, Rate: -5}}, "step 2 (start-traffic): -5 requests a second cannot be sent"},
		"no timeout":                 {[]plan.Action{probe(history.Stream{Name: "slow", Interval: 1})}, `step 2 (start-traffic): stream "slow": give it a timeout`},
		"a database in a file":       {[]plan.Action{inject(database(fault.Exit, "cp")), Heal{}}, ""}, // NOT MEASURED, for there is no such edge
		"a data plane's database":    {[]plan.Action{inject(database(fault.Exit, "dp-1")), Heal{}}, "exit on dp-1>database: there is no such edge"},
		"a database as a plane":      {[]plan.Action{inject(database(fault.PlaneEmpty, "cp")), Heal{}}, "this one leads to a database"},
		"too heavy for a database":   {[]plan.Action{inject(fault.Spec{Kind: fault.Truncate, Edge: topology.DatabaseEdge("cp"), Bytes: 1}), Heal{}}, "use another kind"},
		"become more":                {[]plan.Action{Become{top.With(dp2)}}, ""},
		"become with another store":  {[]plan.Action{Become{top.WithStores("elsewhere")}}, "step 2 (become): topology: stores and upstreams cannot change while it runs"},
		"become with another role":   {[]plan.Action{Become{top.Without("dp-1").With(topology.Node{Name: "dp-1", Role: topology.ControlPlane})}}, "step 2 (become): topology: dp-1: its role, disk"},
	} {
		err := Check(steps(c.actions...), DefaultBudget)
		if err == nil && c.says != "" || err != nil && (c.says == "" || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
}

func TestCheckRefusesTimers(t *testing.T) {
	t.Parallel()
	edited, unknown, broken := topology.Profiles["fast"], topology.Profiles["fast"], topology.Profiles["fast"]
	edited.Silence, unknown.Name, broken.ReconnectMax = time.Hour, "slow", 0
	for says, timers := range map[string]history.Profile{
		"":                                    edited,
		`unknown timer profile ""`:            {},
		`"slow": the profiles are fast, kong`: unknown,
		"timer profile fast: reconnect_max is 0s: give it a time": broken,
	} {
		p := steps(Hold{For: time.Second})
		p.Profile = timers
		if err := Check(p, DefaultBudget); err == nil && says != "" || err != nil && (says == "" || !strings.Contains(err.Error(), says)) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}
