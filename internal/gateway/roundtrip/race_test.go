// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package roundtrip_test

// raceDetector says whether the test runs under it.
const raceDetector = true
