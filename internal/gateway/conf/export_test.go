// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

// Forget drops what is shown of the configuration, so that the rest can be
// compared.
func (c *Config) Forget() { c.shown = nil }
