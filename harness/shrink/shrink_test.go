// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: to sleep is to let it pass.

package shrink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// long is a plan of three rounds in which each of three data planes is cut off, and
// one is added in the second.
func long() plan.Plan {
	top := topology.Topology{Nodes: []topology.Node{
		{Name: "cp", Role: topology.ControlPlane},
		{Name: "backup", Role: topology.DataPlane, Export: true},
		{Name: "dp-1", Role: topology.DataPlane, Import: true},
		{Name: "dp-2", Role: topology.DataPlane, Import: true},
	}}
	everyone := []string{"backup", "dp-1", "dp-2"}
	t := plan.NewTimetable(topology.Profiles["fast"])
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: 1, Routes: 10},
		harness.AwaitServing{Nodes: everyone, Generation: 1, Steady: true},
	)
	for round := range 3 {
		var cuts []fault.Spec
		for _, n := range everyone {
			cuts = append(cuts, fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(n)})
		}
		t.Phase("steady", harness.StartTraffic{Nodes: []string{"dp-1", "dp-2"}}, harness.Hold{For: 4 * time.Second, Why: "traffic"})
		t.Phase("outage", harness.Inject{Faults: cuts}, harness.Hold{For: 4 * time.Second, Why: "outage"})
		if round == 1 {
			t.Then(
				harness.ScaleOut{
					Nodes:  []topology.Node{{Name: "dp-3", Role: topology.DataPlane, Import: true}},
					Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge("dp-3")}},
				},
				harness.AwaitServing{Nodes: []string{"dp-3"}, Generation: round + 1},
			)
			everyone = append(everyone, "dp-3")
		}
		t.Phase("recovery", harness.Heal{}, harness.Change{Generation: round + 2},
			harness.AwaitServing{Nodes: everyone, Generation: round + 2}, harness.StopTraffic{})
	}
	return plan.Plan{
		Scenario: "test", Seed: 7, Profile: topology.Profiles["fast"], Topology: top,
		Promises: []string{"G4", "G10"}, Exercises: []string{"G4.1"}, Steps: numbered(t.Steps()),
	}
}

func numbered(steps []plan.Step) []plan.Step {
	for i := range steps {
		steps[i].Number = i + 1
	}
	return steps
}

// cuts says whether a plan cuts a node off from its control plane.
func cuts(p plan.Plan, node string) bool {
	return slices.ContainsFunc(faults(p), func(f fault.Spec) bool { return f.Edge.From == node })
}

// startsCutOff says whether a plan adds a node without its control plane.
func startsCutOff(p plan.Plan, node string) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		a, ok := s.Action.(harness.ScaleOut)
		return ok && slices.ContainsFunc(a.Faults, func(f fault.Spec) bool { return f.Edge.From == node })
	})
}

// fake is a gateway that fails where a condition on the plan holds.
type fake struct {
	t     *testing.T
	fails func(plan.Plan) bool
	node  string
	step  int
	tried []plan.Plan
	odd   func(run int) (Outcome, bool) // what a run shows instead, from 1
}

func (f *fake) run(_ context.Context, p plan.Plan) (Outcome, error) {
	f.tried = append(f.tried, p)
	if err := harness.Check(p, harness.DefaultBudget); err != nil {
		f.t.Errorf("a plan was run that is refused: %v", err)
	}
	if f.odd != nil {
		if o, is := f.odd(len(f.tried)); is {
			return o, nil
		}
	}
	return Outcome{Fails: f.fails(p), Node: f.node, Step: f.step}, nil
}

func options() Options { return Options{Clause: "G4.1", Runs: 500} }

// TestMinimal: what is not needed for the failure is gone, whatever it needs.
func TestMinimal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake  fake
		steps []string // of the result
		nodes []string
	}{
		"a cut of dp-2": {
			fake{fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }, node: "dp-2", step: 6},
			[]string{"bring-up", "inject", "heal"}, []string{"cp", "dp-2"},
		},
		"nobody knows where": {
			fake{fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }},
			[]string{"bring-up", "inject", "heal"}, []string{"cp", "dp-2"},
		},
		"a node that is added": {
			fake{fails: func(p plan.Plan) bool { return startsCutOff(p, "dp-3") }, node: "dp-3"},
			[]string{"bring-up", "scale-out", "heal"}, nil,
		},
		"two cuts": {
			fake{fails: func(p plan.Plan) bool { return FaultSteps(p) >= 2 && cuts(p, "dp-1") }, node: "dp-1"},
			[]string{"bring-up", "inject", "heal", "inject", "heal"}, []string{"cp", "dp-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.fake.t = t
			r, err := Search(t.Context(), long(), c.fake.run, options())
			if err != nil || !r.Confirmed || r.Exhausted != "" || r.Runs != len(c.fake.tried) {
				t.Fatalf("%+v, %v", r, err)
			}
			var steps, nodes []string
			for i, s := range r.Plan.Steps {
				steps = append(steps, s.Action.Name())
				if s.Number != i+1 {
					t.Errorf("step %d has number %d", i+1, s.Number)
				}
			}
			for _, n := range harness.Nodes(r.Plan) {
				nodes = append(nodes, n.Name)
			}
			if !slices.Equal(steps, c.steps) || c.nodes != nil && !slices.Equal(nodes, c.nodes) {
				t.Errorf("left are %v of %v after %d runs, want %v of %v", steps, nodes, r.Runs, c.steps, c.nodes)
			}
			if !c.fake.fails(r.Plan) || !slices.Equal(r.Plan.Promises, []string{"G4"}) || !slices.Equal(r.Plan.Exercises, []string{"G4.1"}) {
				t.Errorf("the result does not fail, or asks for something else: %+v", r.Plan)
			}
		})
	}
}

// TestBackupNodesGoLast: the first plan that lacks nodes lacks all at which nothing was
// seen but the backup node, and one that needs its snapshot takes no more runs for it.
func TestBackupNodesGoLast(t *testing.T) {
	t.Parallel()
	has := func(p plan.Plan, node string) bool {
		return slices.ContainsFunc(harness.Nodes(p), func(n history.Node) bool { return n.Name == node })
	}
	f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-2") && has(p, "backup") }, node: "dp-2"}
	r, err := Search(t.Context(), long(), f.run, options())
	if err != nil || !has(r.Plan, "backup") {
		t.Fatalf("left is %s, %v", size(r.Plan), err)
	}
	i := slices.IndexFunc(f.tried, func(p plan.Plan) bool { return len(harness.Nodes(p)) < len(harness.Nodes(long())) })
	if i < 0 {
		t.Fatal("no plan was tried that lacks nodes")
	}
	first := f.tried[i]
	if has(first, "dp-1") || has(first, "dp-3") || !has(first, "backup") || !has(first, "dp-2") {
		t.Errorf("the first plan that lacks nodes has %v", harness.Nodes(first))
	}
}

// TestHoldsAreShortened to what the failure needs.
func TestHoldsAreShortened(t *testing.T) {
	t.Parallel()
	held := func(p plan.Plan) (d time.Duration) {
		for _, s := range p.Steps {
			if h, ok := s.Action.(harness.Hold); ok {
				d += h.For
			}
		}
		return d
	}
	f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-1") && held(p) >= time.Second }}
	r, err := Search(t.Context(), long(), f.run, options())
	if err != nil || held(r.Plan) < time.Second || held(r.Plan) >= 2*time.Second {
		t.Errorf("held for %s, %v", held(r.Plan), err)
	}
	if got, most := r.Plan.Length(), held(r.Plan)+2*time.Second; got > most {
		t.Errorf("the plan lasts %s, want at most %s", got, most)
	}
}

// TestRunsAreBounded: the search ends with what it has, and one run to confirm it.
func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	for _, runs := range []int{1, 2, 3, 7} {
		f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }}
		o := options()
		o.Runs = runs
		r, err := Search(t.Context(), long(), f.run, o)
		if err != nil || len(f.tried) != runs+1 || !r.Confirmed || r.Exhausted != fmt.Sprintf("%d runs", runs) {
			t.Errorf("%d runs for %d: %+v, %v", len(f.tried), runs, r, err)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fake{t: t, fails: func(plan.Plan) bool { return true }}
		slow := func(ctx context.Context, p plan.Plan) (Outcome, error) {
			time.Sleep(time.Minute)
			return f.run(ctx, p)
		}
		o := options()
		o.For = 150 * time.Second // after the plan itself: three smaller ones, and the smallest once more
		r, err := Search(t.Context(), long(), slow, o)
		if err != nil || len(f.tried) != 1+3+1 || r.Exhausted != "2m30s" {
			t.Errorf("%d runs, %+v, %v", len(f.tried), r, err)
		}
	})
}

// TestPassingPlan has nothing to be made smaller.
func TestPassingPlan(t *testing.T) {
	t.Parallel()
	f := fake{t: t, fails: func(plan.Plan) bool { return false }}
	if r, err := Search(t.Context(), long(), f.run, options()); !errors.Is(err, ErrPasses) || r.Runs != 1 || !strings.Contains(err.Error(), "G4.1") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestInvalidRunIsRepeated once, and is no failure.
func TestInvalidRunIsRepeated(t *testing.T) {
	t.Parallel()
	f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }}
	f.odd = func(run int) (Outcome, bool) { return Outcome{Invalid: true}, run == 1 || run == 3 || run == 4 }
	r, err := Search(t.Context(), long(), f.run, options())
	if err != nil || encoded(f.tried[0]) != encoded(f.tried[1]) || encoded(f.tried[2]) != encoded(f.tried[3]) || encoded(f.tried[4]) == encoded(f.tried[3]) {
		t.Errorf("%+v, %v", r, err)
	}
	if !cuts(r.Plan, "dp-2") {
		t.Error("what could not be judged was taken for a failure")
	}
}

// TestResultMustFailAgain: a plan that failed by chance is not the result.
func TestResultMustFailAgain(t *testing.T) {
	t.Parallel()
	f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }}
	lucky := ""
	chance := func(ctx context.Context, p plan.Plan) (Outcome, error) {
		if o, err := f.run(ctx, p); o.Fails || err != nil {
			return o, err
		}
		if lucky == "" && len(f.tried) > 3 {
			lucky = encoded(p)
			return Outcome{Fails: true}, nil
		}
		return Outcome{}, nil
	}
	o := options()
	o.Runs = 6
	r, err := Search(t.Context(), long(), chance, o)
	if err != nil || lucky == "" || encoded(r.Plan) == lucky {
		t.Errorf("%+v, %v, lucky was %v", r, err, lucky != "")
	}
}

func TestErrorEndsTheSearch(t *testing.T) {
	t.Parallel()
	broken := errors.New("no engine")
	runs := 0
	r, err := Search(t.Context(), long(), func(context.Context, plan.Plan) (Outcome, error) {
		if runs++; runs == 3 {
			return Outcome{}, broken
		}
		return Outcome{Fails: true}, nil
	}, options())
	if !errors.Is(err, broken) || r.Confirmed || len(r.Plan.Steps) == 0 || len(r.Plan.Topology.Nodes) != len(long().Topology.Nodes)-1 {
		t.Errorf("left of the plan is %s, %v", size(r.Plan), err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := Search(ctx, long(), func(context.Context, plan.Plan) (Outcome, error) { return Outcome{Fails: true}, nil }, options()); err == nil || err.Error() != "enough" {
		t.Errorf("error %v, want the interrupt", err)
	}
}

// TestProgress has one line a run.
func TestProgress(t *testing.T) {
	t.Parallel()
	var lines []string
	f := fake{t: t, fails: func(p plan.Plan) bool { return cuts(p, "dp-2") }}
	o := options()
	o.Progress = func(line string) { lines = append(lines, line) }
	r, err := Search(t.Context(), long(), f.run, o)
	if err != nil || len(lines) != r.Runs || !strings.HasPrefix(lines[0], "run 1, the plan itself: ") || !strings.HasSuffix(lines[0], "; still fails") {
		t.Errorf("%d lines of %d runs: %q, %v", len(lines), r.Runs, lines, err)
	}
}
