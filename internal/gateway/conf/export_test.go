// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

// Forget drops what is shown of the configuration, so that the rest can be
// compared.
func (c *Config) Forget() { c.shown = nil }

// Names are the names of all parameters.
func Names() []string {
	var names []string
	for _, p := range table() {
		names = append(names, p.name)
	}
	return names
}
