// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"blackout/harness/fault"
	"blackout/harness/topology"
)

// noNames is a failure of the first node to resolve the second's name, which the
// second can.
var noNames = trial{
	spec: fault.Spec{Kind: fault.DNSFailure, Edge: topology.Edge{From: "a", To: "b"}},
	means: func(b *bench, _ fault.Spec) fault.Means {
		return fault.NewDNSFailure(fault.Resolver{Engine: b.engine, Node: b.a.Node, Untouched: b.b.Node, Peer: "b"})
	},
	inForce: func(b *bench) error {
		peer := url.Values{"peer": {b.b.site.Peer(portHTTP)}}
		if _, err := b.a.ask(b.within(patience), "/dial", peer); err == nil {
			return errors.New("it finds its peer")
		}
		_, err := b.b.ask(b.within(patience), "/dial", peer)
		return err
	},
}

func TestFailureOfNames(t *testing.T) {
	t.Parallel()
	noNames.run(t, "docker")
}

// TestNamesGoWithALife: a restarted node has another network, without the fault.
func TestNamesGoWithALife(t *testing.T) {
	t.Parallel()
	b := newBench(t, "docker", false)
	f, means, ledger, _ := noNames.try(b, false)
	must(t, errors.Join(f.Prepare(b.within(patience)), f.Inject(b.within(patience))))
	_, err := f.Witness(b.within(patience))
	must(t, err)
	must(t, b.a.Kill(b.within(patience)))
	if seen, ok := means.Look(b.within(patience)); ok {
		t.Errorf("an ended node witnesses: %s", seen)
	}
	must(t, b.a.Restart(b.within(patience)))
	b.eventually("it answers", b.a.answers)
	if seen, ok := means.Look(b.within(patience)); ok || !strings.Contains(seen, "still resolves") {
		t.Errorf("the next life: %s", seen)
	}
	must(t, f.Heal(b.within(patience)))
	b.works(means)
	must(t, errors.Join(f.Clean(b.within(patience)), ledger.Close()))
}

func TestNamesCannotFailOnLocal(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", false)
	f, _, _, _ := noNames.try(b, false)
	if err := f.Prepare(b.within(patience)); !errors.Is(err, fault.ErrCannotStage) {
		t.Errorf("prepare: %v", err)
	}
}
