// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"blackout/harness/engine"
	"blackout/harness/history"
)

// What is kept of a line that a node wrote, in bytes: while it is read, and in an
// error or event. Secrets are taken out in between, so that none is cut in two and
// then not found.
const (
	maxRead = 64 << 10
	maxSaid = 4 << 10
)

// running returns an error once a node's process has ended by itself.
func (c *Cluster) running(ctx context.Context, node engine.Node) error {
	state, err := node.State(ctx)
	if err != nil {
		return err
	}
	if !state.Running {
		return fmt.Errorf("%w: %s, with code %d; its last line: %s", engine.ErrEnded, node.Name(), state.ExitCode, c.lastLine(ctx, node))
	}
	return nil
}

// lastLine is the last line that a node wrote, which is where a node that cannot
// start says why. It holds no secret: it is shown to people.
func (c *Cluster) lastLine(ctx context.Context, node engine.Node) string {
	line := c.scrub(c.lastWords(ctx, node))
	if len(line) > maxSaid {
		line = line[:maxSaid] + "… (cut)"
	}
	return strings.ToValidUTF8(line, "")
}

// lastWords are the last line as the node wrote it, for the recording, which takes
// secrets out and notes that there were some.
func (c *Cluster) lastWords(ctx context.Context, node engine.Node) string {
	line, err := lastLine(ctx, node)
	if err != nil {
		return err.Error()
	}
	return c.placeless(node.Name(), line)
}

// placeless is what a node wrote without the name that its directory has on this
// machine.
func (c *Cluster) placeless(node, line string) string {
	if site := c.has.site(node); site != nil {
		return strings.ReplaceAll(line, site.Dir(), "$DIR")
	}
	return line
}

// lastLine is the beginning of the last line of a node's log that is not blank.
func lastLine(ctx context.Context, node engine.Node) (string, error) {
	log, err := node.Log(ctx)
	if err != nil {
		return "", err
	}
	defer log.Close()
	last, line := history.WroteNothing, []byte(nil)
	for lines := bufio.NewReader(log); ; {
		part, unfinished, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return "", fmt.Errorf("read log of %s: %w", node.Name(), err)
		}
		line = append(line, part[:min(len(part), maxRead-len(line))]...)
		if unfinished {
			continue
		}
		if text := strings.TrimSpace(string(line)); text != "" {
			last = text
		}
		line = line[:0]
	}
}

// scrub is a text without the run's secrets.
func (c *Cluster) scrub(text string) string {
	clean, _ := c.rec.Scrub(text)
	return clean
}

// scrubbed is an error whose text holds no secret.
type scrubbed struct {
	error
	text string
}

func (e scrubbed) Error() string { return e.text }
func (e scrubbed) Unwrap() error { return e.error }

// shown is an error as people may see it: what a node says of itself is in some.
func (c *Cluster) shown(err error) error {
	if err == nil {
		return nil
	}
	if clean := c.scrub(err.Error()); clean != err.Error() {
		return scrubbed{err, clean}
	}
	return err
}

// maxListed is how many things a title lists one by one.
const maxListed = 20

// abridged lists things for a title, of many the first ones and how many more there are.
func abridged(parts []string) string {
	if len(parts) <= maxListed {
		return strings.Join(parts, ", ")
	}
	const shown = 3
	return fmt.Sprintf("%s and %d more", strings.Join(parts[:shown], ", "), len(parts)-shown)
}
