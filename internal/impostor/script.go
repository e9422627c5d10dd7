// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Mode is what a scripted control plane does.
type Mode string

// The modes. Where nothing else is said, a control plane answers pings, and
// takes only nodes of its cluster, as a real one does.
const (
	Normal        Mode = "normal"               // pushes Table
	NoDatabase    Mode = "no-database"          // pushes nothing
	SilentTLS     Mode = "silent-after-tls"     // completes the handshake, reads, and never answers
	SilentUpgrade Mode = "silent-after-upgrade" // upgrades, reads, and never writes, not even pongs
	Empty         Mode = "empty-configuration"  // pushes a configuration without entities
	Busy          Mode = "busy"                 // answers the upgrade with Status and RetryAfter
	Older         Mode = "older-database"       // pushes Table, that of an older generation
	Oversized     Mode = "oversized"            // pushes Table in one frame of more than Bytes bytes
)

var modes = []Mode{Normal, NoDatabase, SilentTLS, SilentUpgrade, Empty, Busy, Older, Oversized}

// Script says what a scripted control plane does, where, and with what.
type Script struct {
	Mode     Mode     `json:"mode"`
	Listen   string   `json:"listen"` // "host:port"
	Identity Identity `json:"identity"`

	Table      json.RawMessage `json:"config_table,omitempty"` // of Normal, Older and Oversized
	Status     int             `json:"status,omitempty"`       // of Busy; HTTP, 400 to 599
	RetryAfter time.Duration   `json:"retry_after,omitempty"`  // of Busy; 0: no header
	Bytes      int64           `json:"bytes,omitempty"`        // of Oversized; 0: DefaultBytes
}

// DefaultBytes is the largest frame that a data plane takes by default (Kong 3.9
// `cluster_max_payload`).
const DefaultBytes = 16 << 20

// largestBytes bounds what an Oversized script may ask for: it is held in memory.
const largestBytes = 256 << 20

// Identity is the certificate that a cluster's nodes share, and its key, PEM.
type Identity struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// String keeps the key out of logs and errors.
func (Identity) String() string { return "cluster certificate and key" }

// GoString keeps the key out of logs and errors.
func (i Identity) GoString() string { return i.String() }

// validate reports the first thing that makes the script unusable. Its identity
// is looked at when it is used.
func (s Script) validate() error {
	pushes := s.Mode == Normal || s.Mode == Older || s.Mode == Oversized
	switch {
	case !slices.Contains(modes, s.Mode):
		return fmt.Errorf("unknown mode %q: the modes are %v", s.Mode, modes)
	case s.Listen == "":
		return errors.New("name the address to listen at")
	case pushes && !isObject(s.Table):
		return fmt.Errorf("mode %s: config_table must be a JSON object", s.Mode)
	case s.Mode == Busy && (s.Status < 400 || s.Status > 599):
		return fmt.Errorf("mode %s: status %d is not from 400 to 599", s.Mode, s.Status)
	case s.RetryAfter < 0:
		return fmt.Errorf("retry_after %s is negative", s.RetryAfter)
	case s.Bytes < 0 || s.Bytes > largestBytes:
		return fmt.Errorf("bytes %d are not from 0 to %d", s.Bytes, largestBytes)
	}
	return nil
}

// decodeScript reads a script as it is sent. A field that is not known is a
// mistake of the sender.
func decodeScript(in io.Reader) (Script, error) {
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	var s Script
	if err := decoder.Decode(&s); err != nil {
		return Script{}, fmt.Errorf("read script: %w", err)
	}
	return s, s.validate()
}

func isObject(table json.RawMessage) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(table, &object) == nil && object != nil
}

// emptyTable is a configuration without entities: that of a control plane whose
// database was made anew. Such a one has an id for its cluster, without which a data
// plane would not take it for a configuration at all.
const emptyTable = `{"_format_version":"3.0","_transform":false,"parameters":[{"key":"cluster_id","value":"5b1d0b3e-8f0a-4c58-9d37-2f1f6a5f0c11","created_at":1700000000}]}`

// frame is the payload that the script pushes, or nil.
func (s Script) frame(now time.Time) ([]byte, error) {
	switch s.Mode {
	case Normal, Older:
		return reconfigure(s.Table, now, gzip.DefaultCompression)
	case Empty:
		return reconfigure([]byte(emptyTable), now, gzip.DefaultCompression)
	case Oversized:
		size := s.Bytes
		if size == 0 {
			size = DefaultBytes
		}
		return reconfigure(padded(s.Table, size), now, gzip.NoCompression)
	default:
		return nil, nil
	}
}

// padded is a table with a comment of so many bytes before the rest: a data plane that
// does take it gets a configuration that is as good as the table, which is an object.
func padded(table json.RawMessage, size int64) []byte {
	inside := bytes.TrimPrefix(bytes.TrimSpace(table), []byte("{"))
	comma := ","
	if bytes.HasPrefix(bytes.TrimSpace(inside), []byte("}")) {
		comma = ""
	}
	return slices.Concat([]byte(`{"_comment":"`), bytes.Repeat([]byte("x"), int(size)), []byte(`"`+comma), inside)
}

// reconfigure is the message that carries a table: JSON, gzip.
func reconfigure(table []byte, now time.Time, compression int) ([]byte, error) {
	sums, err := hashTable(table)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp float64         `json:"timestamp"` // Unix seconds
		Table     json.RawMessage `json:"config_table"`
		Hash      string          `json:"config_hash"`
		Hashes    hashes          `json:"hashes"`
	}{"reconfigure", float64(now.UnixMilli()) / 1000, table, sums.Config, sums})
	if err != nil {
		return nil, fmt.Errorf("encode reconfigure: %w", err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, compression)
	if err != nil {
		return nil, fmt.Errorf("compress reconfigure: %w", err)
	}
	_, err = w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress reconfigure: %w", err)
	}
	return packed.Bytes(), nil
}
