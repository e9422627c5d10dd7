// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/conf"
)

// nodeID returns the node's id: the one that is configured; for a data plane
// the one it gave itself at its first start; for a control plane a new one
// (Kong 3.9).
func nodeID(config *conf.Config) (string, error) {
	if config.NodeID != "" {
		return config.NodeID, nil
	}
	if config.Role == conf.ControlPlane {
		return uuid.NewString(), nil
	}
	path := filepath.Join(config.Prefix, "kong.id")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	if id := strings.TrimSpace(string(text)); uuid.Validate(id) == nil {
		return id, nil
	}
	id := uuid.NewString()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("keep the node's id: %w", err)
	}
	return id, nil
}
