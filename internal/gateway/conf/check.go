// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"net"
)

// check looks at the parameters together. The sentences, and their order, are
// those of Kong 3.9.
func (r *reader) check() error {
	c := r.config
	if c.Timing.ReconnectMin > c.Timing.ReconnectMax {
		return errors.New("blackout_reconnect_min must not be greater than blackout_reconnect_max")
	}
	if len(c.Cluster.Certificate) == 0 || len(c.Cluster.Key) == 0 {
		return sentence("cluster certificate and key must be provided to use Hybrid mode")
	}
	c.Database = r.database()
	if err := c.checkAdvertised(); err != nil {
		return err
	}
	if c.Role == ControlPlane {
		return r.checkControlPlane()
	}
	return r.checkDataPlane()
}

// database is the given one. Kong's default is postgres for every role; a
// control plane here that is told nothing uses SQLite.
func (r *reader) database() Database {
	if _, isGiven := r.given["database"]; !isGiven && r.config.Role == ControlPlane {
		return SQLite
	}
	return Database(r.values["database"])
}

func (r *reader) checkControlPlane() error {
	c := r.config
	switch {
	case len(c.AdminListen) == 0:
		return sentence(`admin_listen must be specified when role = "control_plane"`)
	case c.Cluster.MTLS == PKI && len(c.Cluster.CA) == 0:
		return sentence(`cluster_ca_cert must be specified when cluster_mtls = "pki"`)
	case len(c.Cluster.Listen) == 0:
		return sentence(`cluster_listen must be specified when role = "control_plane"`)
	case c.Database == NoDatabase:
		return sentence(`in-memory storage can not be used when role = "control_plane"`)
	case isOn(r.values["cluster_use_proxy"]):
		return sentence(`cluster_use_proxy can not be used when role = "control_plane"`)
	case len(c.Cluster.Labels) > 0:
		return sentence(`cluster_dp_labels can not be used when role = "control_plane"`)
	}
	// A node with a database does not read them (Kong 3.9).
	for _, name := range []string{"declarative_config", "declarative_config_string"} {
		if _, isGiven := r.given[name]; isGiven {
			c.Ignored = append(c.Ignored, name)
		}
	}
	return nil
}

func (r *reader) checkDataPlane() error {
	c := r.config
	switch {
	case len(c.ProxyListen) == 0:
		return sentence(`proxy_listen must be specified when role = "data_plane"`)
	case c.Database != NoDatabase:
		return sentence(`only in-memory storage can be used when role = "data_plane" (Hint: set database = off in your kong.conf)`)
	case isOn(r.values["cluster_use_proxy"]) && r.values["proxy_server"] == "":
		return sentence("cluster_use_proxy is turned on but no proxy_server is configured")
	}
	// In shared mode every control plane is called the same, and it is for the
	// protocol to know how.
	if c.Cluster.MTLS == PKI && c.Cluster.ServerName == "" {
		host, _, err := net.SplitHostPort(c.Cluster.ControlPlane)
		if err != nil {
			return errors.New("cluster_control_plane is no host:port")
		}
		c.Cluster.ServerName = host
	}
	return nil
}
