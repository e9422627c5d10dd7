// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"fmt"
	"strconv"
	"strings"
)

// The values of a data plane's sync_status that occur here (Kong 3.9).
const (
	SyncNormal                    = "normal"
	SyncUnknown                   = "unknown"
	SyncVersionIncompatible       = "kong_version_incompatible"
	SyncPluginSetIncompatible     = "plugin_set_incompatible"
	SyncPluginVersionIncompatible = "plugin_version_incompatible"
)

// compatible reports why a data plane's version does not fit the control
// plane's, or nil: majors must be equal, and the data plane's minor not greater.
func compatible(controlPlane, dataPlane string) error {
	ours, err := majorMinor(controlPlane)
	if err != nil {
		return err
	}
	theirs, err := majorMinor(dataPlane)
	if err != nil {
		return err
	}
	if !reaches(ours, theirs) {
		return fmt.Errorf("data plane version %s is incompatible with control plane version %s", dataPlane, controlPlane)
	}
	return nil
}

// reaches reports whether what runs theirs can do with what ours writes.
func reaches(ours, theirs [2]int) bool { return ours[0] == theirs[0] && theirs[1] <= ours[1] }

func majorMinor(version string) ([2]int, error) {
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		return [2]int{}, fmt.Errorf("version %q is not of the form x.y.z", version)
	}
	var numbers [3]int
	for i := range numbers {
		digits := parts[i]
		if i == 2 {
			digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
		}
		number, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return [2]int{}, fmt.Errorf("version %q is not of the form x.y.z", version)
		}
		numbers[i] = int(number)
	}
	return [2]int{numbers[0], numbers[1]}, nil
}

// pluginVersions are the versions of plugins by their names; "" where none is
// told.
type pluginVersions map[string]string

func versionsOf(plugins []Plugin) pluginVersions {
	versions := make(pluginVersions, len(plugins))
	for _, plugin := range plugins {
		versions[plugin.Name] = plugin.Version
	}
	return versions
}

// fits judges whether a data plane with the plugins theirs can be given a
// configuration that uses the named ones: the sync_status, and why if it cannot.
// Plugins that nothing is configured for do not matter.
func (ours pluginVersions) fits(theirs pluginVersions, configured []string) (status string, err error) {
	for _, name := range configured {
		version, known := theirs[name]
		if !known {
			return SyncPluginSetIncompatible, fmt.Errorf("the configured plugin %s is not on the data plane", name)
		}
		// Kong 3.9 takes the first releases of this one, whose numbers came down.
		if name == "opentelemetry" && strings.HasPrefix(version, "0.1.") {
			continue
		}
		here, err := majorMinor(ours[name])
		there, unknown := majorMinor(version)
		if err != nil || unknown != nil {
			continue // a version that is not told, or is none, is not held against it
		}
		if !reaches(here, there) {
			return SyncPluginVersionIncompatible,
				fmt.Errorf("the configured plugin %s has version %s on the data plane and %s here", name, version, ours[name])
		}
	}
	return SyncNormal, nil
}
