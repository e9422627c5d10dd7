// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"blackout/harness/engine"
)

// maxSaid bounds what is read of a program's log, in bytes.
const maxSaid = 64 << 10

// explained is an error of a program together with the last line that it wrote,
// where it says why. None of them writes the password.
func (s *Server) explained(ctx context.Context, node engine.Node, err error) error {
	if err == nil || node == nil {
		return err
	}
	line, logErr := lastLine(context.WithoutCancel(ctx), node)
	if logErr != nil {
		return errors.Join(err, logErr)
	}
	return fmt.Errorf("%w; its last line: %s", err, line)
}

// lastLine is the last line of a node's log that is not blank.
func lastLine(ctx context.Context, node engine.Node) (string, error) {
	log, err := node.Log(ctx)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(log, maxSaid))
	if err := errors.Join(err, log.Close()); err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:]), nil
}
