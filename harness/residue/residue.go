// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package residue looks for what a run has left on this machine. [Of] is the
// witness of the promise that a run leaves nothing: it knows a run by its id alone
// and shares nothing with those that clean up, which find things by the marks and
// ledgers that they themselves have made. A process, file or container that was
// forgotten there is found here, as long as it carries the id anywhere.
// [WithoutStuck] takes out what nobody can remove.
package residue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Docker is the name of the engine whose runs are also looked for in Docker.
const Docker = "docker"

// cacheDir is the harness's directory in the user's cache.
const cacheDir = "blackout"

// Of names what is left of a run, one line for each thing: processes (nodes,
// compilers, the watchdog), files and directories by the temporary directory and
// in the user's cache, which holds the ledgers, mounts and, of a run on Docker,
// containers, networks and volumes. Nil means that nothing is left; an error,
// that it cannot be told.
func Of(ctx context.Context, engine, run string) ([]string, error) {
	if run == "" {
		return nil, errors.New("look for residue: name the run")
	}
	looks := []func(context.Context, string) ([]string, error){processes, files, mounts}
	if engine == Docker {
		looks = append(looks, contained)
	}
	var left []string
	for _, look := range looks {
		found, err := look(ctx, run)
		if err != nil {
			return nil, fmt.Errorf("look for residue of run %s: %w", run, err)
		}
		slices.Sort(found)
		left = append(left, found...)
	}
	return left, nil
}

// network is what the line of a network that is left begins with, before its name.
const network = "network"

// WithoutStuck takes from a run's leavings the networks that Docker refuses to
// remove though they hold no container: daemons before Docker 28 can lose count of a
// network's endpoints, which is none of the run's doing. The others that it tries it
// thereby removes, and keeps in the list: ask once, when nothing else appears any more.
func WithoutStuck(ctx context.Context, left []string) (rest []string, err error) {
	if !slices.ContainsFunc(left, func(line string) bool { return strings.HasPrefix(line, network+" ") }) {
		return left, nil
	}
	daemon, err := client.New(client.FromEnv)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, daemon.Close()) }()
	for _, line := range left {
		name, isNetwork := strings.CutPrefix(line, network+" ")
		if isNetwork {
			_, err := daemon.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
			found, lookErr := daemon.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
			refused := errdefs.IsPermissionDenied(err) && strings.Contains(err.Error(), "active endpoints")
			if refused && lookErr == nil && len(found.Network.Containers) == 0 {
				continue
			}
		}
		rest = append(rest, line)
	}
	return rest, nil
}

// processes are those with the run's id in their environment or command line.
func processes(_ context.Context, run string) ([]string, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, errors.New("this system has no /proc to see processes in")
	}
	var left []string
	for _, dir := range dirs {
		pid := filepath.Base(dir)
		if pid == strconv.Itoa(os.Getpid()) {
			continue
		}
		// One that cannot be read has ended meanwhile, or is another user's.
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if bytes.Contains(environment, []byte(run)) || bytes.Contains(arguments, []byte(run)) {
			left = append(left, fmt.Sprintf("process %s: %s", pid, bytes.TrimSpace(bytes.ReplaceAll(arguments, []byte{0}, []byte{' '}))))
		}
	}
	return left, nil
}

// files are those with the run's id in their name. The recording and the report
// lie elsewhere, and are meant to stay.
func files(_ context.Context, run string) ([]string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "*"+run+"*"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(cache, cacheDir), func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err == nil && strings.Contains(filepath.Base(path), run) {
			left = append(left, path)
		}
		return err
	})
	for i, path := range left {
		left[i] = "file " + path
	}
	return left, err
}

// mounts are those with the run's id in their source or place.
func mounts(_ context.Context, run string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var left []string
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, run) {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	return left, nil
}

// contained are the containers, networks and volumes with the run's id in a name
// or label.
func contained(ctx context.Context, run string) (left []string, err error) {
	daemon, err := client.New(client.FromEnv)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, daemon.Close()) }()
	add := func(what, name string, labels map[string]string) {
		marked := strings.Contains(name, run)
		for _, value := range labels {
			marked = marked || strings.Contains(value, run)
		}
		if marked {
			left = append(left, what+" "+name)
		}
	}
	containers, err := daemon.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, err
	}
	for _, c := range containers.Items {
		add("container", strings.Join(c.Names, ","), c.Labels)
	}
	networks, err := daemon.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, err
	}
	for _, n := range networks.Items {
		add(network, n.Name, n.Labels)
	}
	volumes, err := daemon.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Items {
		add("volume", v.Name, v.Labels)
	}
	return left, nil
}
