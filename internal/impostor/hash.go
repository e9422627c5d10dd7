// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"crypto/md5" // #nosec G501 -- Kong's choice; it tells configurations apart, no more
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// hashes go out with a configuration: 32 lower-case hexadecimal digits each.
// Config is that of the whole.
type hashes struct {
	Config    string `json:"config"`
	Routes    string `json:"routes"`
	Services  string `json:"services"`
	Plugins   string `json:"plugins"`
	Upstreams string `json:"upstreams"`
	Targets   string `json:"targets"`
}

// absent is the hash of a section that a table does not have.
const absent = "00000000000000000000000000000000"

// hashTable hashes a config_table as Kong 3.4 to 3.9 do. A data plane does not
// verify it, but decides by it what to rebuild.
func hashTable(text []byte) (hashes, error) {
	var table map[string]any
	if err := json.Unmarshal(text, &table); err != nil {
		return hashes{}, fmt.Errorf("read config_table: %w", err)
	}
	section := func(name string) string {
		value, there := table[name]
		delete(table, name)
		if !there {
			return absent
		}
		return hash(value)
	}
	sums := hashes{
		Routes: section("routes"), Services: section("services"), Plugins: section("plugins"),
		Upstreams: section("upstreams"), Targets: section("targets"),
	}
	rest := hash(table)
	sums.Config = sum([]byte(sums.Routes + sums.Services + sums.Plugins + sums.Upstreams + sums.Targets + rest))
	return sums, nil
}

func sum(data []byte) string {
	digest := md5.Sum(data) // #nosec G401 -- see the import
	return hex.EncodeToString(digest[:])
}

func hash(value any) string { return sum(serialise(nil, value)) }

// foldAbove is the size in bytes above which what is serialised so far is
// replaced by its own digest.
const foldAbove = 1_000_000

// serialise appends a JSON value in the form that is hashed.
func serialise(to []byte, value any) []byte {
	if len(to) > foldAbove {
		digest := md5.Sum(to) // #nosec G401 -- see the import
		to = append(to[:0], digest[:]...)
	}
	switch value := value.(type) {
	case bool:
		return strconv.AppendBool(to, value)
	case string:
		return append(to, value...)
	case float64:
		return strconv.AppendFloat(to, value, 'g', 14, 64) // LuaJIT's tostring
	case []any:
		return serialiseArray(to, value)
	case map[string]any:
		return serialiseObject(to, value)
	default:
		return append(to, "/null/"...)
	}
}

func serialiseArray(to []byte, array []any) []byte {
	if len(array) == 0 {
		return append(to, "{}"...)
	}
	// Up to five elements are joined by semicolons, more are each followed by one.
	long := len(array) > 5
	for i, element := range array {
		to = serialise(to, element)
		if long || i < len(array)-1 {
			to = append(to, ';')
		}
	}
	return to
}

func serialiseObject(to []byte, object map[string]any) []byte {
	if len(object) == 0 {
		return append(to, "{}"...)
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		to = append(append(to, key...), ':')
		to = append(serialise(to, object[key]), ';')
	}
	return to
}
