// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import "blackout/harness"

// storages are the scenarios of the family storage.
var storages = []harness.Scenario{}
