// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"blackout/harness/engine"
	"blackout/internal/netfault"
)

// helper is a container with cmd/netfault in the network namespace of a node's
// life, spoken to over its standard streams: nothing of it can be seen in the
// namespace but what it was asked to do. Its input ends with this process, and
// so do its rules.
type helper struct {
	site      *site
	life      string // of the node, when it was started
	container string
	stream    client.HijackedResponse
	replies   chan netfault.Reply
	ended     chan struct{} // closed when the program has ended
	closed    chan struct{} // tells the readers of stream that nobody listens
	readers   sync.WaitGroup

	mu   sync.Mutex // one request at a time
	last int        // number of the last request
}

// helper is that of the node's present life, started if need be.
func (n *node) helper(ctx context.Context) (*helper, error) {
	e := n.site.engine
	if e.options.Netfault == (engine.Program{}) {
		return nil, fmt.Errorf("%w: the engine was given no program for it", engine.ErrUnsupported)
	}
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	n.helping.Lock()
	defer n.helping.Unlock()
	state, err := n.State(ctx)
	switch {
	case err != nil:
		return nil, err
	case !state.Running:
		return nil, fmt.Errorf("%w with code %d", engine.ErrEnded, state.ExitCode)
	case n.help != nil && n.help.life == state.Life && n.help.runs():
		return n.help, nil
	case n.help != nil:
		if err := n.help.remove(ctx); err != nil {
			return nil, err
		}
		n.help = nil
	}
	h := newHelper(n.site, state.Life)
	if err := h.start(ctx, n.id); err != nil {
		return nil, err
	}
	n.help = h
	e.keep(h)
	return h, nil
}

func newHelper(s *site, life string) *helper {
	return &helper{site: s, life: life, replies: make(chan netfault.Reply), ended: make(chan struct{}), closed: make(chan struct{})}
}

// runs says whether the program has not ended, as far as is known.
func (h *helper) runs() bool {
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

// start makes the container and attaches to it before it runs. One that could not
// be started is removed with the run.
func (h *helper) start(ctx context.Context, node string) error {
	e := h.site.engine
	image, err := e.image(ctx, e.options.Netfault)
	if err != nil {
		return err
	}
	made, err := e.daemon.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: image, Labels: e.labels(""),
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode("container:" + node),
			CapDrop:     []string{"ALL"}, CapAdd: []string{"NET_ADMIN"}, ReadonlyRootfs: true,
		},
	})
	if err != nil {
		return fmt.Errorf("make container of %s: %w", e.options.Netfault.Name, err)
	}
	h.container = made.ID
	h.stream, err = e.attach(ctx, made.ID)
	if err != nil {
		return err
	}
	if _, err := e.daemon.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		h.stream.Close()
		return fmt.Errorf("start %s: %w", e.options.Netfault.Name, err)
	}
	h.listen()
	return nil
}

func (e *Engine) attach(ctx context.Context, id string) (client.HijackedResponse, error) {
	result, err := e.daemon.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return client.HijackedResponse{}, fmt.Errorf("attach to %s: %w", e.options.Netfault.Name, err)
	}
	return result.HijackedResponse, nil
}

// listen reads the program's replies until it ends or close is called.
func (h *helper) listen() {
	text, output := io.Pipe()
	h.readers.Go(func() {
		_, err := stdcopy.StdCopy(output, io.Discard, h.stream.Reader)
		output.CloseWithError(err)
	})
	h.readers.Go(func() {
		defer close(h.ended)
		defer text.Close()
		for lines := json.NewDecoder(text); ; {
			var reply netfault.Reply
			if lines.Decode(&reply) != nil {
				return // the program has ended, as the caller of do will see
			}
			select {
			case h.replies <- reply:
			case <-h.closed:
				return
			}
		}
	})
}

// do asks the program for something and waits for its reply. A reply to a request
// whose context had ended is passed over.
func (h *helper) do(ctx context.Context, request netfault.Request) (netfault.Reply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	request.Number = h.last
	if err := json.NewEncoder(h.stream.Conn).Encode(request); err != nil {
		return netfault.Reply{}, fmt.Errorf("ask for %s: %w", request.Do, err)
	}
	for {
		select {
		case <-h.ended:
			return netfault.Reply{}, fmt.Errorf("ask for %s: the program in the node's network has ended", request.Do)
		case reply := <-h.replies:
			switch {
			case reply.Number != request.Number:
				continue
			case reply.Unsupported:
				return reply, fmt.Errorf("%w: %s", engine.ErrUnsupported, reply.Error)
			case reply.Error != "":
				return reply, errors.New(reply.Error)
			}
			return reply, nil
		case <-ctx.Done():
			return netfault.Reply{}, fmt.Errorf("ask for %s: %w", request.Do, context.Cause(ctx))
		}
	}
}

// close ends the program's input, and with it the program.
func (h *helper) close() {
	close(h.closed)
	h.stream.Close()
	h.readers.Wait()
}

// remove removes the container of a helper that has ended, or whose node has gone
// on to another life.
func (h *helper) remove(ctx context.Context) error {
	h.site.engine.drop(h)
	return removeContainer(ctx, h.site.engine.daemon, h.container)
}

// keep lets Close end a helper; drop ends it before.
func (e *Engine) keep(h *helper) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.helpers[h] = true
}

func (e *Engine) drop(h *helper) {
	e.mu.Lock()
	kept := e.helpers[h]
	delete(e.helpers, h)
	e.mu.Unlock()
	if kept {
		h.close()
	}
}

// closeHelpers ends all helpers.
func (e *Engine) closeHelpers() {
	e.mu.Lock()
	helpers := slices.Collect(maps.Keys(e.helpers))
	e.mu.Unlock()
	for _, h := range helpers {
		e.drop(h)
	}
}
