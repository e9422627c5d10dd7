// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"blackout/harness/engine"
)

// lookLimit bounds the look at a container after the context of its start is over.
const lookLimit = 5 * time.Second

// Start implements [engine.Engine]. A site whose node has ended can be started
// again with another process; it keeps its directory.
func (e *Engine) Start(ctx context.Context, at engine.Site, process engine.Process) (engine.Node, error) {
	s, ok := at.(*site)
	if !ok || s.engine != e {
		return nil, fmt.Errorf("start %s: the site is not one of this engine", at.Name())
	}
	if process.User != "" {
		return nil, fmt.Errorf("start %s as %s: %w: an image says whom its process runs as", s.name, process.User, engine.ErrUnsupported)
	}
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	defer end()
	s.starting.Lock()
	defer s.starting.Unlock()
	if err := s.mayStart(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	n, err := s.run(ctx, process)
	if n == nil { // not the nil *node: that would be a Node
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	s.started = n
	if err == nil {
		err = n.survived(ctx)
	}
	if err != nil {
		return n, fmt.Errorf("start %s: %w", s.name, err)
	}
	return n, nil
}

// mayStart refuses a second process beside one that runs.
func (s *site) mayStart(ctx context.Context) error {
	if s.started == nil {
		return nil
	}
	state, err := s.started.State(ctx)
	if err == nil && state.Running {
		return errors.New("its process runs already")
	}
	return err
}

// run makes a container and starts it. The node is there, with the error, if
// the process may have run. The error is the environment's: what the process
// does is not looked at.
func (s *site) run(ctx context.Context, process engine.Process) (*node, error) {
	e := s.engine
	image, err := e.image(ctx, s.program)
	if err != nil {
		return nil, err
	}
	hooks, err := s.hooks(process.Files)
	if err != nil {
		return nil, err
	}
	made, err := e.containers.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image:                    image,
		Name:                     s.nextName(),
		Labels:                   e.labels(s.name),
		Cmd:                      process.Args,
		Env:                      process.Env,
		ExposedPorts:             s.published(),
		HostConfigModifier:       s.hostConfig,
		EndpointSettingsModifier: s.endpointSettings,
		LifecycleHooks:           []testcontainers.ContainerLifecycleHooks{hooks},
	})
	if err == nil {
		err = made.Start(ctx)
	}
	switch {
	case err == nil:
		return newNode(s, made), nil
	case ctx.Err() != nil: // says nothing of the environment
		return s.mayHaveRun(ctx, made), fmt.Errorf("run container: %w", errors.Join(context.Cause(ctx), err))
	}
	// No image, no room, no daemon, not a program for it.
	return s.mayHaveRun(ctx, made), fmt.Errorf("%w: run container: %w", engine.ErrUnavailable, err)
}

func newNode(s *site, made testcontainers.Container) *node {
	return &node{site: s, id: made.GetContainerID(), started: make(chan struct{})}
}

// mayHaveRun is the node of a container that could not be run as asked, or nil
// if its process is known not to have run. A container that never ran has no log
// and stays until Close.
func (s *site) mayHaveRun(ctx context.Context, made testcontainers.Container) *node {
	if made == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	n := newNode(s, made)
	if info, err := n.inspect(ctx); err == nil && !hasRun(info.State) {
		return nil
	}
	return n
}

// nextName names the next container. A former one stays until Close, for its log.
func (s *site) nextName() string {
	s.starts++
	if s.starts == 1 {
		return s.object()
	}
	return s.object() + "-" + strconv.Itoa(s.starts)
}

// hostConfig mounts the node's volume, and binds published ports narrowly.
func (s *site) hostConfig(config *container.HostConfig) {
	config.NetworkMode = container.NetworkMode(s.engine.network.Name)
	config.Binds = append(slices.Clone(s.shared), s.object()+":"+dataDir)
	bind, _ := publishing(s.engine.daemon.DaemonHost())
	config.PortBindings = make(network.PortMap)
	for _, spec := range s.published() {
		config.PortBindings[network.MustParsePort(spec)] = []network.PortBinding{{HostIP: netip.MustParseAddr(bind)}}
	}
}

// endpointSettings put the node into the run's network, by its name and address.
func (s *site) endpointSettings(networks map[string]*network.EndpointSettings) {
	networks[s.engine.network.Name] = &network.EndpointSettings{
		Aliases:    []string{s.name},
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: s.ip},
	}
}

// published are the ports to publish, "<number>/tcp": none where addresses are
// routable. An image of others' making is the exception: Testcontainers would
// publish the ports that it declares, on every address of the machine, if none
// were asked for.
func (s *site) published() []string {
	if s.engine.routable && s.program.Image == "" {
		return nil
	}
	var specs []string
	for _, number := range slices.Sorted(maps.Values(s.numbers())) {
		specs = append(specs, strconv.Itoa(int(number))+"/tcp")
	}
	return specs
}

// hooks bring the files in before the process starts. Where there are none, and
// the process is root's, nothing is done: unpacking costs as much as a start.
func (s *site) hooks(files map[string][]byte) (hooks testcontainers.ContainerLifecycleHooks, err error) {
	foreign := s.program.Image != ""
	hooks.PostCreates = []testcontainers.ContainerHook{s.checkDisk}
	if len(files) == 0 && !foreign {
		return hooks, nil
	}
	packed, err := archive(files, foreign)
	if err != nil {
		return hooks, err
	}
	hooks.PostCreates = append(hooks.PostCreates, s.engine.copyIn(packed))
	return hooks, nil
}

// copyIn returns a hook that unpacks the archive in the node's directory before
// the process starts.
func (e *Engine) copyIn(files []byte) testcontainers.ContainerHook {
	return func(ctx context.Context, made testcontainers.Container) error {
		_, err := e.daemon.CopyToContainer(ctx, made.GetContainerID(), client.CopyToContainerOptions{
			DestinationPath: dataDir,
			Content:         bytes.NewReader(files),
		})
		if err != nil {
			return fmt.Errorf("copy files: %w", err)
		}
		return nil
	}
}

// archive packs files, by path relative to the node's directory, and their
// directories. They belong to root, like the programs that are run as such;
// with anyone set, the process's user is not known and has access by mode.
func archive(files map[string][]byte, anyone bool) ([]byte, error) {
	fileMode, dirMode := int64(0o600), int64(0o755)
	if anyone {
		fileMode, dirMode = 0o644, 0o777
	}
	var packed bytes.Buffer
	to := tar.NewWriter(&packed)
	dirs := map[string]bool{}
	if err := addDir(to, dirs, ".", dirMode); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		clean := path.Clean(name)
		if path.IsAbs(clean) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") {
			return nil, fmt.Errorf("file %q: not below the node's directory", name)
		}
		if err := addDir(to, dirs, path.Dir(clean), dirMode); err != nil {
			return nil, err
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: clean, Mode: fileMode, Size: int64(len(files[name]))}
		if err := to.WriteHeader(&header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := to.Write(files[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	return packed.Bytes(), to.Close()
}

// addDir adds a directory and those above it, once.
func addDir(to *tar.Writer, added map[string]bool, dir string, mode int64) error {
	if added[dir] {
		return nil
	}
	added[dir] = true
	if dir != "." {
		if err := addDir(to, added, path.Dir(dir), mode); err != nil {
			return err
		}
	}
	if err := to.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode}); err != nil {
		return fmt.Errorf("pack %s: %w", dir, err)
	}
	return nil
}
