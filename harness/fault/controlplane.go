// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"blackout/fixtures"
	"blackout/internal/impostor"
	"blackout/internal/outlet"
)

// ControlPlane is what the fault of a control plane is staged and witnessed with.
// The real one is not touched: the edge is made to lead to a scripted one. All
// that the real one notices are the witness's questions, a row among its data
// planes.
type ControlPlane struct {
	Impostor *impostor.Client  // plays the scripted control plane; nil: the fault cannot be staged
	Listen   string            // where the scripted one is to listen, "host:port"
	Upstream string            // the same listener, as Toxiproxy dials it
	Identity fixtures.Identity // the cluster's

	// Where the harness dials the edge, and an untouched one to the same control
	// plane.
	Through, Beside func(context.Context) (address string, err error)

	// Ask is how the witness asks; it needs no TLS. Its wait is how long a silence
	// is listened to: a real control plane must answer well within it.
	Ask outlet.Options
}

// controlPlane stages the faults of a control plane.
type controlPlane struct {
	spec  Spec
	links *Edges
	with  ControlPlane

	upstream string // where the edge leads when it is well; known from Prepare on, as is the script
	script   impostor.Script
	known    int // connections that the script is known to have seen
}

// NewControlPlane returns the means of a control plane's fault on an edge that
// links has opened.
func NewControlPlane(links *Edges, spec Spec, with ControlPlane) Means {
	if with.Ask.Limit = spec.Bytes; with.Ask.Limit == 0 {
		with.Ask.Limit = impostor.DefaultBytes
	}
	return &controlPlane{spec: spec, links: links, with: with}
}

// modes are what is played for each kind.
var modes = map[Kind]impostor.Mode{
	PlaneNoDatabase:    impostor.NoDatabase,
	PlaneSilentTLS:     impostor.SilentTLS,
	PlaneSilentUpgrade: impostor.SilentUpgrade,
	PlaneEmpty:         impostor.Empty,
	PlaneBusy:          impostor.Busy,
	PlaneOlder:         impostor.Older,
	PlaneOversized:     impostor.Oversized,
	PlaneInvalid:       impostor.Normal,
}

// prepareWait is how long a control plane may take for its answer before the
// fault: it is asked once, and no silence of it is expected.
const prepareWait = 10 * time.Second

// Prepare asks for the configuration through the edge: a control plane that gives
// none anyway would witness a fault that does nothing.
func (c *controlPlane) Prepare(ctx context.Context) error {
	if c.with.Impostor == nil {
		return fmt.Errorf("%w: this run has no scripted control plane", ErrCannotStage)
	}
	config, err := c.with.Identity.ClientTLS()
	if err != nil {
		return err
	}
	c.with.Ask.TLS = config
	if c.upstream, err = c.links.Upstream(ctx, c.spec.Edge); err != nil {
		return err
	}
	answer := c.through(ctx, max(prepareWait, c.with.Ask.Wait))
	if answer.Configuration == nil {
		return fmt.Errorf("%w: the control plane gives no configuration before the fault: %s", ErrNotWitnessed, answer)
	}
	c.script, err = c.write(answer.Configuration.Table)
	return err
}

// write makes the script from what the real control plane pushes.
func (c *controlPlane) write(table json.RawMessage) (impostor.Script, error) {
	s := impostor.Script{
		Mode: modes[c.spec.Kind], Listen: c.with.Listen,
		Identity: impostor.Identity{Certificate: string(c.with.Identity.Certificate), Key: string(c.with.Identity.Key)},
	}
	switch c.spec.Kind {
	case PlaneBusy:
		s.Status, s.RetryAfter = c.spec.Status, c.spec.RetryAfter
	case PlaneOversized:
		s.Table, s.Bytes = table, c.spec.Bytes
	case PlaneEmpty:
		if n, err := entities(table); err != nil || n == 0 {
			return s, fmt.Errorf("%w: the control plane's own configuration has %d entities: an empty one would not differ", ErrNotWitnessed, n)
		}
	case PlaneInvalid:
		now, err := fixtures.TableGeneration(table)
		if err != nil {
			return s, err
		}
		if c.spec.Generation <= now {
			return s, fmt.Errorf("generation %d is not newer than the control plane's, %d: nobody could tell which is served", c.spec.Generation, now)
		}
		s.Table, err = fixtures.BrokenTable(table, c.spec.Generation)
		return s, err
	case PlaneOlder:
		now, err := fixtures.TableGeneration(table)
		if err != nil {
			return s, err
		}
		if c.spec.Generation >= now {
			return s, fmt.Errorf("generation %d is not older than the control plane's, %d", c.spec.Generation, now)
		}
		s.Table, err = fixtures.TableAtGeneration(table, c.spec.Generation)
		return s, err
	}
	return s, nil
}

// name is the script's: an edge leads to one control plane at a time.
func (c *controlPlane) name() string { return c.spec.Edge.String() }

func (c *controlPlane) Undo() []Undo {
	return []Undo{ // carried out in the reverse order
		{Do: UndoScript, Args: map[string]string{"impostor": c.with.Impostor.Address(), "script": c.name()}},
		c.links.undoRepoint(c.spec.Edge, c.upstream),
	}
}

func (c *controlPlane) Inject(ctx context.Context) error {
	c.known = 0
	if _, err := c.with.Impostor.Open(ctx, c.name(), c.script); err != nil {
		return err
	}
	return c.links.Repoint(ctx, c.spec.Edge, c.with.Upstream)
}

func (c *controlPlane) Heal(ctx context.Context) error {
	err := c.links.Repoint(ctx, c.spec.Edge, c.upstream)
	return errors.Join(err, closeScript(ctx, c.with.Impostor, c.name()))
}

func (c *controlPlane) Clean(context.Context) error { return nil }

func closeScript(ctx context.Context, client *impostor.Client, name string) error {
	if _, err := client.Close(ctx, name); err != nil && !errors.Is(err, impostor.ErrNoScript) {
		return err
	}
	return nil
}

// UndoScript is the name of the undo that [EndScript] carries out.
const UndoScript = "close script"

// EndScript closes a script of the impostor at args["impostor"]. If none answers
// there, or it does not know the script, nothing is left to close.
func EndScript(ctx context.Context, args map[string]string) error {
	err := closeScript(ctx, impostor.NewClient(args["impostor"]), args["script"])
	var unanswered *url.Error
	if errors.As(err, &unanswered) && ctx.Err() == nil {
		return nil // it went with the run
	}
	return err
}

// Look asks through the edge and beside it, and whether the script has seen the
// one and not only the other.
func (c *controlPlane) Look(ctx context.Context) (string, bool) {
	edge := c.spec.Edge
	answer := c.through(ctx, c.with.Ask.Wait)
	if answer.Configuration == nil && ctx.Err() != nil {
		return fmt.Sprintf("the look through %s was cut short", edge), false
	}
	if !c.shows(answer) {
		return fmt.Sprintf("the control plane through %s: %s", edge, c.describe(answer)), false
	}
	seen, err := c.with.Impostor.Record(ctx, c.name(), c.known)
	if err != nil {
		return err.Error(), false
	}
	c.known = seen.Attempts
	if !c.came(seen) {
		return fmt.Sprintf("the control plane through %s: %s, but the script has not seen that it was asked", edge, c.describe(answer)), false
	}
	untouched := c.beside(ctx)
	if untouched.Configuration == nil || c.shows(untouched) {
		return fmt.Sprintf("the control plane through an untouched edge: %s", c.describe(untouched)), false
	}
	return fmt.Sprintf("the control plane through %s: %s; through an untouched edge: %s; the script counts %d attempts",
		edge, c.describe(answer), c.describe(untouched), seen.Attempts), true
}

// came says whether the witness is among the connections that the script has
// seen since it was last asked. One that is silent after TLS does not learn who asks.
func (c *controlPlane) came(seen impostor.Record) bool {
	for _, one := range seen.Connections {
		if one.Node == c.with.Ask.NodeID || c.spec.Kind == PlaneSilentTLS && one.Handshake > 0 {
			return true
		}
	}
	return false
}

// shows says whether a control plane that answers so has the fault.
func (c *controlPlane) shows(a outlet.Answer) bool {
	switch c.spec.Kind {
	case PlaneSilentTLS:
		return a.Silent() && a.Status == 0
	case PlaneSilentUpgrade:
		return a.Silent() && a.Upgraded() && a.Pongs == 0 && a.Frame == nil
	case PlaneNoDatabase:
		return a.Silent() && a.Upgraded() && a.Pongs > 0 && a.Frame == nil
	case PlaneBusy:
		return a.Err == nil && a.Status == c.spec.Status && a.RetryAfter == retryAfter(c.spec.RetryAfter)
	case PlaneOversized:
		return a.Frame != nil && a.Frame.Final && a.Frame.Bytes > c.with.Ask.Limit
	case PlaneEmpty:
		if a.Configuration == nil {
			return false
		}
		n, err := entities(a.Configuration.Table)
		return err == nil && n == 0
	case PlaneOlder, PlaneInvalid:
		if a.Configuration == nil {
			return false
		}
		n, err := fixtures.TableGeneration(a.Configuration.Table)
		return err == nil && n == c.spec.Generation
	default:
		return false
	}
}

// retryAfter is a wait as the header has it: whole seconds, rounded up.
func retryAfter(wait time.Duration) string {
	if wait == 0 {
		return ""
	}
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// describe is what was seen, with the generation where there is one.
func (c *controlPlane) describe(a outlet.Answer) string {
	if a.Configuration == nil {
		return a.String()
	}
	if n, err := fixtures.TableGeneration(a.Configuration.Table); err == nil {
		return fmt.Sprintf("%s, generation %d", a, n)
	}
	n, _ := entities(a.Configuration.Table) // of what is no table, none
	return fmt.Sprintf("%s, %d entities", a, n)
}

// entities counts what a config_table holds, but for what every database has.
func entities(table []byte) (int, error) {
	var sections map[string]any
	if err := json.Unmarshal(table, &sections); err != nil {
		return 0, fmt.Errorf("read config_table: %w", err)
	}
	n := 0
	for name, section := range sections {
		if rows, ok := section.([]any); ok && name != "parameters" && name != "workspaces" {
			n += len(rows)
		}
	}
	return n, nil
}

// LookHealed asks through the edge and beside it: both must be given the same.
func (c *controlPlane) LookHealed(ctx context.Context) (string, bool) {
	answer, untouched := c.through(ctx, c.with.Ask.Wait), c.beside(ctx)
	ok := answer.Configuration != nil && untouched.Configuration != nil && answer.Configuration.Hash == untouched.Configuration.Hash
	return fmt.Sprintf("the control plane through %s: %s; through an untouched edge: %s", c.spec.Edge, c.describe(answer), c.describe(untouched)), ok
}

// through asks through the edge. For the edge's meters the question is over when
// the connection stands: a silence that is listened to must not pass off the
// node's own attempts as the harness's.
func (c *controlPlane) through(ctx context.Context, wait time.Duration) outlet.Answer {
	ask := c.with.Ask
	ask.Wait = wait
	var conn *outlet.Conn
	err := c.links.Probe(ctx, c.spec.Edge, func(ctx context.Context) error {
		address, err := c.with.Through(ctx)
		if err == nil {
			conn, err = outlet.Dial(ctx, address, ask)
		}
		return err
	})
	if err != nil {
		return outlet.Answer{Err: err}
	}
	return conn.Ask(ctx)
}

func (c *controlPlane) beside(ctx context.Context) outlet.Answer {
	address, err := c.with.Beside(ctx)
	if err != nil {
		return outlet.Answer{Err: err}
	}
	return outlet.Ask(ctx, address, c.with.Ask)
}
