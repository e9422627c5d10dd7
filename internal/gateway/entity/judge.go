// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"slices"

	"blackout/internal/gateway/parallel"
)

// judgement is what there is to say about a row of which not everything is as its
// schema has it.
type judgement struct {
	row   int // from 0
	wrong Violations
}

// judgeRows fills in and validates the rows of one type, but for those that were
// taken over: what makes a row valid is in it alone. What it returns is in the order
// of the rows.
func judgeRows(schema *Schema, rows []Record, texts *sectionTexts) []judgement {
	return slices.Concat(parallel.Rows(len(rows), func(from, to int) []judgement {
		return judgeSome(schema, rows, from, to, texts)
	})...)
}

func judgeSome(schema *Schema, rows []Record, from, to int, texts *sectionTexts) []judgement {
	var found []judgement
	for i := from; i < to; i++ {
		if texts != nil && texts.taken[i] {
			continue
		}
		wrong := Violations{received: true}
		schema.complete(rows[i], &wrong, received)
		if wrong.err() != nil || len(wrong.warnings) > 0 || len(rows[i]) > len(schema.Fields) {
			found = append(found, judgement{i, wrong})
		}
	}
	return found
}
