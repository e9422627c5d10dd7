// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"blackout/harness/build"
	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"

	"github.com/shirou/gopsutil/v4/load"
)

// benchNodes is how many data planes the scale-out benchmark adds.
const benchNodes = 20

// BenchmarkBringUp compares the ready topology of seven containers with the same
// seven started bare and side by side with the Docker API until they run: vs-bare is
// the ratio of the medians. The same seven have a network with names, and volumes;
// vs-plain is the ratio to seven of the same images without either, on Docker's
// default network.
func BenchmarkBringUp(b *testing.B) {
	l := newLab(b)
	var t times
	for b.Loop() {
		c := l.cluster(b, topology.Topology{}.With(
			topology.Node{Name: "cp", Role: topology.ControlPlane},
			topology.Node{Name: "dp-1", Role: topology.DataPlane, Import: true},
			topology.Node{Name: "dp-2", Role: topology.DataPlane, Import: true},
		))
		begin := time.Now()
		c.do(b, BringUp{}, awaitReadiness{[]string{"dp-1", "dp-2"}})
		t.ours = append(t.ours, time.Since(begin))
		l.compare(b, c, &t)
	}
	t.report(b)
}

// BenchmarkScaleOut compares 20 data planes that are added while the control plane
// is cut off, until all serve from the snapshot, with the same 20 containers
// started bare until they run, as [BenchmarkBringUp] does. A control plane that
// resets is found missing at the first dial, so no time is taken off for that.
func BenchmarkScaleOut(b *testing.B) {
	l := newLab(b)
	var t times
	for b.Loop() {
		c := l.cluster(b, topology.Topology{}.With(
			topology.Node{Name: "cp", Role: topology.ControlPlane},
			topology.Node{Name: "backup", Role: topology.DataPlane, Export: true},
		))
		c.do(b, BringUp{}, Configure{Generation: 1, Routes: 20}, AwaitSnapshot{Generation: 1, Steady: true})
		out := ScaleOut{}
		for i := range benchNodes {
			name := fmt.Sprintf("dp-%d", i+1)
			out.Nodes = append(out.Nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: true})
			out.Faults = append(out.Faults, fault.Spec{Kind: fault.Reset, Edge: c.topology.CPEdge(name)})
		}
		names := make([]string, benchNodes)
		for i, n := range out.Nodes {
			names[i] = n.Name
		}
		c.spy.containers = nil
		begin := time.Now()
		c.do(b, out, AwaitServing{Nodes: names, Generation: 1, Steady: true})
		t.ours = append(t.ours, time.Since(begin))
		l.compare(b, c, &t)
	}
	t.report(b)
}

// times are what was measured, one of each per iteration.
type times struct{ ours, bare, plain []time.Duration }

// report gives the medians, their ratios and how busy the machine was.
func (t times) report(b *testing.B) {
	b.Helper()
	median := func(of []time.Duration) float64 {
		slices.Sort(of)
		return of[len(of)/2].Seconds()
	}
	ours, bare, plain := median(t.ours), median(t.bare), median(t.plain)
	b.ReportMetric(ours, "s-ready")
	b.ReportMetric(bare, "s-bare")
	b.ReportMetric(ours/bare, "vs-bare")
	b.ReportMetric(plain, "s-plain")
	b.ReportMetric(ours/plain, "vs-plain")
	if average, err := load.Avg(); err == nil {
		b.ReportMetric(average.Load1, "load")
	}
}

// awaitReadiness waits until data planes say that they are ready.
type awaitReadiness struct{ nodes []string }

func (awaitReadiness) Name() string  { return "await-readiness" }
func (awaitReadiness) Title() string { return "wait for readiness" }
func (a awaitReadiness) Do(ctx context.Context, c *Cluster) error {
	for _, node := range a.nodes {
		if err := c.awaitAnswer(ctx, c.has.node(node), portStatus, "/status/ready"); err != nil {
			return err
		}
	}
	return nil
}

// lab has the programs and the daemon of the benchmarks.
type lab struct {
	programs map[string]engine.Program
	daemon   *client.Client
}

func newLab(b *testing.B) *lab {
	b.Helper()
	if err := docker.Available(b.Context()); err != nil {
		b.Skipf("NOT MEASURED: %v", err)
	}
	platform, err := docker.Platform(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	names := map[string]string{"gateway": "gateway", "toxiproxy": "toxiproxy", "upstream": "upstream", "storefront": "storefront", "store": "minio"}
	binaries, err := build.Programs(b.Context(), build.Request{Platform: platform, Programs: slices.Collect(maps.Values(names))})
	if err != nil {
		b.Fatal(err)
	}
	l := &lab{programs: make(map[string]engine.Program)}
	for role, name := range names {
		l.programs[role] = engine.Program{Name: name, Binary: binaries[name].Path, Digest: binaries[name].Digest}
	}
	if l.daemon, err = client.New(client.FromEnv); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.daemon.Close() })
	return l
}

// benchCluster is a cluster whose engine remembers what it started.
type benchCluster struct {
	*Cluster
	spy *spy
	rec *history.Writer
}

func (l *lab) cluster(b *testing.B, top topology.Topology) benchCluster {
	b.Helper()
	run := "bench-" + strings.ToLower(rand.Text()[:6])
	e, err := docker.New(b.Context(), docker.Options{Run: run})
	if err != nil {
		b.Fatal(err)
	}
	rec, err := history.Create(b.TempDir(), history.Header{})
	if err != nil {
		b.Fatal(err)
	}
	ledger, err := fault.OpenLedger(b.TempDir(), run)
	if err != nil {
		b.Fatal(err)
	}
	s := &spy{Engine: e}
	c, err := New(b.Context(), Setup{
		Plan: plan.Plan{Profile: topology.Profiles["fast"], Topology: top}, Engine: s, Programs: l.programs,
		StoreKind: MinIO, Recording: rec, Ledger: ledger, Progress: func(string) {}, Abort: func(error) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	return benchCluster{c, s, rec}
}

func (c benchCluster) do(b *testing.B, actions ...Action) {
	b.Helper()
	for _, a := range actions {
		if err := a.Do(b.Context(), c.Cluster); err != nil {
			b.Error(err)
			c.close(b)
			b.FailNow()
		}
	}
}

func (c benchCluster) close(b *testing.B) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), time.Minute)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		b.Error(err)
	}
	if err := c.spy.Close(ctx); err != nil {
		b.Error(err)
	}
	if err := c.rec.Close(); err != nil {
		b.Error(err)
	}
}

// spy is an engine that remembers the containers that it started.
type spy struct {
	engine.Engine

	mu         sync.Mutex
	containers []string
}

func (s *spy) Start(ctx context.Context, site engine.Site, process engine.Process) (engine.Node, error) {
	node, err := s.Engine.Start(ctx, site, process)
	if err != nil {
		return node, err
	}
	handle, err := node.Handle(ctx)
	s.mu.Lock()
	s.containers = append(s.containers, handle["container"])
	s.mu.Unlock()
	return node, err
}

// compare ends a cluster and starts its containers again, bare and plain.
func (l *lab) compare(b *testing.B, c benchCluster, t *times) {
	b.Helper()
	specs := make([]client.ContainerCreateOptions, len(c.spy.containers))
	for i, id := range c.spy.containers {
		found, err := l.daemon.ContainerInspect(b.Context(), id, client.ContainerInspectOptions{})
		if err != nil {
			b.Fatal(err)
		}
		specs[i] = specOf(found.Container)
	}
	c.close(b)
	t.bare = append(t.bare, l.bare(b, specs))
	plain := slices.Clone(specs)
	for i := range plain {
		plain[i].HostConfig, plain[i].NetworkingConfig = nil, nil
	}
	t.plain = append(t.plain, l.startAll(b, plain))
}

// specOf is what a container like the one found is made of, in the network "bare".
// Its volumes are new ones, and it has no name: the other may still be there.
func specOf(found container.InspectResponse) client.ContainerCreateOptions {
	spec := client.ContainerCreateOptions{Config: found.Config, HostConfig: found.HostConfig, NetworkingConfig: &network.NetworkingConfig{}}
	spec.Config.Hostname = ""
	spec.HostConfig.NetworkMode = bareNetwork
	for i, bind := range spec.HostConfig.Binds {
		spec.HostConfig.Binds[i] = bareNetwork + "-" + bind
	}
	for _, at := range found.NetworkSettings.Networks {
		spec.NetworkingConfig.EndpointsConfig = map[string]*network.EndpointSettings{
			bareNetwork: {Aliases: at.Aliases, IPAMConfig: at.IPAMConfig, IPPrefixLen: at.IPPrefixLen},
		}
	}
	return spec
}

// bareNetwork is the network of the containers that are started bare.
const bareNetwork = "blackout-bare"

// bare starts containers in a network as the run's was. Their volumes are made
// before the time is taken, as the run's are when its nodes are reserved.
func (l *lab) bare(b *testing.B, specs []client.ContainerCreateOptions) time.Duration {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	var subnet netip.Prefix
	for _, s := range specs {
		at := s.NetworkingConfig.EndpointsConfig[bareNetwork]
		subnet, _ = at.IPAMConfig.IPv4Address.Prefix(at.IPPrefixLen)
	}
	if _, err := l.daemon.NetworkCreate(ctx, bareNetwork, client.NetworkCreateOptions{
		Driver: "bridge", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}},
	}); err != nil {
		b.Fatal(err)
	}
	var volumes []string
	for _, s := range specs {
		for _, bind := range s.HostConfig.Binds {
			name, _, _ := strings.Cut(bind, ":")
			volumes = append(volumes, name)
			if _, err := l.daemon.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name}); err != nil {
				b.Fatal(err)
			}
		}
	}
	defer func() {
		if _, err := l.daemon.NetworkRemove(ctx, bareNetwork, client.NetworkRemoveOptions{}); err != nil {
			b.Error(err)
		}
		for _, name := range volumes {
			if _, err := l.daemon.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true}); err != nil {
				b.Error(err)
			}
		}
	}()
	return l.startAll(b, specs)
}

// startAll starts containers side by side with nothing but the Docker API and
// returns how long it took until the last ran. They are gone afterwards.
func (l *lab) startAll(b *testing.B, specs []client.ContainerCreateOptions) time.Duration {
	b.Helper()
	ids := make([]string, len(specs))
	defer func() {
		for _, id := range ids {
			if _, err := l.daemon.ContainerRemove(context.WithoutCancel(b.Context()), id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				b.Error(err)
			}
		}
	}()
	begin := time.Now()
	group, ctx := errgroup.WithContext(b.Context())
	for i, s := range specs {
		group.Go(func() (err error) {
			ids[i], err = l.run(ctx, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// run starts one container and returns when the daemon says that it runs. It may
// end by itself afterwards: its peers are not there.
func (l *lab) run(ctx context.Context, spec client.ContainerCreateOptions) (id string, err error) {
	made, err := l.daemon.ContainerCreate(ctx, spec)
	if err != nil {
		return "", err
	}
	if _, err := l.daemon.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return made.ID, err
	}
	info, err := l.daemon.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
	if err == nil && info.Container.State.StartedAt == "" {
		err = fmt.Errorf("container of %s was not started", spec.Config.Image)
	}
	return made.ID, err
}
