// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// integrities are the scenarios of the family integrity.
var integrities = []harness.Scenario{}
