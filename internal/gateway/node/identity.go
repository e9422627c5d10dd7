// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/conf"
)

// idFile is where a data plane keeps its id, below its prefix (Kong 3.9).
const idFile = "kong.id"

// exporterFile is where a control plane keeps the id of its exporter.
const exporterFile = "exporter.id"

// nodeID returns the node's id: the one that is configured; for a data plane
// the one it gave itself at its first start; for a control plane a new one
// (Kong 3.9). A file that holds no id is overwritten.
func nodeID(config *conf.Config) (string, error) {
	if config.NodeID != "" {
		return config.NodeID, nil
	}
	if config.Role == conf.ControlPlane {
		return uuid.NewString(), nil
	}
	return keptID(filepath.Join(config.Prefix, idFile))
}

// exporterID returns what a backup node is known by among backup nodes. Of a control
// plane that is an id of its own, which outlives its process: the node's does not.
func exporterID(config *conf.Config, node string) (string, error) {
	if config.Role != conf.ControlPlane || config.NodeID != "" {
		return node, nil
	}
	return keptID(filepath.Join(config.Prefix, exporterFile))
}

// keptID returns the id in a file, which is made if it is not there.
func keptID(path string) (string, error) {
	id, err := readID(path)
	if err != nil || id != "" {
		return id, err
	}
	id = uuid.NewString()
	if err := writeID(path, id); err != nil {
		return "", fmt.Errorf("keep the node's id: %w", err)
	}
	return id, nil
}

// readID returns an empty id if there is no file, or none with an id in it.
func readID(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	defer func() { _ = file.Close() }()
	const enough = 128 // an id with its blanks; the file may hold anything
	text, err := io.ReadAll(io.LimitReader(file, enough))
	if err != nil {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	if id := strings.TrimSpace(string(text)); conf.IsNodeID(id) {
		return id, nil
	}
	return "", nil
}

// writeID puts the id in place whole, so that a node that ends in the middle of
// its first start does not come back as another one. It writes the bare id, as
// Kong does, whose nodes may be given the same prefix.
func writeID(path, id string) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, []byte(id), 0o644); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
