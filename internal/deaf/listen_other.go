// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package deaf

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
)

var listenConfig = net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return supported() }}

func supported() error {
	return fmt.Errorf("leave connection attempts unanswered on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
