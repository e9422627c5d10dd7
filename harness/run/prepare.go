// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/build"
	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/engine/local"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/reports/objective"
)

// ErrUsage is returned, wrapped, for options that make no sense.
var ErrUsage = errors.New("usage")

// The engines by name.
const (
	Docker = "docker"
	Local  = "local"
	Auto   = "auto"
)

// Engines are the names that Options.Engine takes.
var Engines = []string{Docker, Local, Auto}

// choice is the engine of a run and why it was taken.
type choice struct{ engine, why string }

// chooseEngine takes the asked-for engine, or Docker where a daemon answers.
func chooseEngine(ctx context.Context, o Options) (choice, error) {
	if o.Engine == Local {
		return choice{Local, "engine local: asked for"}, nil
	}
	err := docker.Available(ctx)
	switch {
	case err == nil && o.Engine == Docker:
		return choice{Docker, "engine docker: asked for, and a daemon answers"}, nil
	case err == nil:
		return choice{Docker, "engine docker: a daemon answers"}, nil
	case o.Engine == Docker:
		return choice{}, err
	}
	return choice{Local, "engine local: " + strings.ReplaceAll(err.Error(), "\n", "; ")}, nil
}

func timerProfile(name string) (history.Profile, error) {
	p, ok := topology.Profiles[name]
	if !ok {
		return p, fmt.Errorf("%w: unknown timer profile %q: the profiles are %s", ErrUsage, name, strings.Join(slices.Sorted(maps.Keys(topology.Profiles)), ", "))
	}
	return p, nil
}

func (o *Options) validate() error {
	if !slices.Contains(Engines, o.Engine) {
		return fmt.Errorf("%w: unknown engine %q: the engines are %s", ErrUsage, o.Engine, strings.Join(Engines, ", "))
	}
	if o.Control != harness.NoControl && !slices.Contains(harness.Controls, o.Control) {
		return fmt.Errorf("%w: unknown control %q: the controls are %v", ErrUsage, o.Control, harness.Controls)
	}
	if o.Store != "" && o.Store != harness.MinIO && o.Store != harness.Embedded {
		return fmt.Errorf("%w: unknown store %q: the stores are %s, %s", ErrUsage, o.Store, harness.MinIO, harness.Embedded)
	}
	for name, image := range o.Images {
		switch {
		case !slices.Contains(imagePrograms, name):
			return fmt.Errorf("%w: unknown program %q for an image: the programs are %s", ErrUsage, name, strings.Join(imagePrograms, ", "))
		case image == "":
			return fmt.Errorf("%w: the image for %s has no name", ErrUsage, name)
		case o.Engine == Local:
			return fmt.Errorf("%w: image %s=%s: the local engine runs no images; use --engine docker", ErrUsage, name, image)
		case name == "gateway" && (o.Gateway != "" || o.BuildGateway != nil):
			return fmt.Errorf("%w: an image and an executable are both named for the gateway", ErrUsage)
		}
	}
	if err := o.checkSLO(); err != nil {
		return err
	}
	if o.Gateway == "" {
		return nil
	}
	if info, err := os.Stat(o.Gateway); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: gateway %s is not an executable file", ErrUsage, o.Gateway)
	}
	return nil
}

// checkSLO refuses objectives that cannot be judged.
func (o *Options) checkSLO() error {
	if o.SLO == nil {
		return nil
	}
	indicators := o.Indicators
	if indicators == nil {
		indicators = objective.All
	}
	if err := objective.Check(*o.SLO, indicators); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return nil
}

// imagePrograms are the programs that an image can be named for.
var imagePrograms = []string{"gateway", "minio", "storefront", "toxiproxy", "upstream"}

// newID is a run's id: when it began, where it runs, and four letters against
// collisions.
func newID(engine string) string {
	return strings.Join([]string{time.Now().UTC().Format("20060102-150405"), engine, strings.ToLower(rand.Text()[:4])}, "-")
}

// storeKind is the kind of store that the run uses.
func (r *runner) storeKind() harness.StoreKind {
	switch {
	case r.options.Store != "":
		return r.options.Store
	case r.choice.engine == Docker:
		return harness.MinIO
	}
	return harness.Embedded
}

// prepare builds the programs, makes the engine and opens the recording. The
// Setup is returned also with an error, so that what was made can be closed.
func (r *runner) prepare(ctx context.Context) (*harness.Setup, error) {
	s := &harness.Setup{Run: r.id, Plan: r.plan, StoreKind: r.storeKind(), Control: r.options.Control, Progress: r.options.Progress}
	var err error
	if r.work, err = os.MkdirTemp("", workPattern(r.id)); err != nil {
		return s, fmt.Errorf("make the nodes' directory: %w", err)
	}
	if s.Programs, err = r.programs(ctx); err != nil {
		return s, err
	}
	if s.Engine, err = r.newEngine(ctx, s.Programs["netfault"]); err != nil {
		return s, err
	}
	if s.Host, err = r.newHost(ctx, s.Engine); err != nil {
		return s, err
	}
	dir, err := fault.LedgerDir()
	if err != nil {
		return s, err
	}
	if r.ledger, err = fault.OpenLedger(dir, r.id); err != nil {
		return s, err
	}
	s.Ledger = r.ledger
	return s, r.openRecording(s)
}

// openRecording saves the plan and starts the run's clock.
func (r *runner) openRecording(s *harness.Setup) (err error) {
	if err := r.savePlan(); err != nil {
		return err
	}
	if r.options.SLO != nil {
		if err := KeepSLO(r.dir, *r.options.SLO); err != nil {
			return err
		}
	}
	dir := filepath.Join(r.dir, recordingDir)
	r.rec, err = history.Create(dir, history.Header{
		Run: r.id, Scenario: r.plan.Scenario, Seed: r.plan.Seed, Engine: r.choice.engine, Profile: r.plan.Profile,
		Nodes: harness.Nodes(r.plan), Streams: harness.Streams(r.plan),
		Promises: r.plan.Promises, Exercises: r.plan.Exercises, Storage: harness.Storage,
	}, history.WithClock(r.options.Control.Clock()))
	s.Recording = r.rec
	if err == nil && r.options.Opened != nil {
		r.options.Opened(dir, r.environment())
	}
	return err
}

func (r *runner) newEngine(ctx context.Context, netfault engine.Program) (engine.Engine, error) {
	if r.choice.engine == Docker {
		e, err := docker.New(ctx, docker.Options{Run: r.id, Netfault: netfault, Progress: r.options.Progress})
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	races := ""
	if r.options.Race {
		races = r.raceDir()
		if err := os.MkdirAll(races, 0o755); err != nil {
			return nil, err
		}
	}
	e, err := local.New(ctx, local.Options{Run: r.id, Dir: r.work, Race: races})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// newHost is what runs processes of this machine beside the nodes, if the plan asks
// for any: the local engine itself, or one of its kind at the address under which
// containers reach this machine.
func (r *runner) newHost(ctx context.Context, nodes engine.Engine) (harness.Host, error) {
	if !r.plan.Topology.Postgres {
		return harness.Host{}, nil
	}
	containers, ok := nodes.(*docker.Engine)
	if !ok {
		return harness.Host{Engine: nodes, Network: netip.MustParsePrefix("127.0.0.1/32")}, nil
	}
	address, network, err := containers.Host()
	if errors.Is(err, engine.ErrUnsupported) {
		return harness.Host{Missing: err}, nil
	}
	if err != nil {
		return harness.Host{}, err
	}
	host, err := local.New(ctx, local.Options{Run: r.id, Dir: r.work, Address: address})
	if err != nil {
		return harness.Host{}, err
	}
	return harness.Host{Engine: host, Network: network}, nil
}

func (r *runner) raceDir() string { return filepath.Join(r.dir, "races") }

// needed are the programs of a run, by the role that they play in it.
func (r *runner) needed() map[string]string {
	storeProgram := "store"
	if r.storeKind() == harness.MinIO {
		storeProgram = "minio"
	}
	needed := map[string]string{"toxiproxy": "toxiproxy", "upstream": "upstream", "storefront": "storefront", "gateway": "gateway", "store": storeProgram, "impostor": "impostor"}
	if r.choice.engine == Docker {
		needed["netfault"] = "netfault"
	}
	return needed
}

// programs are what the engine needs, built or named.
func (r *runner) programs(ctx context.Context) (map[string]engine.Program, error) {
	needed := r.needed()
	// A compiler that is killed leaves its temporary files: they go with the run's.
	temp := []string{"TMPDIR=" + r.work, "GOTMPDIR=" + r.work}
	req := build.Request{Race: r.options.Race && r.choice.engine == Local, Run: r.id, Env: temp, Progress: r.options.Progress}
	if r.choice.engine == Docker {
		platform, err := docker.Platform(ctx)
		if err != nil {
			return nil, err
		}
		req.Platform = platform
	}
	out := make(map[string]engine.Program, len(needed))
	r.images = make(map[string]string)
	if err := r.chooseGateway(ctx, req, out); err != nil {
		return nil, err
	}
	for role, name := range needed {
		if _, chosen := out[role]; chosen {
			continue
		}
		if image := r.options.Images[name]; image != "" {
			out[role] = engine.Program{Name: name, Image: image}
			r.images[name] = image
			continue
		}
		req.Programs = append(req.Programs, name)
	}
	binaries, err := build.Programs(ctx, req)
	if err != nil {
		return nil, err
	}
	for role, name := range needed {
		if b, ok := binaries[name]; ok {
			out[role] = engine.Program{Name: name, Binary: b.Path, Digest: b.Digest}
			r.images[name] = "sha256:" + b.Digest
		}
	}
	return out, nil
}

// chooseGateway puts the gateway to judge into programs, unless it is the
// reference gateway, which is built with the rest.
func (r *runner) chooseGateway(ctx context.Context, req build.Request, programs map[string]engine.Program) (err error) {
	path := r.options.Gateway
	if r.options.BuildGateway != nil {
		if path, err = r.options.BuildGateway(ctx, req); err != nil {
			return err
		}
	}
	r.gateway = "reference gateway"
	switch image := r.options.Images["gateway"]; {
	case image != "":
		r.gateway = image
	case path != "":
		r.gateway = path
		digest, err := engine.DigestOf(path)
		if err != nil {
			return fmt.Errorf("read the gateway to judge: %w", err)
		}
		programs["gateway"] = engine.Program{Name: "gateway", Binary: path, Digest: digest}
		r.images["gateway"] = "sha256:" + digest
	}
	r.gateway = cmp.Or(r.options.GatewayName, r.gateway)
	return nil
}
