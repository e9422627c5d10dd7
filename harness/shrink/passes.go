// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package shrink

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// shortestHold is what a hold is not made shorter than: something must be seen.
const shortestHold = 250 * time.Millisecond

// cutTail drops what comes after the step in which the failure was seen.
func (s *search) cutTail() error {
	at := slices.IndexFunc(s.best().Steps, func(step plan.Step) bool { return step.Number == s.last.Step })
	if at < 0 {
		return nil
	}
	_, err := s.attempt(upTo(s.best(), at+1), "nothing after the failure")
	return err
}

// dropNodes drops all data planes at which the failure was not seen, but the backup
// nodes, for hardly a plan can do without the snapshot that they write; then it drops
// one by one, and the backup nodes last.
func (s *search) dropNodes() error {
	if planes, _ := s.others(); s.last.Node != "" && len(planes) > 1 {
		smaller := s.best()
		for _, name := range planes {
			smaller = withoutNode(smaller, name)
		}
		if _, err := s.attempt(smaller, "without "+fmt.Sprint(planes)); err != nil {
			return err
		}
	}
	planes, backups := s.others()
	for _, name := range slices.Concat(planes, backups) {
		if _, err := s.attempt(withoutNode(s.best(), name), "without "+name); err != nil {
			return err
		}
	}
	return nil
}

// others are the data planes of the best plan but the one that fails, and apart from
// them the backup nodes.
func (s *search) others() (planes, backups []string) {
	for _, n := range harness.Nodes(s.best()) {
		switch {
		case n.Role != string(topology.DataPlane) || n.Name == s.last.Node:
		case n.Export:
			backups = append(backups, n.Name)
		default:
			planes = append(planes, n.Name)
		}
	}
	return planes, backups
}

// dropFaults drops the faults one target after the other, then one by one.
func (s *search) dropFaults() error {
	for _, target := range targets(s.best()) {
		smaller := withoutFaults(s.best(), func(f fault.Spec) bool { return f.Target() == target })
		if _, err := s.attempt(smaller, "without faults of "+target); err != nil {
			return err
		}
	}
	for i := 0; i < len(faults(s.best())); {
		nth := -1
		f := faults(s.best())[i]
		smaller := withoutFaults(s.best(), func(fault.Spec) bool { nth++; return nth == i })
		dropped, err := s.attempt(smaller, "without "+f.String())
		if err != nil {
			return err
		}
		if !dropped {
			i++
		}
	}
	return nil
}

// dropSteps is delta debugging (Zeller and Hildebrandt) over the steps: halves,
// quarters and so on, until no single step can be missed.
func (s *search) dropSteps() error {
	for parts := 2; ; {
		n := len(s.best().Steps)
		parts = min(parts, n)
		dropped, err := s.dropOneOf(parts)
		switch {
		case err != nil:
			return err
		case dropped:
			parts = max(parts-1, 2)
		case parts >= n:
			return nil
		default:
			parts *= 2
		}
	}
}

// dropOneOf tries to drop one of so many parts of the steps, the last ones first.
func (s *search) dropOneOf(parts int) (bool, error) {
	steps := s.best().Steps
	for part := parts - 1; part >= 0; part-- {
		from, to := part*len(steps)/parts, (part+1)*len(steps)/parts
		if from == to {
			continue
		}
		smaller := withoutSteps(s.best(), func(i int) bool { return i >= from && i < to && !isBringUp(steps[i]) })
		what := fmt.Sprintf("without step %d", steps[from].Number)
		if to-from > 1 {
			what = fmt.Sprintf("without steps %d to %d", steps[from].Number, steps[to-1].Number)
		}
		if dropped, err := s.attempt(smaller, what); dropped || err != nil {
			return dropped, err
		}
	}
	return false, nil
}

// isBringUp says whether a step starts everything.
func isBringUp(step plan.Step) bool {
	_, ok := step.Action.(harness.BringUp)
	return ok
}

// shortenHolds halves all holds together, then each, as often as that helps.
func (s *search) shortenHolds() error {
	for {
		shorter, err := s.attempt(withHolds(s.best(), func(int) bool { return true }), "half as long holds")
		if err != nil {
			return err
		}
		if !shorter {
			break
		}
	}
	for i := range s.best().Steps {
		if _, err := s.attempt(withHolds(s.best(), func(k int) bool { return k == i }), fmt.Sprintf("half as long a step %d", i+1)); err != nil {
			return err
		}
	}
	return nil
}
