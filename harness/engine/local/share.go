// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"path/filepath"
)

// Share implements [engine.Site]: a directory beside those of the nodes.
func (s *site) Share(ctx context.Context, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("share %s with %s: %w", name, s.name, err)
	}
	if !validName.MatchString(name) {
		return "", fmt.Errorf("share %q with %s: use up to 100 letters, digits, '.', '-' and '_'", name, s.name)
	}
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return "", fmt.Errorf("share %s with %s: %w", name, s.name, ErrClosed)
	}
	dir := filepath.Join(e.options.Dir, "shared-"+name)
	if e.shared[dir] {
		return dir, nil
	}
	if err := e.makeDir(dir); err != nil {
		return "", fmt.Errorf("share %s with %s: %w", name, s.name, err)
	}
	e.shared[dir] = true
	return dir, nil
}
