// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package stats

const raceDetector = true
