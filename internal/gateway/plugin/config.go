// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"strings"

	"blackout/internal/gateway/entity"
)

// The readers of a plugin's configuration take Kong's default where a field is
// unset, so that a row which no schema has completed is read in the same way.

func textOr(config entity.Record, field, missing string) string {
	if text, ok := config[field].(string); ok {
		return text
	}
	return missing
}

func flagOr(config entity.Record, field string, missing bool) bool {
	if flag, ok := config[field].(bool); ok {
		return flag
	}
	return missing
}

func integerOr(config entity.Record, field string, missing int) int {
	if _, ok := config[field].(float64); ok {
		return config.Integer(field)
	}
	return missing
}

func section(config entity.Record, field string) entity.Record {
	record, _ := config[field].(map[string]any)
	return record
}

// pair is a "name:value" of a transformer.
type pair struct{ name, value string }

// pairs reads a list of "name:value". Only the first colon separates, so that a
// value may hold further ones.
func pairs(config entity.Record, field string) ([]pair, error) {
	var list []pair
	for _, text := range config.Texts(field) {
		name, value, found := strings.Cut(text, ":")
		if !found || name == "" {
			return nil, fmt.Errorf("%s: '%s' is no name:value", field, text)
		}
		list = append(list, pair{name, value})
	}
	return list, nil
}
