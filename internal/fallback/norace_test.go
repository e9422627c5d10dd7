// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package fallback_test

// raceDetector says that everything takes many times as long.
const raceDetector = false
