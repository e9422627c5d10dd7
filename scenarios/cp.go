// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// controlPlanes are the scenarios of the family cp.
var controlPlanes = []harness.Scenario{databaseOutage, silentPlanes, certificates, badConfigurations, incompatiblePlugin, vaultReference}
