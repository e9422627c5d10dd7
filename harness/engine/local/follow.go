// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// followInterval is how late a line of a log is noticed at most.
const followInterval = 50 * time.Millisecond

// Follow implements [engine.Node]. All processes of a node append to one file.
func (n *node) Follow(ctx context.Context, each func(line string)) error {
	file, err := os.Open(n.site.logPath())
	if err != nil {
		return fmt.Errorf("follow log of %s: %w", n.Name(), err)
	}
	defer file.Close()
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for lines := (lineReader{from: bufio.NewReader(file)}); ; {
		if err := lines.read(each); err != nil {
			return fmt.Errorf("follow log of %s: %w", n.Name(), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err := lines.read(each); err != nil {
				return fmt.Errorf("follow log of %s: %w", n.Name(), err)
			}
			return nil
		}
	}
}

// lineReader reads the lines of something that grows.
type lineReader struct {
	from *bufio.Reader
	cut  string // the beginning of a line that is not whole yet
}

// read calls each with the lines that have become whole.
func (r *lineReader) read(each func(line string)) error {
	for {
		text, err := r.from.ReadString('\n')
		r.cut += text
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		each(strings.TrimSuffix(r.cut, "\n"))
		r.cut = ""
	}
}
