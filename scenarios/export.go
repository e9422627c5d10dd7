// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// exports are the scenarios of the family export.
var exports = []harness.Scenario{}
