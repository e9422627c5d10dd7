// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package reports

const raceDetector = false
