// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// idSpace is the name space of the ids that a configuration leaves out.
var idSpace = uuid.MustParse("7b1f2c52-56b1-5d0c-9f0a-5a3f0f6ad6f7")

// idMaker makes ids for rows that come without. It counts how often it made one.
type idMaker map[string]int

// make returns an id that stays the same as long as the row has the same name,
// or, if it has none, the same content. (Kong's are stable as well; the rule is
// another.)
func (m idMaker) make(schema *Schema, row Record) string {
	name := ""
	if field := schema.Field(schema.Key); field != nil && field.Unique {
		name = row.Text(schema.Key)
	}
	if name == "" {
		content, err := json.Marshal(map[string]any(row), json.Deterministic(true))
		if err != nil {
			content = []byte(row.Name()) // such a row is refused later
		}
		name = string(content)
	}
	key := schema.Name + ":" + name
	m[key]++
	if n := m[key]; n > 1 {
		key += "#" + strconv.Itoa(n)
	}
	return uuid.NewSHA1(idSpace, []byte(key)).String()
}
