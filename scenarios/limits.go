// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// limits are the scenarios of the family limits.
var limits = []harness.Scenario{}
