// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"blackout/fixtures"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/store"
	"blackout/harness/topology"
	"blackout/harness/traffic"
)

// Change makes a new generation the control plane's newest.
type Change struct {
	Generation int `json:"generation"`

	// MayFail says that the control plane has what it takes to fail: an error for an
	// answer is then recorded, as one that leaves open whether the change is in
	// force, and the run goes on.
	MayFail bool `json:"may_fail,omitempty"`
}

// Name implements plan.Action.
func (Change) Name() string { return "change" }

// Title implements plan.Action.
func (a Change) Title() string {
	title := fmt.Sprintf("change to generation %d at the control plane", a.Generation)
	if a.MayFail {
		title += ", which may fail"
	}
	return title
}

// Do implements Action.
func (a Change) Do(ctx context.Context, c *Cluster) error {
	return c.change(ctx, a.Generation, func(ctx context.Context) error {
		err := c.admin(ctx, http.MethodPatch, "/services/"+fixtures.ProbedService, service{Path: fixtures.GenerationPath(a.Generation)})
		var failed adminError
		if a.MayFail && errors.As(err, &failed) && failed.status >= http.StatusInternalServerError {
			c.progress("  %v", err)
			return errors.New(err.Error()) // no refusal: the change may be in force
		}
		return err
	})
}

// AwaitServing waits until data planes serve a generation.
type AwaitServing struct {
	Nodes      []string `json:"nodes"`
	Generation int      `json:"generation"`
	Steady     bool     `json:"steady,omitempty"` // without it the fault has nothing to disturb: the run is INVALID
}

// Name implements plan.Action.
func (AwaitServing) Name() string { return "await-serving" }

// Title implements plan.Action.
func (a AwaitServing) Title() string {
	return fmt.Sprintf("wait for %s to serve generation %d", abridged(a.Nodes), a.Generation)
}

// Do implements Action.
func (a AwaitServing) Do(ctx context.Context, c *Cluster) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	// The nodes share one deadline, since each had all of the time; a node whose
	// turn comes after it is still looked at.
	deadline := time.Now().Add(c.bound())
	for _, node := range a.Nodes {
		what := fmt.Sprintf("%s serves generation %d", node, a.Generation)
		look := func(ctx context.Context) error { return c.serves(ctx, client, node, a.Generation) }
		if a.Steady {
			if err := await(ctx, bringUpTimeout, what, look); err != nil {
				return c.unsteady(ctx, err)
			}
		} else if err := c.expect(ctx, max(time.Until(deadline), time.Second), node, what, look); err != nil {
			return err
		}
	}
	return nil
}

// unsteady is the error for a steady state that did not come about, unless the
// run's own context ended.
func (c *Cluster) unsteady(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnsteady, err)
}

// serves returns nil if a node is ready and its probed route answers in a
// generation.
func (c *Cluster) serves(ctx context.Context, client *http.Client, node string, generation int) error {
	if err := c.running(ctx, c.has.node(node)); err != nil {
		return err
	}
	status, err := c.endpoint(ctx, node, portStatus)
	if err != nil {
		return err
	}
	if err := get(ctx, client, "http://"+status+"/status/ready"); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	target, err := c.target(ctx, node)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target.Address+target.Paths[0], nil)
	if err != nil {
		return err
	}
	answer := traffic.Ask(client, req)
	if answer.Class != history.Good || int(answer.Generation) != generation {
		return fmt.Errorf("answers %s, status %d, generation %d", answer.Class, answer.Status, answer.Generation)
	}
	return nil
}

// AwaitSnapshot waits until an independent reader finds a generation in the
// bucket: the snapshot is durable.
type AwaitSnapshot struct {
	Generation int  `json:"generation"`
	Steady     bool `json:"steady,omitempty"`
}

// Name implements plan.Action.
func (AwaitSnapshot) Name() string { return "await-snapshot" }

// Title implements plan.Action.
func (a AwaitSnapshot) Title() string {
	return fmt.Sprintf("wait until the snapshot of generation %d is durable", a.Generation)
}

// Do implements Action.
func (a AwaitSnapshot) Do(ctx context.Context, c *Cluster) error {
	within := c.bound() + 2*c.plan.Profile.ExportDelay
	what := fmt.Sprintf("the bucket holds generation %d", a.Generation)
	found := false
	var object store.Object
	look := func(ctx context.Context) error {
		generation, read, err := c.snapshotGeneration(ctx)
		if err == nil && generation != a.Generation {
			err = fmt.Errorf("it holds generation %d", generation)
		}
		found, object = err == nil, read
		return err
	}
	if a.Steady {
		if err := await(ctx, within, what, look); err != nil {
			return c.unsteady(ctx, err)
		}
	} else if err := c.expect(ctx, within, "", what, look); err != nil {
		return err
	}
	if found {
		c.rec.Event(history.Event{
			Kind: history.StoreObject, Node: c.topology.StoreNames()[0], Text: bucket + "/" + snapshotKey(), Generation: a.Generation,
			Bytes: int64(len(object.Body)), Encryption: object.Encryption,
		})
	}
	return nil
}

// ScaleOut adds nodes, all at once. The faults of a node's edges, store and
// identity are in force before it starts.
type ScaleOut struct {
	Nodes  []topology.Node `json:"nodes"`
	Faults []fault.Spec    `json:"faults,omitempty"`
}

// Name implements plan.Action.
func (ScaleOut) Name() string { return "scale-out" }

// Title implements plan.Action.
func (a ScaleOut) Title() string {
	parts := make([]string, len(a.Nodes))
	for i, n := range a.Nodes {
		parts[i] = n.Name
		if n.Import {
			parts[i] += " (may import)"
		}
	}
	title := "add " + abridged(parts)
	if len(a.Faults) > 0 {
		title += ", with " + titles(a.Faults)
	}
	return title
}

// Do implements Action.
func (a ScaleOut) Do(ctx context.Context, c *Cluster) error {
	c.topology = c.topology.With(a.Nodes...)
	return c.addNodes(ctx, a.Nodes, a.Faults)
}

// Become makes the running topology into another: it starts what is new, ends
// what is gone and starts again what has other settings.
type Become struct {
	Topology topology.Topology `json:"topology"`
}

// Name implements plan.Action.
func (Become) Name() string { return "become" }

// Title implements plan.Action.
func (a Become) Title() string {
	names := make([]string, len(a.Topology.Nodes))
	for i, n := range a.Topology.Nodes {
		names[i] = n.Name
	}
	return "become a topology of " + abridged(names)
}

// Do implements Action.
func (a Become) Do(ctx context.Context, c *Cluster) error {
	difference, err := c.topology.To(a.Topology)
	if err != nil {
		return err
	}
	for _, name := range difference.Stop {
		if err := c.stopNode(ctx, name, "it is not part of the topology any more"); err != nil {
			return err
		}
	}
	c.topology = a.Topology
	for _, n := range difference.Change {
		if err := c.changeNode(ctx, n); err != nil {
			return err
		}
	}
	return c.addNodes(ctx, difference.Start, nil)
}

// AwaitAttempts waits until nodes have tried to reach the control plane often.
type AwaitAttempts struct {
	Nodes    []string `json:"nodes"`
	Attempts int      `json:"attempts"`
}

// Name implements plan.Action.
func (AwaitAttempts) Name() string { return "await-attempts" }

// Title implements plan.Action.
func (a AwaitAttempts) Title() string {
	return fmt.Sprintf("wait for %s to have tried the control plane %d times each", abridged(a.Nodes), a.Attempts)
}

// Do implements Action.
func (a AwaitAttempts) Do(ctx context.Context, c *Cluster) error {
	p := c.plan.Profile
	// Attempts can be counted only where they are reset at once, so that each
	// costs the delay before it and hardly more.
	within := time.Duration(a.Attempts)*p.ReconnectMax + p.DialTimeout + 5*time.Second
	return c.expect(ctx, within, "", fmt.Sprintf("%d attempts of %s", a.Attempts, abridged(a.Nodes)), func(context.Context) error {
		var short []string
		for _, node := range a.Nodes {
			if n := c.links.Attempts(c.topology.CPEdge(node)); n < a.Attempts {
				short = append(short, fmt.Sprintf("%s tried %d times", node, n))
			}
		}
		if len(short) > 0 {
			return errors.New(strings.Join(short, ", "))
		}
		return nil
	})
}

// Hold lets the state last. It is time that is measured, not a wait for something.
type Hold struct {
	For time.Duration `json:"for"`
	Why string        `json:"why"`
}

// Name implements plan.Action.
func (Hold) Name() string { return "hold" }

// Title implements plan.Action.
func (a Hold) Title() string { return fmt.Sprintf("hold for %s: %s", a.For, a.Why) }

// Do implements Action.
func (a Hold) Do(ctx context.Context, _ *Cluster) error {
	t := time.NewTimer(a.For)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
