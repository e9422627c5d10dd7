// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"blackout/harness/engine/tmpfs"
	"blackout/harness/watchdog/owner"
)

// Sweep removes the containers, networks, volumes and disks of a run, whatever
// their state, and returns what it removed. With an empty run it removes those of
// every run whose harness process has ended; what belongs to a live process, or
// to another machine's, is never touched. The error wraps
// [blackout/harness/engine.ErrUnavailable] if there is no daemon, and, with an empty
// run, [ErrMiscounted] if a network cannot be removed before the daemon is restarted.
func Sweep(ctx context.Context, run string) (removed []string, err error) {
	daemon, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	removed, err = sweepFor(ctx, daemon, run)
	if err != nil {
		err = fmt.Errorf("sweep: %w", err)
	}
	return removed, errors.Join(err, daemon.Close())
}

// sweepFor is [Sweep] with a daemon.
func sweepFor(ctx context.Context, daemon *client.Client, run string) ([]string, error) {
	if run != "" { // a watchdog's, which can do nothing more about a miscount
		removed, _, err := sweep(ctx, daemon, ofRun(run))
		return removed, err
	}
	removed, miscounted, err := sweep(ctx, daemon, ofDead())
	return removed, errors.Join(err, miscounted)
}

// ErrMiscounted is why an empty network stays. Daemons before Docker 28 keep a
// count of a network's endpoints beside the endpoints themselves, and seldom, under
// load, it does not come back to zero. Nothing else depends on such a network: it
// holds a subnet, no container, and goes once the daemon has been restarted.
var ErrMiscounted = errors.New("the docker daemon counts endpoints in it, though it has no container; restart the daemon, then run blackout doctor")

// selection says which labelled objects a sweep removes.
type selection struct {
	label string // as Docker filters by it: "key" or "key=value"
	take  func(labels map[string]string) (bool, error)
}

// takeDisk is take for a disk, which was not filtered by its label.
func (s selection) takeDisk(m tmpfs.Mark) (bool, error) {
	if s.label != LabelRun && s.label != LabelRun+"="+m.Run {
		return false, nil
	}
	return s.take(map[string]string{LabelRun: m.Run, LabelOwner: m.Owner})
}

// ofRun selects what one run made.
func ofRun(run string) selection {
	return selection{
		label: LabelRun + "=" + run,
		take:  func(map[string]string) (bool, error) { return true, nil },
	}
}

// ofDead selects what processes made that have ended. Each owner is judged
// once, so that a sweep is of one mind about all of a run.
func ofDead() selection {
	judged := map[string]bool{}
	return selection{label: LabelRun, take: func(labels map[string]string) (bool, error) {
		text := labels[LabelOwner]
		if gone, ok := judged[text]; ok {
			return gone, nil
		}
		o, err := owner.Parse(text)
		if err != nil {
			return false, err
		}
		gone, err := o.Gone()
		if err != nil {
			return false, err
		}
		judged[text] = gone
		return gone, nil
	}}
}

func (s selection) filter() client.Filters { return client.Filters{}.Add("label", s.label) }

// object is one thing to remove.
type object struct {
	name   string // with its kind, for the user
	labels map[string]string
	remove func(context.Context) error
}

// sweep removes what is selected: disks and then containers first, because
// volumes and networks in use cannot be removed. It goes on after an error. Apart
// from other errors are those that wrap [ErrMiscounted].
func sweep(ctx context.Context, daemon *client.Client, which selection) (removed []string, miscounted, err error) {
	removed, err = tmpfs.Sweep(which.takeDisk)
	errs, miscounts := []error{err}, []error{}
	for _, list := range []func(context.Context, *client.Client, client.Filters) ([]object, error){containers, networks, volumes} {
		objects, err := list(ctx, daemon, which.filter())
		errs = append(errs, err)
		var taken []object
		for _, o := range objects {
			take, err := which.take(o.labels)
			if err != nil {
				errs = append(errs, fmt.Errorf("remove %s: %w", o.name, err))
			}
			if err == nil && take {
				taken = append(taken, o)
			}
		}
		names, miscounted, err := removeAll(ctx, taken)
		removed, miscounts, errs = append(removed, names...), append(miscounts, miscounted), append(errs, err)
	}
	return removed, errors.Join(miscounts...), errors.Join(errs...)
}

// removeAll removes objects side by side: one after the other, a busy daemon takes
// longer than a killed run may leave them. It returns the names of those that it
// has removed, and apart from other errors those that wrap [ErrMiscounted].
func removeAll(ctx context.Context, objects []object) (removed []string, miscounted, err error) {
	names, errs, miscounts := make([]string, len(objects)), make([]error, len(objects)), make([]error, len(objects))
	var all sync.WaitGroup
	for i, o := range objects {
		all.Go(func() {
			err := o.remove(ctx)
			switch {
			case err == nil:
				names[i] = o.name
			case errors.Is(err, ErrMiscounted):
				miscounts[i] = fmt.Errorf("%s stays: %w", o.name, err)
			case !errdefs.IsNotFound(err): // otherwise it is gone meanwhile
				errs[i] = fmt.Errorf("remove %s: %w", o.name, err)
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(names, func(name string) bool { return name == "" }), errors.Join(miscounts...), errors.Join(errs...)
}

func containers(ctx context.Context, daemon *client.Client, filter client.Filters) ([]object, error) {
	list, err := daemon.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var objects []object
	for _, c := range list.Items {
		objects = append(objects, object{
			name:   "container " + containerName(c),
			labels: c.Labels,
			remove: func(ctx context.Context) error { return removeContainer(ctx, daemon, c.ID) },
		})
	}
	return objects, nil
}

func containerName(c container.Summary) string {
	if len(c.Names) > 0 {
		return c.Names[0][1:] // Docker puts a slash before it
	}
	return c.ID
}

// removeContainer kills and removes a container. Where somebody else is at it
// already, it waits for the end of that, because networks depend on it.
func removeContainer(ctx context.Context, daemon *client.Client, id string) error {
	_, err := daemon.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if !errdefs.IsConflict(err) {
		return err
	}
	wait := daemon.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func networks(ctx context.Context, daemon *client.Client, filter client.Filters) ([]object, error) {
	list, err := daemon.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var objects []object
	for _, n := range list.Items {
		objects = append(objects, object{
			name:   "network " + n.Name,
			labels: n.Labels,
			remove: func(ctx context.Context) error { return removeNetwork(ctx, daemon, n.ID) },
		})
	}
	return objects, nil
}

// A daemon may still be counting down while a network's last container is gone.
const (
	countLimit = 2 * time.Second
	countPause = 200 * time.Millisecond
)

// removeNetwork removes a network. Where the daemon goes on to refuse that for a network
// in which it knows no container, the error is [ErrMiscounted].
func removeNetwork(ctx context.Context, daemon *client.Client, id string) error {
	pause := time.NewTicker(countPause)
	defer pause.Stop()
	for deadline := time.Now().Add(countLimit); ; {
		_, err := daemon.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		if !inUse(err) {
			return err
		}
		found, lookErr := daemon.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
		switch {
		case errdefs.IsNotFound(lookErr): // somebody else has removed it
			return lookErr
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case len(found.Network.Containers) > 0:
			return err
		case time.Now().After(deadline):
			return ErrMiscounted
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// inUse reports whether a network is refused to be removed for what is connected to it,
// not by somebody who watches over the daemon.
func inUse(err error) bool {
	return errdefs.IsPermissionDenied(err) && strings.Contains(err.Error(), "active endpoints")
}

func volumes(ctx context.Context, daemon *client.Client, filter client.Filters) ([]object, error) {
	list, err := daemon.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var objects []object
	for _, v := range list.Items {
		objects = append(objects, object{
			name:   "volume " + v.Name,
			labels: v.Labels,
			remove: func(ctx context.Context) error {
				_, err := daemon.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
				return err
			},
		})
	}
	return objects, nil
}
