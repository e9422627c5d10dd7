// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"

	"blackout/internal/gateway/entity"
)

// mayRun refuses a configuration with a plugin that the node was told not to run, by
// `plugins`. A control plane does not send it one; the object store, its cache and a
// declarative file may hold it. To leave the plugin out could open a route that asks for
// a key.
func (dp *dataPlane) mayRun(table *entity.Table) error {
	if dp.enabled == nil || dp.keeps { // who proxies nothing runs none
		return nil
	}
	return mayUse(table, dp.enabled)
}

// mayUse refuses a configuration with a plugin that is not enabled, in the words of Kong
// 3.9.
func mayUse(table *entity.Table, enabled []string) error {
	for i, row := range table.Rows(entity.Plugins.Name) {
		if name := row.Name(); !slices.Contains(enabled, name) {
			return fmt.Errorf("plugins.%d.name: "+entity.Plugins.Unknown, i+1, name)
		}
	}
	return nil
}
