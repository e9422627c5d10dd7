// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
)

// Plugin is a plugin as a data plane tells its control plane of it.
type Plugin struct{ Name, Version string }

// The words of blackout_advertised_plugins that stand for several plugins.
const (
	ownAdvertised  = "own"
	kongAdvertised = "kong-3.9"
)

// advertisedPattern is an element of blackout_advertised_plugins.
var advertisedPattern = regexp.MustCompile(`^([a-zA-Z0-9_-]{1,128}|kong-3\.9)(=[0-9]{1,9}(\.[0-9]{1,9}){1,3})?$`)

// setAdvertised reads names, each with a version if it is not the node's:
// "own,acl,my-plugin=1.2.0". What stands later counts. The lines of plugins and
// blackout_version come before this one.
func setAdvertised(c *Config, value string) error {
	if c.Advertised = nil; value == "" || value == ownAdvertised {
		return nil
	}
	versions := map[string]string{}
	for _, element := range list(value) {
		if !advertisedPattern.MatchString(element) {
			return fmt.Errorf("%q is no plugin; write a name, name=1.2.3, %s or %s", short(element), ownAdvertised, kongAdvertised)
		}
		name, version, given := strings.Cut(element, "=")
		if !given {
			version = c.Version
		}
		names := []string{name}
		switch name {
		case ownAdvertised:
			names = c.Plugins
		case kongAdvertised:
			names = append(ownPlugins(), kongsPlugins()...)
		}
		for _, name := range names {
			versions[name] = version
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(versions), byLowerCase) {
		c.Advertised = append(c.Advertised, Plugin{name, versions[name]})
	}
	return nil
}

// byLowerCase is the order in which Kong's data planes tell their plugins.
func byLowerCase(a, b string) int {
	if order := strings.Compare(strings.ToLower(a), strings.ToLower(b)); order != 0 {
		return order
	}
	return strings.Compare(a, b)
}

// KeepsOnly says whether the node tells its control plane of plugins that it
// cannot run. It may then be sent configurations that it cannot serve: it keeps
// their copy in the storage, and proxies nothing.
func (c *Config) KeepsOnly() bool { return len(c.beyond()) > 0 }

// beyond are the advertised plugins that the node cannot run.
func (c *Config) beyond() []string {
	var names []string
	for _, plugin := range c.Advertised {
		if !slices.Contains(c.Plugins, plugin.Name) {
			names = append(names, plugin.Name)
		}
	}
	return names
}

// checkAdvertised lets only a backup node say that it has plugins which it has
// not, and only where no client can take it for one that serves.
func (c *Config) checkAdvertised() error {
	beyond := c.beyond()
	if len(beyond) == 0 {
		return nil
	}
	if c.Role == ControlPlane {
		return errors.New("blackout_advertised_plugins: a control plane tells nobody of plugins; remove it from this node")
	}
	if !c.Fallback.Export {
		return fmt.Errorf("blackout_advertised_plugins: this gateway cannot run %s, and only a backup node may say that it can; set cluster_fallback_config_export = on, or remove what it cannot run",
			several(beyond))
	}
	for _, listener := range c.ProxyListen {
		if !isLoopback(listener.Address) {
			return fmt.Errorf("proxy_listen: %s is not on loopback, and a node whose blackout_advertised_plugins has what it cannot run (%s) proxies nothing; set proxy_listen = 127.0.0.1:8000",
				listener.Address, several(beyond))
		}
	}
	return nil
}

// several names the first of several.
func several(names []string) string {
	const shown = 3
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// isLoopback says whether only the host itself can connect there.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
