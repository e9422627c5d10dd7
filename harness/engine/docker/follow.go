// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Follow implements [engine.Node]. The daemon ends a log that is followed when
// the container stops, and begins it anew when asked again: what was handed on
// before a restart is counted and passed over.
func (n *node) Follow(ctx context.Context, each func(line string)) error {
	for seen := 0; ; {
		restarted := n.nextStart()
		err := n.followLife(ctx, &seen, each)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow log of %s: %w", n.Name(), err)
		}
		select {
		case <-restarted:
		case <-ctx.Done():
			return nil
		}
	}
}

// nextStart is closed by the next restart.
func (n *node) nextStart() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.started
}

func (n *node) wakeFollowers() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.started)
	n.started = make(chan struct{})
}

// followLife hands on the lines after the first *seen until the container stops.
func (n *node) followLife(ctx context.Context, seen *int, each func(line string)) error {
	frames, err := n.site.engine.daemon.ContainerLogs(ctx, n.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return err
	}
	text, writer := io.Pipe()
	copied := make(chan error, 1)
	go func() { // ends with the log, or when nobody reads on
		_, err := stdcopy.StdCopy(writer, writer, frames)
		writer.CloseWithError(err)
		copied <- err
	}()
	number := 0
	err = readLines(text, func(line string) {
		if number++; number > *seen {
			*seen = number
			each(line)
		}
	})
	text.CloseWithError(errors.New("nobody reads on"))
	return errors.Join(err, frames.Close(), <-copied)
}

// readLines calls each with every line, the last also if it is not ended.
func readLines(from io.Reader, each func(line string)) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			each(strings.TrimSuffix(line, "\n"))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
