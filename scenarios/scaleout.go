// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// scaleOuts are the scenarios of the family scaleout.
var scaleOuts = []harness.Scenario{scaleOutStorm, scaleOutBackup, scaleOutObjectives, scaleOutRounds}
