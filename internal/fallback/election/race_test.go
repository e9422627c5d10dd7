// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package election_test

const raceDetector = true
