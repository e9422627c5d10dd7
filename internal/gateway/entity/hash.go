// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"crypto/md5" // #nosec G501 -- the hash tells configurations apart as Kong does; nothing rests on it being secure
	"encoding/hex"
	"sort"
	"strconv"
)

// EmptyHash is the hash of a section that is absent, and of a data plane
// without a configuration.
const EmptyHash = "00000000000000000000000000000000"

// hashFold is the size in bytes at which the serialised form is folded into its
// own MD5 sum, so that it never has to be held whole.
const hashFold = 1_000_000

// Hashes are the hashes that go out with a configuration: 32 lower-case
// hexadecimal characters each. Config is that of the whole.
type Hashes struct {
	Config    string `json:"config"`
	Routes    string `json:"routes"`
	Services  string `json:"services"`
	Plugins   string `json:"plugins"`
	Upstreams string `json:"upstreams"`
	Targets   string `json:"targets"`
}

// Hash computes the hashes of a config_table by the algorithm of Kong 3.4 to
// 3.9.
func Hash(table map[string]any) Hashes {
	rest := make(map[string]any, len(table))
	for key, value := range table {
		rest[key] = value
	}
	section := func(name string) string {
		value, present := table[name]
		delete(rest, name)
		if !present {
			return EmptyHash
		}
		return HashValue(value)
	}
	hashes := Hashes{
		Routes:    section("routes"),
		Services:  section("services"),
		Plugins:   section("plugins"),
		Upstreams: section("upstreams"),
		Targets:   section("targets"),
	}
	all := hashes.Routes + hashes.Services + hashes.Plugins + hashes.Upstreams + hashes.Targets + HashValue(rest)
	hashes.Config = digest([]byte(all))
	return hashes
}

// HashValue computes the hash of one JSON value.
func HashValue(value any) string {
	h := hasher{}
	h.write(value)
	return digest(h.buffer)
}

func digest(data []byte) string {
	sum := md5.Sum(data) // #nosec G401 -- see the import
	return hex.EncodeToString(sum[:])
}

// Serialized stands in a table for a value whose form under the hash is known
// already, so that of many values that seldom change few are serialised anew.
type Serialized struct {
	Text  []byte     // see [Serialize]
	Value func() any // the value itself, for where the text meets a fold
}

// Serialize returns the form of a value under the hash, unfolded.
func Serialize(value any) []byte {
	h := hasher{unfolded: true}
	h.write(value)
	return h.buffer
}

type hasher struct {
	buffer   []byte
	unfolded bool
}

func (h *hasher) write(value any) {
	if len(h.buffer) > hashFold && !h.unfolded {
		sum := md5.Sum(h.buffer) // #nosec G401 -- see the import
		h.buffer = append(h.buffer[:0], sum[:]...)
	}
	switch value := value.(type) {
	case nil:
		h.buffer = append(h.buffer, "/null/"...)
	case bool:
		h.buffer = strconv.AppendBool(h.buffer, value)
	case string:
		h.buffer = append(h.buffer, value...)
	case float64:
		// LuaJIT's tostring: at most 14 significant digits.
		h.buffer = strconv.AppendFloat(h.buffer, value, 'g', 14, 64)
	case []any:
		h.writeArray(value)
	case map[string]any:
		h.writeObject(value)
	case Record:
		h.writeObject(value)
	case *Serialized:
		if len(h.buffer)+len(value.Text) <= hashFold {
			h.buffer = append(h.buffer, value.Text...)
		} else {
			h.write(value.Value())
		}
	}
}

func (h *hasher) writeArray(array []any) {
	if len(array) == 0 {
		h.buffer = append(h.buffer, "{}"...)
		return
	}
	for i, element := range array {
		h.write(element)
		// Up to five elements are joined by the semicolon, more are each
		// followed by one.
		if len(array) > 5 || i < len(array)-1 {
			h.buffer = append(h.buffer, ';')
		}
	}
}

func (h *hasher) writeObject(object map[string]any) {
	if len(object) == 0 {
		h.buffer = append(h.buffer, "{}"...)
		return
	}
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		h.buffer = append(h.buffer, key...)
		h.buffer = append(h.buffer, ':')
		h.write(object[key])
		h.buffer = append(h.buffer, ';')
	}
}
