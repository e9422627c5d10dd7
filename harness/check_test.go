// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// small is a scenario that cuts, scales out and heals.
func small(spoil func(*topology.Topology, *[]plan.Step)) Scenario {
	return Scenario{Name: "small", Promises: []string{"G1"}, Plan: func(_ plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		top := topology.Topology{Nodes: []topology.Node{
			{Name: "cp", Role: topology.ControlPlane}, {Name: "dp-1", Role: topology.DataPlane},
		}}
		cut := func(node string) []fault.Spec {
			return []fault.Spec{{Edge: top.CPEdge(node), Kind: fault.Reset}}
		}
		t := plan.NewTimetable(timers)
		t.Phase(plan.BringUp, BringUp{}, AwaitServing{Nodes: []string{"dp-1"}, Generation: 1})
		t.Phase("outage",
			Inject{Faults: cut("dp-1")},
			ScaleOut{Nodes: []topology.Node{{Name: "dp-2", Role: topology.DataPlane}}, Faults: cut("dp-2")},
			AwaitAttempts{Nodes: []string{"dp-2"}, Attempts: 3},
			Hold{For: time.Second},
			Heal{},
		)
		steps := t.Steps()
		if spoil != nil {
			spoil(&top, &steps)
		}
		return top, steps
	}}
}

// plansOnly is an action that nobody can carry out.
type plansOnly struct{}

func (plansOnly) Name() string  { return "dream" }
func (plansOnly) Title() string { return "dream" }

func TestNewPlanRefuses(t *testing.T) {
	t.Parallel()
	if _, err := small(nil).NewPlan(7, topology.Profiles["fast"]); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*topology.Topology, *[]plan.Step)
		says  string
	}{
		"never healed": {func(_ *topology.Topology, s *[]plan.Step) { *s = (*s)[:6] }, "reset on dp-1>cp, injected in step 3, is never healed: end the plan with heal"},
		"cut after healing": {func(_ *topology.Topology, s *[]plan.Step) {
			(*s)[6], (*s)[2] = (*s)[2], (*s)[6]
			(*s)[2].At, (*s)[6].At = 0, 10*time.Second
		}, "reset on dp-2>cp, injected in step 4, is never healed"},
		"no such action": {func(_ *topology.Topology, s *[]plan.Step) { (*s)[5].Action = plansOnly{} }, "step 6 (dream): it cannot be carried out"},
		"no such node":   {func(_ *topology.Topology, s *[]plan.Step) { (*s)[3].Action = Hold{} }, "step 5 (await-attempts): it names dp-2, which no step before it starts"},
		"no such fault": {func(_ *topology.Topology, s *[]plan.Step) {
			(*s)[2].Action = Inject{Faults: []fault.Spec{{Kind: "gremlin"}}}
		}, `step 3 (inject): unknown fault "gremlin"`},
		"no control plane": {func(top *topology.Topology, _ *[]plan.Step) { top.Nodes = top.Nodes[1:] }, "control plane"},
		"falling times":    {func(_ *topology.Topology, s *[]plan.Step) { (*s)[3].At = 0; (*s)[2].At = 0; (*s)[4].At = -1 }, "step 5 (await-attempts)"},
		"healed in part":   {func(_ *topology.Topology, s *[]plan.Step) { (*s)[6].Action = Heal{Targets: []string{"dp-1>cp"}} }, "reset on dp-2>cp, injected in step 4, is never healed"},
		"too long":         {func(_ *topology.Topology, s *[]plan.Step) { (*s)[6].At = time.Hour }, "and may last 30m0s"},
	} {
		_, err := small(c.spoil).NewPlan(7, topology.Profiles["fast"])
		if err == nil || !strings.HasPrefix(err.Error(), "scenario small: ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
	s := small(nil)
	s.Budget = time.Second
	if _, err := s.NewPlan(7, topology.Profiles["fast"]); err == nil || !strings.Contains(err.Error(), "and may last 1s") {
		t.Errorf("a budget of its own: error %v", err)
	}
	s = small(nil)
	s.Labels = []label.Label{label.Fast, "slow"}
	if _, err := s.NewPlan(7, topology.Profiles["fast"]); err == nil || !strings.Contains(err.Error(), `scenario small: unknown label "slow"`) {
		t.Errorf("a label that nobody knows: error %v", err)
	}
}

func TestDecodePlan(t *testing.T) {
	t.Parallel()
	p, err := small(nil).NewPlan(7, topology.Profiles["fast"])
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := p.Encode(&saved); err != nil {
		t.Fatal(err)
	}
	if back, err := DecodePlan(saved.Bytes(), DefaultBudget); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("read back as %+v, %v", back, err)
	}
	whole := saved.String()
	for name, c := range map[string]struct{ from, to, says string }{
		"an unknown action":    {`"do": "heal"`, `"do": "pray"`, `step 7: unknown action "pray": the actions are bring-up, configure`},
		"an unknown argument":  {`"attempts"`, `"tries"`, `step 5: await-attempts: unknown field "tries"`},
		"one of a fault":       {`"kind": "reset"`, `"mode": "reset"`, `unknown field "mode"`},
		"an unknown fault":     {`"kind": "reset"`, `"kind": "curse"`, `unknown fault "curse"`},
		"a fault without heal": {`"do": "heal"`, `"do": "bring-up"`, "is never healed"},
		"a zero that is none":  {`"at": 0`, `"at": 99`, "not for 0s"},
	} {
		_, err := DecodePlan([]byte(strings.Replace(whole, c.from, c.to, 1)), DefaultBudget)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
	if _, err := DecodePlan(saved.Bytes(), time.Second); err == nil || !strings.Contains(err.Error(), "and may last 1s") {
		t.Errorf("beyond the budget: error %v", err)
	}
	if a, err := decodeAction("heal", nil); err != nil || !reflect.DeepEqual(a, plan.Action(Heal{})) {
		t.Errorf("an action without arguments: %+v, %v", a, err)
	}
}

// TestActionsAreListed: an action that [actions] forgets cannot be replayed.
func TestActionsAreListed(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	names := make(map[string]bool)
	for _, a := range actions {
		listed[reflect.TypeOf(a).Name()] = true
		if names[a.Name()] {
			t.Errorf("two actions have the name %s", a.Name())
		}
		names[a.Name()] = true
	}
	found := 0
	for _, receiver := range receiversOf(t, "Do") {
		if receiver == "Cluster" {
			continue
		}
		found++
		if !listed[receiver] {
			t.Errorf("action %s is not listed in actions", receiver)
		}
	}
	if found < len(actions) {
		t.Errorf("%d types have a method Do, and %d actions are listed", found, len(actions))
	}
}

// receiversOf are the types of this package that have a method.
func receiversOf(t *testing.T, method string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != method {
				continue
			}
			receiver := f.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			out = append(out, receiver.(*ast.Ident).Name)
		}
	}
	return out
}

// TestFaultsAreSeen: an action that holds faults and does not say so could leave
// them in force.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	spec := reflect.TypeFor[fault.Spec]()
	holding := 0
	for _, a := range actions {
		typ := reflect.TypeOf(a)
		for i := range typ.NumField() {
			f := typ.Field(i).Type
			if f != spec && (f.Kind() != reflect.Slice || f.Elem() != spec) {
				continue
			}
			holding++
			if _, ok := a.(injecting); !ok {
				t.Errorf("%s holds faults and does not say what it injects", a.Name())
			}
		}
	}
	if holding == 0 {
		t.Error("no action holds a fault: this test sees nothing")
	}
}

// TestActionsRoundTrip: an action's arguments are all in its JSON.
func TestActionsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, a := range actions {
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeAction(a.Name(), b)
		if err != nil || !reflect.DeepEqual(back, plan.Action(a)) {
			t.Errorf("%s: %s became %+v, %v", a.Name(), b, back, err)
		}
		typ := reflect.TypeOf(a)
		for i := range typ.NumField() {
			if tag := typ.Field(i).Tag.Get("json"); tag == "" || tag == "-" {
				t.Errorf("%s: the plan does not say its %s", a.Name(), typ.Field(i).Name)
			}
		}
	}
}
