// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package hybrid speaks the protocol between control plane and data plane, "v1
// full sync" of Kong 3.4 to 3.9: WebSocket over mutual TLS, whole
// configurations downwards, pings with the current hash upwards.
//
// Its two sides are [Server], which hands out the configuration it was given
// last, and [Client], which dials a control plane for as long as it lives and
// tells its [Owner] what happens.
//
//	server := hybrid.NewServer(hybrid.ServerOptions{…})
//	go http.Serve(tls.NewListener(listener, identity.ServerTLS()), server)
//	server.Publish(hybrid.Publication{Frame: frame, Plugins: configured})
//
//	client := hybrid.NewClient(hybrid.ClientOptions{…})
//	err := client.Run(ctx) // returns when ctx ends
package hybrid

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"blackout/internal/gateway/entity"
)

// Path is where a control plane takes data planes.
const Path = "/v1/outlet"

// hashLength is the length in bytes of a ping's payload: a configuration hash.
const hashLength = 32

// ioTimeout bounds the first message and every write (Kong 3.9: 5 s); of a large
// frame, see [pacedConn].
const ioTimeout = 5 * time.Second

// What a compressed configuration may expand to, in bytes: so many times its size,
// but a little in any case, and never more than the whole. A configuration of
// 100 000 routes, each with an id of its own, comes to 15 times its size. Kong has
// no such bounds; without them, a small frame could fill the memory.
const (
	maxInflation = 256
	alwaysFits   = 16 << 20
	maxInflated  = 1 << 30
)

// inflatedLimit is what a frame of so many bytes may expand to.
func inflatedLimit(frame int) int64 {
	return min(max(int64(frame)*maxInflation, alwaysFits), maxInflated)
}

// Reconfigure is the message that carries a configuration to a data plane.
type Reconfigure struct {
	Type      string          `json:"type"`
	Timestamp float64         `json:"timestamp"` // Unix seconds
	Table     json.RawMessage `json:"config_table"`
	Hash      string          `json:"config_hash"`
	Hashes    *entity.Hashes  `json:"hashes,omitempty"`
}

// typeReconfigure is the type of a [Reconfigure]; others are ignored.
const typeReconfigure = "reconfigure"

// DecodeReconfigure reads a frame. A message of another type is returned as it
// is; the caller ignores it, as Kong does. The table is checked to be JSON, and no
// more.
func DecodeReconfigure(frame []byte) (Reconfigure, error) {
	text, err := inflate(frame)
	if err != nil {
		return Reconfigure{}, fmt.Errorf("decompress reconfigure: %w", err)
	}
	message, err := parseReconfigure(text)
	if err != nil {
		return Reconfigure{}, fmt.Errorf("decode reconfigure: %w", err)
	}
	if message.Hash != "" && len(message.Hash) != hashLength {
		return Reconfigure{}, fmt.Errorf("decode reconfigure: config_hash has %d characters, need %d", len(message.Hash), hashLength)
	}
	return message, nil
}

// inflate decompresses a frame within [inflatedLimit].
func inflate(frame []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	limit := inflatedLimit(len(frame))
	var text bytes.Buffer
	// The frame ends with the size of what is in it. It may lie.
	const trailer, usual = 4, 64
	text.Grow(int(min(int64(binary.LittleEndian.Uint32(frame[len(frame)-trailer:])), limit, int64(len(frame))*usual)) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(reader, limit+1)); err != nil {
		return nil, err
	}
	if int64(text.Len()) > limit {
		return nil, fmt.Errorf("%d bytes expand to more than %d", len(frame), limit)
	}
	return text.Bytes(), nil
}

// parseReconfigure reads the members of the message. The table is a part of text,
// because a copy of it may be large.
func parseReconfigure(text []byte) (Reconfigure, error) {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	var message Reconfigure
	if kind := decoder.PeekKind(); kind != '{' {
		return message, errors.New("it is no JSON object")
	}
	if _, err := decoder.ReadToken(); err != nil {
		return message, err
	}
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadToken()
		if err != nil {
			return message, err
		}
		member := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return message, err
		}
		if member == "config_table" {
			end := decoder.InputOffset()
			message.Table = text[end-int64(len(value)) : end : end]
			continue
		}
		if err := message.take(member, value); err != nil {
			return message, fmt.Errorf("%s: %w", member, err)
		}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return message, err
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return message, errors.New("something follows the JSON object")
	}
	return message, nil
}

// take reads one member that is not the table. Those that are not known here are
// no error.
func (m *Reconfigure) take(member string, value []byte) error {
	switch member {
	case "type":
		return json.Unmarshal(value, &m.Type)
	case "timestamp":
		return json.Unmarshal(value, &m.Timestamp)
	case "config_hash":
		return json.Unmarshal(value, &m.Hash)
	case "hashes":
		return json.Unmarshal(value, &m.Hashes)
	}
	return nil
}

// Plugin is one line of what a data plane can run.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// basicInfo is the first message, from data plane to control plane.
type basicInfo struct {
	Type        string            `json:"type"`
	Plugins     []Plugin          `json:"plugins"`
	ProcessConf map[string]any    `json:"process_conf"`
	Filters     map[string]any    `json:"filters"`
	Labels      map[string]string `json:"labels"`
}

const typeBasicInfo = "basic_info"

// decodeBasicInfo reads the first message. The lists may come as empty objects,
// which is how Lua writes an empty table.
func decodeBasicInfo(data []byte) (basicInfo, error) {
	var message struct {
		Type    string          `json:"type"`
		Plugins json.RawMessage `json:"plugins"`
		Labels  json.RawMessage `json:"labels"`
	}
	if err := json.Unmarshal(data, &message); err != nil {
		return basicInfo{}, fmt.Errorf("decode basic_info: %w", err)
	}
	if message.Type != typeBasicInfo {
		return basicInfo{}, fmt.Errorf("first message has type %q, need %q", message.Type, typeBasicInfo)
	}
	if plugins := bytes.TrimSpace(message.Plugins); len(plugins) == 0 || plugins[0] != '[' && plugins[0] != '{' {
		return basicInfo{}, errors.New("basic_info has no plugins")
	}
	info := basicInfo{Type: message.Type, Labels: map[string]string{}}
	if plugins := bytes.TrimSpace(message.Plugins); plugins[0] == '[' {
		if err := json.Unmarshal(plugins, &info.Plugins); err != nil {
			return basicInfo{}, fmt.Errorf("decode the plugins of basic_info: %w", err)
		}
	}
	if labels := bytes.TrimSpace(message.Labels); len(labels) > 0 && labels[0] == '{' {
		if err := json.Unmarshal(labels, &info.Labels); err != nil {
			return basicInfo{}, fmt.Errorf("decode the labels of basic_info: %w", err)
		}
	}
	return info, nil
}
