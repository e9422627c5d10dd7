// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package traffic

import "time"

// alarm does nothing where the runtime's own sleep is exact.
type alarm struct{}

func newAlarm(time.Time, time.Duration) alarm { return alarm{} }

func (alarm) close() {}
