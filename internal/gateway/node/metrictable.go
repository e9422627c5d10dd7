// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metric is one line of the table of what /metrics tells.
type metric struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string

	controlPlane, dataPlane bool // who has it
}

// metricTable are all metrics of a node. Those named kong_ have the names, labels
// and meanings of Kong's Prometheus plugin (3.9; kong_control_plane_connected:
// 3.10), those named blackout_ are this gateway's own.
func metricTable() []metric {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	seen := []string{"node_id", "hostname", "ip"}
	return []metric{
		{"kong_node_info", gauge, []string{"node_id", "version"}, "Always 1.", true, true},
		{"kong_datastore_reachable", gauge, nil, "Whether the database can be read; always 1 on a data plane, which has none.", true, true},
		{"kong_memory_lua_shared_dict_bytes", gauge, []string{"node_id", "shared_dict", "kong_subsystem"}, "Bytes in use, under the names of Kong's dictionaries: the live heap as kong_core_db_cache, and 0 for the others.", true, true},
		{"kong_memory_lua_shared_dict_total_bytes", gauge, []string{"node_id", "shared_dict", "kong_subsystem"}, "What they may use: GOMEMLIMIT as kong_core_db_cache, and 0 for the others.", true, true},
		{"kong_memory_workers_lua_vms_bytes", gauge, []string{"node_id", "pid", "kong_subsystem"}, "Bytes of live objects on the process's heap.", true, true},
		{"kong_nginx_connections_total", gauge, []string{"node_id", "subsystem", "state"}, "Connections of the proxy listeners: accepted and handled (ever), active, reading, writing, waiting; total is the requests.", true, true},
		{"kong_nginx_requests_total", gauge, []string{"node_id", "subsystem"}, "Requests of the proxy listeners.", true, true},
		{"kong_nginx_timers", gauge, []string{"state"}, "Running: goroutines of the process. Pending: always 0.", true, true},
		{"kong_nginx_metric_errors_total", counter, nil, "Always 0.", true, true},

		{"kong_data_plane_last_seen", gauge, seen, "Unix seconds of a data plane's last ping.", true, false},
		{"kong_data_plane_config_hash", gauge, seen, "The hash that it told, read as a hexadecimal number.", true, false},
		{"kong_data_plane_version_compatible", gauge, append(seen[:3:3], "kong_version"), "Whether its version fits the control plane's.", true, false},
		{"blackout_configuration_dirty", gauge, nil, "Whether the database holds a change that was not published yet.", true, false},
		{"blackout_cluster_clients", gauge, nil, "Connected data planes.", true, false},

		{"kong_data_plane_cluster_cert_expiry_timestamp", gauge, nil, "Unix seconds at which the node's cluster certificate ends.", false, true},
		{"kong_control_plane_connected", gauge, nil, "Whether the connection to the control plane stands.", false, true},
		{"blackout_configuration_source", gauge, []string{"source"}, "1 for where the running configuration came from: control_plane, cache, declarative_config or store; 0 for the others.", false, true},
		{"blackout_configuration_applied_timestamp", gauge, nil, "Unix seconds at which the running configuration came into force; absent without one.", false, true},
		{"blackout_configuration_refused_total", counter, nil, "Configurations of the control plane that were refused; the one before stays in force.", false, true},

		{"blackout_snapshot_age_seconds", gauge, nil, "Seconds since the copy in object storage was written that this node exported, found or imported last; absent before, and once it is found gone.", true, true},
		{"blackout_export_lag_seconds", gauge, nil, "Seconds that the oldest change has waited that is not in the copy; 0 if the copy is up to date, or another node is the one that writes.", true, true},
		{"blackout_store_requests_total", counter, []string{"kind", "result"}, "Requests to object storage: get, head, put or list of the copy, and election_get, election_put of what backup nodes elect their writer by; ok, absent, conflict, denied, unavailable or failed.", true, true},
		{"blackout_export_role", gauge, []string{"role"}, "1 for what a backup node is: leader (it writes the copy), standby (it does not), alone (it writes, and there is no election) or unknown (it has not learned yet who leads); 0 for the others.", true, true},
		{"blackout_export_takeovers_total", counter, nil, "Times that this node became the one that writes the copy.", true, true},
		{"blackout_export_failures", gauge, nil, "Requests to object storage that failed since they last worked.", true, true},
	}
}
