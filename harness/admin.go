// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"blackout/fixtures"
	"blackout/harness/history"
)

// adminTimeout bounds one call of the Admin API.
const adminTimeout = 10 * time.Second

// admin calls the control plane's Admin API directly, past every edge: the faults
// are between the nodes, not between the operator and the control plane. A nil body
// sends none.
func (c *Cluster) admin(ctx context.Context, method, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	address, err := c.endpoint(ctx, c.topology.ControlPlane(), portAdmin)
	if err != nil {
		return err
	}
	var b []byte
	if body != nil {
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return adminError{res.StatusCode, fmt.Sprintf("%s %s: status %d: %s", method, path, res.StatusCode, answer)}
	}
	return nil
}

// adminError is a refusal: the change is known not to be in force.
type adminError struct {
	status int
	text   string
}

func (e adminError) Error() string { return e.text }

// service is the probed service as the Admin API takes it.
type service struct {
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Path     string `json:"path"`
}

// probedService points at the upstream's echo, in a generation.
func (c *Cluster) probedService(generation int) (service, error) {
	host, port, err := net.SplitHostPort(c.has.site(c.topology.UpstreamNames()[0]).Peer(portHTTP))
	if err != nil {
		return service{}, fmt.Errorf("address of the upstream: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return service{}, fmt.Errorf("port of the upstream: %w", err)
	}
	return service{Host: host, Port: n, Protocol: "http", Path: fixtures.GenerationPath(generation)}, nil
}

// addDisabled makes a disabled service with a route, or finds it made.
func (c *Cluster) addDisabled(ctx context.Context, i int) error {
	d := fixtures.Disabled(i)
	if err := c.admin(ctx, http.MethodPut, "/services/"+d.ID, d.Service); err != nil {
		return err
	}
	return c.admin(ctx, http.MethodPut, "/services/"+d.ID+"/routes/"+d.Route.Name, d.Route)
}

// change sends a change of generation and records what became of it. A change
// whose answer was lost may or may not be in force; the recording says so.
func (c *Cluster) change(ctx context.Context, generation int, send func(context.Context) error) error {
	for _, need := range c.needs {
		c.rec.Event(history.Event{Kind: history.ChangeNeeds, Generation: generation, Text: need})
	}
	c.rec.Event(history.Event{Kind: history.ChangeSent, Generation: generation})
	err := send(ctx)
	var refused adminError
	switch {
	case err == nil:
		c.rec.Event(history.Event{Kind: history.ChangeAcked, Generation: generation})
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("%w: the Admin API refused generation %d: %w", ErrUnsteady, generation, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	c.rec.Event(history.Event{Kind: history.ChangeUnknown, Generation: generation, Error: err.Error()})
	return nil
}
