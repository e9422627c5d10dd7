// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"fmt"
	"path"

	"github.com/moby/moby/client"
)

// sharedDir is where the volumes that several nodes have are mounted.
const sharedDir = "/shared"

// Share implements [engine.Site]: a volume of the run is mounted in each node that
// asks for it.
func (s *site) Share(ctx context.Context, name string) (string, error) {
	ctx, end, err := s.engine.begin(ctx)
	if err != nil {
		return "", fmt.Errorf("share %s with %s: %w", name, s.name, err)
	}
	defer end()
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.started != nil || !validName.MatchString(name) {
		return "", fmt.Errorf("share %q with %s: it was started, or that is no name", name, s.name)
	}
	// A volume that is there already is taken, labels and all.
	volume := "blackout-" + s.engine.options.Run + "-shared-" + name
	if _, err := s.engine.daemon.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: s.engine.labels("")}); err != nil {
		return "", fmt.Errorf("share %s with %s: make volume: %w", name, s.name, err)
	}
	dir := path.Join(sharedDir, name)
	s.shared = append(s.shared, volume+":"+dir)
	return dir, nil
}
