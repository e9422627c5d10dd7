// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/database"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// needsPostgres leaves out a spec where there is no PostgreSQL, loudly, since what is
// left out was not tested.
func needsPostgres(ctx SpecContext) {
	GinkgoHelper()
	_, err := database.Find(ctx)
	if errors.Is(err, engine.ErrUnsupported) {
		Skip("LEFT OUT: " + err.Error())
	}
	Expect(err).NotTo(HaveOccurred())
}

// needsDatabase does so for a scenario that cuts control planes off from one.
func needsDatabase(ctx SpecContext, scenario harness.Scenario) {
	GinkgoHelper()
	p, err := scenario.NewPlan(seed, topology.Profiles["fast"])
	Expect(err).NotTo(HaveOccurred())
	if p.Topology.Postgres {
		needsPostgres(ctx)
	}
}

// databases is the setting of faults between control planes and their database. Each
// life has a control plane of its own, which keeps its database in a file all the
// same: what the way to a database is, a gateway need not help to see.
func databases() setting {
	top := topology.Topology{}.WithPostgres()
	for _, name := range []string{livedOn, controlOn, crashedOn} {
		top = top.With(topology.Node{Name: planeOf(name), Role: topology.ControlPlane}).WithParameter(planeOf(name), "database", "sqlite")
	}
	return setting{
		topology: top, steps: []plan.Action{harness.BringUp{}},
		edge:  func(node string) topology.Edge { return topology.DatabaseEdge(planeOf(node)) },
		kinds: []fault.Kind{fault.Exit, fault.Blackhole, fault.HalfOpen, fault.Reset, fault.Drop},
	}
}

// planeOf is the control plane of a life that is named by a data plane.
func planeOf(node string) string { return "cp-of-" + node }
