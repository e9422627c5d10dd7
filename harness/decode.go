// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"blackout/harness/plan"
)

// actions are all actions, in the order of the names that a message lists. A plan
// is read back by their names.
var actions = []Action{
	BringUp{}, Configure{}, Change{}, Plant{}, TryWrite{},
	StartTraffic{}, StopTraffic{},
	Inject{}, Heal{}, ScaleOut{}, Become{},
	AwaitServing{}, AwaitSnapshot{}, AwaitAttempts{}, Compare{}, Hold{},
}

// DecodePlan reads a plan as a run saves it, or as someone wrote it in the same
// form, and checks it like one that was just drawn.
func DecodePlan(b []byte, budget time.Duration) (plan.Plan, error) {
	p, err := plan.Decode(b, decodeAction)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := Check(p, budget); err != nil {
		return plan.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	return p, nil
}

// decodeAction makes an action of its name and arguments; without arguments it is
// its zero value.
func decodeAction(name string, with []byte) (plan.Action, error) {
	names := make([]string, len(actions))
	for i, known := range actions {
		if names[i] = known.Name(); names[i] != name {
			continue
		}
		a := reflect.New(reflect.TypeOf(known))
		if len(bytes.TrimSpace(with)) > 0 {
			if err := plan.Strict(with, a.Interface()); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return a.Elem().Interface().(plan.Action), nil
	}
	return nil, fmt.Errorf("unknown action %q: the actions are %s", name, strings.Join(names, ", "))
}
