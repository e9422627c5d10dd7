// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// manyRows are so many that they are judged in parts.
const manyRows = 4096

// manyServices is a config_table of as many services.
// The given rows, from 1, have another text in place of their host.
func manyServices(special map[int]string) []byte {
	rows := make([]string, manyRows)
	for i := range rows {
		host := `"host":"backend.example"`
		if other, is := special[i+1]; is {
			host = other
		}
		rows[i] = fmt.Sprintf(`{"id":"00000000-0000-4000-8000-%012d","name":"s%d",%s}`, i, i, host)
	}
	return []byte(`{"_format_version":"3.0","services":[` + strings.Join(rows, ",") + `]}`)
}

// TestJudgedInParts parses what is judged on several processors: the first of the
// rows that are wrong is named, and warnings come in the order of the rows.
func TestJudgedInParts(t *testing.T) {
	const unknown = `"host":"backend.example","new_in_kong_9":true`
	last := manyRows
	_, err := ParseTable(manyServices(map[int]string{last: `"host":7`, manyRows/2 + 5: `"host":8`, last - 1: `"host":9`}))
	if want := fmt.Sprintf("services.%d: ", manyRows/2+5); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one about %s", err, want)
	}

	table, err := ParseTable(manyServices(map[int]string{3: unknown, last: `"host":"backend.example","newer":1`}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"services.3: new_in_kong_9: " + unknownIgnored, fmt.Sprintf("services.%d: newer: %s", last, unknownIgnored)}
	if !slices.Equal(table.Warnings, want) {
		t.Errorf("got warnings %q, want %q", table.Warnings, want)
	}
	for i, row := range table.Services {
		if row.Text("name") != fmt.Sprintf("s%d", i) || row["retries"] != 5.0 {
			t.Fatalf("service %d is %v: not filled in", i+1, row)
		}
	}
}
