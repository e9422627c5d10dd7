// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"time"

	"blackout/internal/gateway/entity"
)

// failer is what a test does here; testing.TB and rapid.TB are failers.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Frame returns the message that carries a config_table to a data plane, as a
// control plane sends it: JSON, compressed as a whole.
func Frame(t failer, table []byte, hashes entity.Hashes, now time.Time) []byte {
	t.Helper()
	var frame bytes.Buffer
	writer := gzip.NewWriter(&frame)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false) // keeps the table's text as it is
	err := encoder.Encode(map[string]any{
		"type": "reconfigure", "timestamp": float64(now.UnixMilli()) / 1000,
		"config_table": json.RawMessage(table), "config_hash": hashes.Config, "hashes": hashes,
	})
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatalf("make a frame: %v", err)
	}
	return frame.Bytes()
}
