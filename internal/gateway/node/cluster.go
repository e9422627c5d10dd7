// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
)

// clusterIdentity is how the node shows that it is of the cluster.
func clusterIdentity(config *conf.Config) (hybrid.Identity, error) {
	cluster := config.Cluster
	if cluster.MTLS != conf.PKI {
		return hybrid.NewIdentity(cluster.Certificate, cluster.Key)
	}
	pki := hybrid.PKI{Certificate: cluster.Certificate, Key: cluster.Key, Authorities: cluster.CA, ServerName: cluster.ServerName}
	if config.Role == conf.DataPlane {
		// A data plane trusts cluster_ca_cert beside whom it trusts anyway (Kong 3.9).
		pki.Authorities = append(append([]byte{}, cluster.CA...), append([]byte("\n"), config.Trust.PEM...)...)
		pki.System, pki.Depth = config.Trust.System, config.Trust.Depth
	}
	return hybrid.NewPKIIdentity(pki)
}

// enabledPlugins are the plugins that the node has, with their versions, which
// are the gateway's (Kong 3.9).
func enabledPlugins(config *conf.Config) []hybrid.Plugin {
	plugins := make([]hybrid.Plugin, 0, len(config.Plugins))
	for _, name := range config.Plugins {
		plugins = append(plugins, hybrid.Plugin{Name: name, Version: config.Version})
	}
	return plugins
}

// advertisedPlugins are what a data plane tells its control plane of.
func advertisedPlugins(config *conf.Config) []hybrid.Plugin {
	if config.Advertised == nil {
		return enabledPlugins(config)
	}
	plugins := make([]hybrid.Plugin, 0, len(config.Advertised))
	for _, plugin := range config.Advertised {
		plugins = append(plugins, hybrid.Plugin{Name: plugin.Name, Version: plugin.Version})
	}
	return plugins
}

// knownPlugins are those whose configuration a control plane can hand out: its own
// and those that only data planes of Kong have.
func knownPlugins(config *conf.Config) []hybrid.Plugin {
	plugins := enabledPlugins(config)
	for _, kept := range entity.KeptPlugins() {
		plugins = append(plugins, hybrid.Plugin{Name: kept.Name, Version: config.Version})
	}
	return plugins
}
