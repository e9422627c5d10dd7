// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
)

// How long the catalogue looks for what must be seen, and for what must not.
const (
	catalogueLimit = 20 * time.Second
	controlLimit   = 4 * time.Second
)

// The data planes of the catalogue's topology. The three lives of a fault are led
// side by side, each on a node of its own.
const (
	livedOn   = "dp-1"
	controlOn = "dp-2"
	crashedOn = "dp-3"
	untouched = "dp-4"
)

// staging is a fault of the catalogue with parameters that suit its topology.
type staging struct {
	fault.Spec
	alone bool // it changes what the other lives rest on
	notOn []string
}

// stagings has every kind of fault, by family. StoreStatus and PlaneBusy are there
// once for each status.
func stagings() []staging {
	link := func(s fault.Spec) staging { return staging{Spec: s} }
	out := []staging{
		link(fault.Spec{Kind: fault.Exit}),
		link(fault.Spec{Kind: fault.Blackhole}),
		link(fault.Spec{Kind: fault.HalfOpen}),
		link(fault.Spec{Kind: fault.Reset}),
		{Spec: fault.Spec{Kind: fault.Drop}, alone: true}, // its undo lets every edge's packets through
		link(fault.Spec{Kind: fault.Latency, Delay: 200 * time.Millisecond}),
		link(fault.Spec{Kind: fault.Jitter, Delay: 200 * time.Millisecond, Jitter: 150 * time.Millisecond, Seed: seed}),
		link(fault.Spec{Kind: fault.Bandwidth, Rate: 2000}),
		link(fault.Spec{Kind: fault.Slicing, Bytes: 100}),
		link(fault.Spec{Kind: fault.Truncate, Bytes: 300}),
		link(fault.Spec{Kind: fault.Flapping, Times: turns(10, 700*time.Millisecond)}),
		link(fault.Spec{Kind: fault.Asymmetric, Direction: fault.Upstream}),
		link(fault.Spec{Kind: fault.Asymmetric, Direction: fault.Downstream}),
		{Spec: fault.Spec{Kind: fault.DNSFailure}, notOn: []string{run.Local}}, // loopback has no names
		{Spec: fault.Spec{Kind: fault.Kill}},
		{Spec: fault.Spec{Kind: fault.Terminate}},
		{Spec: fault.Spec{Kind: fault.Pause}},
		{Spec: fault.Spec{Kind: fault.Restart}},
		{Spec: fault.Spec{Kind: fault.CrashLoop, Times: []time.Duration{100 * time.Millisecond, time.Second}}},
		{Spec: fault.Spec{Kind: fault.DiskWiped}},
		{Spec: fault.Spec{Kind: fault.DiskCorrupted, Seed: seed}},
		{Spec: fault.Spec{Kind: fault.DiskFull}},
		{Spec: fault.Spec{Kind: fault.DiskReadOnly}},
		{Spec: fault.Spec{Kind: fault.StoreRefuses}},
		{Spec: fault.Spec{Kind: fault.StoreHangs}},
		{Spec: fault.Spec{Kind: fault.StoreSlow, Rate: 4000}},
		{Spec: fault.Spec{Kind: fault.StoreTruncated, Bytes: 1000}},
		{Spec: fault.Spec{Kind: fault.StoreFlipped, Seed: seed}},
		{Spec: fault.Spec{Kind: fault.StoreStale, Generation: 1}},
		{Spec: fault.Spec{Kind: fault.StoreEmpty}},
		{Spec: fault.Spec{Kind: fault.StoreOtherVersion}},
		{Spec: fault.Spec{Kind: fault.StoreAltered, Seed: seed}},
		{Spec: fault.Spec{Kind: fault.StoreBare}},
		{Spec: fault.Spec{Kind: fault.StoreForeign}},
		{Spec: fault.Spec{Kind: fault.StoreBomb, Bytes: 32 << 20}},
		{Spec: fault.Spec{Kind: fault.StoreSkewed, Delay: time.Hour}},
		{Spec: fault.Spec{Kind: fault.StoreExpired}},
		{Spec: fault.Spec{Kind: fault.CredentialRevoked}},
		{Spec: fault.Spec{Kind: fault.StoreUnknownCA}},
		{Spec: fault.Spec{Kind: fault.StoreOtherHost}},
		{Spec: fault.Spec{Kind: fault.CertificateWrong}},
		{Spec: fault.Spec{Kind: fault.CertificateExpired}},
		{Spec: fault.Spec{Kind: fault.CertificateRotated}, alone: true},
		{Spec: fault.Spec{Kind: fault.PlaneNoDatabase}},
		{Spec: fault.Spec{Kind: fault.PlaneSilentTLS}},
		{Spec: fault.Spec{Kind: fault.PlaneSilentUpgrade}},
		{Spec: fault.Spec{Kind: fault.PlaneEmpty}},
		{Spec: fault.Spec{Kind: fault.PlaneOlder, Generation: 1}},
		{Spec: fault.Spec{Kind: fault.PlaneOversized}},
		{Spec: fault.Spec{Kind: fault.PlaneInvalid, Generation: 3}},
		{Spec: fault.Spec{Kind: fault.SecretMissing, Parameter: "proxy_server"}},
	}
	for _, status := range []int{403, 404, 412, 429, 503} {
		out = append(out, staging{Spec: fault.Spec{Kind: fault.StoreStatus, Status: status}})
	}
	for _, status := range []int{429, 503} {
		out = append(out, staging{Spec: fault.Spec{Kind: fault.PlaneBusy, Status: status, RetryAfter: 2 * time.Second}})
	}
	return out
}

// turns are n moments at equal distances.
func turns(n int, apart time.Duration) []time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = time.Duration(i+1) * apart
	}
	return times
}

// catalogued is the topology that faults are staged in.
func catalogued(tls bool) topology.Topology {
	t := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: "backup", Role: topology.DataPlane, Export: true},
	)
	for _, name := range []string{livedOn, controlOn, crashedOn, untouched} {
		t = t.With(topology.Node{Name: name, Role: topology.DataPlane, Import: true, StoreTLS: tls, Disk: 16 << 20})
	}
	return t
}

// TestEveryKindIsStaged: a kind that the catalogue of faults has and this one has
// not would be staged by nobody.
func TestEveryKindIsStaged(t *testing.T) {
	t.Parallel()
	for _, entry := range fault.Kinds {
		if !slices.ContainsFunc(stagings(), func(s staging) bool { return s.Kind == entry.Kind }) {
			t.Errorf("%s is not staged", entry.Kind)
		}
	}
}

var _ = Describe("the catalogue of faults", labels(label.Fault), func() {
	for _, engine := range []string{run.Local, run.Docker} {
		for _, family := range []fault.Family{fault.Links, fault.Nodes, fault.Disks, fault.Stores, fault.Identities, fault.ControlPlanes} {
			It(fmt.Sprintf("is witnessed, healed and cleaned up: %s faults on %s", family, engine), labels(label.Label(engine)), func(ctx SpecContext) {
				needs(ctx, engine)
				(&lives{engine: engine, family: family, on: planes(family)}).lead(ctx)
			}, SpecTimeout(specTimeout), beside(family))
		}
		It("is witnessed, healed and cleaned up: link faults between control planes and their database on "+engine, labels(label.Label(engine)), func(ctx SpecContext) {
			needs(ctx, engine)
			needsPostgres(ctx)
			(&lives{engine: engine, family: fault.Links, on: databases()}).lead(ctx)
		}, SpecTimeout(specTimeout))
	}
})

// lead runs the lives of all faults of the setting, and sees that each came to what it
// should.
func (l *lives) lead(ctx SpecContext) {
	GinkgoHelper()
	enter(ctx, room.Admit)
	result, err := run.Run(ctx, l.scenario(), run.Options{
		Engine: l.engine, Timers: "fast", Seed: seed, Out: out,
		Repeat:   func(string) string { return "go test . -ginkgo.focus='catalogue of faults'" },
		Progress: func(line string) { GinkgoWriter.Println(line) },
	})
	Expect(err).NotTo(HaveOccurred(), "see %s", result.Dir)
	Expect(l.led).To(BeNumerically(">", 0), "no fault of the family was staged")
	Expect(l.failures).To(BeEmpty(), "see %s", result.Dir)
}

// beside says what may run beside the faults of a family: nothing, where a
// witness compares times.
func beside(family fault.Family) any {
	if family == fault.Links {
		return Serial
	}
	return labels()
}

// lives is an action of its own: it leads the faults of a family through all that
// can become of a fault.
type lives struct {
	engine string
	family fault.Family
	on     setting

	mu       sync.Mutex
	led      int
	failures []string
}

// setting is what faults are staged in: a topology, what makes it ready, and the
// edge of each of the nodes that the lives are named by.
type setting struct {
	topology topology.Topology
	steps    []plan.Action
	edge     func(node string) topology.Edge
	kinds    []fault.Kind // that are staged; nil: all of the family
}

// planes is the setting of faults between data planes and what they dial.
func planes(family fault.Family) setting {
	top := catalogued(family == fault.Identities)
	return setting{topology: top, edge: top.CPEdge, steps: []plan.Action{
		harness.BringUp{},
		harness.Configure{Generation: 1, Routes: 60},
		harness.Change{Generation: 2},
		harness.AwaitServing{Nodes: []string{"backup", livedOn, controlOn, crashedOn, untouched}, Generation: 2, Steady: true},
		harness.AwaitSnapshot{Generation: 2, Steady: true},
	}}
}

func (l *lives) scenario() harness.Scenario {
	return harness.Scenario{
		Name: "catalogue", Summary: "every kind of fault is staged", Promises: []string{"G13"},
		Plan: func(plan.Source, history.Profile) (topology.Topology, []plan.Step) {
			var steps []plan.Step
			for _, a := range append(slices.Clone(l.on.steps), plan.Action(l)) {
				steps = append(steps, plan.Step{Phase: "bring-up", Action: a})
			}
			return l.on.topology, steps
		},
	}
}

// stages says whether a fault is staged in these lives.
func (l *lives) stages(k fault.Kind) bool {
	return k.Family() == l.family && (l.on.kinds == nil || slices.Contains(l.on.kinds, k))
}

func (l *lives) Name() string  { return "lives" }
func (l *lives) Title() string { return fmt.Sprintf("stage the faults of the family %s", l.family) }

// Do implements harness.Action.
func (l *lives) Do(ctx context.Context, c *harness.Cluster) error {
	for _, s := range stagings() {
		if !l.stages(s.Kind) {
			continue
		}
		ways := []func(context.Context, *harness.Cluster, staging) error{l.live, l.control, l.crash}
		if slices.Contains(s.notOn, l.engine) {
			ways = ways[:0]
			l.note(s, l.cannot(ctx, c, s))
		}
		var all sync.WaitGroup
		for _, way := range ways {
			lead := func() { l.note(s, way(ctx, c, s)) }
			if s.alone {
				lead()
			} else {
				all.Go(lead)
			}
		}
		all.Wait()
	}
	return ctx.Err()
}

func (l *lives) note(s staging, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.led++
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s %s: %v", s.Kind, s.Direction, err))
	}
}

// of is a fault of the spec on a node, with a ledger of its own.
func (l *lives) of(ctx context.Context, c *harness.Cluster, node string, spec fault.Spec) (*fault.Fault, string, error) {
	spec.Node = node
	if f := spec.Kind.Family(); f == fault.Links || f == fault.ControlPlanes {
		spec.Node, spec.Edge = "", l.on.edge(node)
	}
	means, err := c.Means(ctx, spec)
	if err != nil {
		return nil, "", err
	}
	dir := GinkgoT().TempDir()
	ledger, err := fault.OpenLedger(dir, "lives")
	if err != nil {
		return nil, "", err
	}
	f := fault.New(spec, means, ledger)
	return f, dir, f.Prepare(ctx)
}

// live leads a fault from its preparation to its clean-up.
func (l *lives) live(ctx context.Context, c *harness.Cluster, s staging) (err error) {
	f, _, err := l.of(ctx, c, livedOn, s.Spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Clean(ctx)) }()
	if err := injectAndSee(ctx, f); err != nil {
		return err
	}
	return healAndSee(ctx, f)
}

// control claims a fault and does nothing: its witness must not see it in force.
func (l *lives) control(ctx context.Context, c *harness.Cluster, s staging) (err error) {
	s.Control = true
	f, _, err := l.of(ctx, c, controlOn, s.Spec)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	defer func() { err = errors.Join(err, f.Clean(ctx)) }()
	if err := f.Inject(ctx); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	seen, err := look(ctx, controlLimit, f.Witness)
	switch {
	case err == nil:
		return fmt.Errorf("control: nothing was injected, and the witness says: %s", seen)
	case !errors.Is(err, fault.ErrNotWitnessed):
		return fmt.Errorf("control: %w", err)
	}
	return nil
}

// crash injects a fault and forgets it, as a harness that is killed does. What its
// ledger says must take it away.
func (l *lives) crash(ctx context.Context, c *harness.Cluster, s staging) error {
	f, dir, err := l.of(ctx, c, crashedOn, s.Spec)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	if err := injectAndSee(ctx, f); err != nil {
		return errors.Join(fmt.Errorf("crash: %w", err), f.Clean(ctx))
	}
	undone, err := fault.Recover(ctx, dir, "lives", run.Undoers)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	if len(undone) == 0 {
		// Nothing of it can outlive the run's processes, which a sweep ends; see
		// the specs of killed harnesses. Here the run goes on, and the next fault
		// wants a target that works.
		return errors.Join(healAndSee(ctx, f), f.Clean(ctx))
	}
	// The same fault, prepared anew, finds its target well.
	again, _, err := l.of(ctx, c, crashedOn, s.Spec)
	if err != nil {
		return fmt.Errorf("crash: after its undo (%s): %w", strings.Join(undone, ", "), err)
	}
	return again.Clean(ctx)
}

// injectAndSee puts a fault in force. One that goes on by itself, as a dead
// harness's would not, is left at its end.
func injectAndSee(ctx context.Context, f *fault.Fault) error {
	if err := f.Inject(ctx); err != nil {
		return err
	}
	began := time.Now()
	if _, err := look(ctx, catalogueLimit, f.Witness); err != nil {
		return err
	}
	if times := f.Spec().Times; len(times) > 0 {
		Eventually(func() time.Duration { return time.Since(began) }).WithContext(ctx).Should(BeNumerically(">", times[len(times)-1]+time.Second))
	}
	return nil
}

// healAndSee takes a fault away and waits for its target to work again.
func healAndSee(ctx context.Context, f *fault.Fault) error {
	if err := f.Heal(ctx); err != nil {
		return err
	}
	_, err := look(ctx, catalogueLimit, f.WitnessHealed)
	return err
}

// cannot sees that a fault that the engine has no means for says so.
func (l *lives) cannot(ctx context.Context, c *harness.Cluster, s staging) error {
	_, _, err := l.of(ctx, c, livedOn, s.Spec)
	if !errors.Is(err, fault.ErrCannotStage) {
		return fmt.Errorf("error %w, want one that says that it cannot be staged on %s", err, l.engine)
	}
	return nil
}

// look lets a witness look for as long as within.
func look(ctx context.Context, within time.Duration, witness func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return witness(ctx)
}
