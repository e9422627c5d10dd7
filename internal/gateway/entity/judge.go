// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"runtime"
	"slices"
	"sync"
)

// judgement is what there is to say about a row of which not everything is as its
// schema has it.
type judgement struct {
	row   int // from 0
	wrong Violations
}

// fewestRows is how many rows are worth a goroutine.
const fewestRows = 512

// judgeRows fills in and validates the rows of one type, but for those that were
// taken over, on all processors: what makes a row valid is in it alone. What it
// returns is in the order of the rows.
func judgeRows(schema *Schema, rows []Record, texts *sectionTexts) []judgement {
	parts := max(1, min(runtime.GOMAXPROCS(0), len(rows)/fewestRows))
	found := make([][]judgement, parts)
	var others sync.WaitGroup
	for part := range parts {
		from, to := len(rows)*part/parts, len(rows)*(part+1)/parts
		judge := func() { found[part] = judgeSome(schema, rows, from, to, texts) }
		if part == parts-1 {
			judge()
			break
		}
		others.Go(judge)
	}
	others.Wait()
	return slices.Concat(found...)
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
