// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net/http"

	"blackout/internal/gateway/entity"
)

// A backup node may stand below a control plane that is not ours. It then says that
// it has the plugins which are configured there, or it would be sent nothing (Kong
// 3.9), and takes what it is sent as it comes: entities, fields and values of
// another edition or version are for the nodes that start from the copy to judge.
// Because it cannot do what such a configuration asks for, it serves nobody: to
// leave out a plugin could open a route that asks for a key.

// keepsOnly is why such a node is never ready, and what its proxy answers.
const keepsOnly = "this node keeps the fallback configuration and proxies nothing (blackout_advertised_plugins)"

// parse validates a configuration by the schema. A node that only keeps
// configurations takes one of another edition's as well, if its form is right, and
// says what about it this gateway does not take. before is the table in force, or
// nil.
func (dp *dataPlane) parse(c configuration, before *entity.Table) (*entity.Table, error) {
	table, err := before.Next(c.Table)
	if err == nil || !dp.keeps {
		return table, err
	}
	kept, malformed := entity.ReadTable(c.Table)
	if malformed != nil {
		return nil, malformed
	}
	dp.log.Warn("configuration.kept_unvalidated", "source", c.source, "hash", c.Hash,
		"reason", "a data plane of this gateway could not start from it", "error", err)
	return kept, nil
}

// refuser is the proxy of a node that serves nobody.
type refuser struct{ version string }

func (r refuser) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Server", "kong/"+r.version)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, keepsOnly) // a client that has gone needs no answer
}
