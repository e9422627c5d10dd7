// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// drawTable makes a config_table out of few different rows, good ones and bad
// ones, so that two tables have many in common.
func drawTable(r *rapid.T) string {
	services := []string{
		`{"id":"00000000-0000-4000-8000-000000000001","host":"h","name":"a"}`,
		`{"id":"00000000-0000-4000-8000-000000000001","host":"i","name":"a"}`,
		`{"id":"00000000-0000-4000-8000-000000000002","host":"h","name":"b","x":1}`,
		`{"id":"00000000-0000-4000-8000-000000000003","host":"h","name":"a"}`, // its name may be taken
		`{"host":"no id"}`,
		`{"id":"00000000-0000-4000-8000-000000000004","host":"h","host":"twice"}`,
		`{"id":"00000000-0000-4000-8000-000000000005"}`,
	}
	routes := []string{
		`{"id":"00000000-0000-4000-9000-000000000001","paths":["/"],"service":"00000000-0000-4000-8000-000000000001"}`,
		`{"id":"00000000-0000-4000-9000-000000000002","paths":["/"],"service":"a"}`, // whose id may change
		`{"id":"00000000-0000-4000-9000-000000000003","paths":["/"],"service":null}`,
		` {"id":"00000000-0000-4000-9000-000000000004","paths":["/\u00fc"],"tags":["ü"]}`,
		`{"id":"00000000-0000-4000-9000-000000000005","paths":["no"]}`,
	}
	pick := func(name string, from []string) string {
		var rows []string
		for i, row := range from {
			// The last two of each are bad: rarely there.
			if rapid.IntRange(0, 9).Draw(r, fmt.Sprint(name, i)) < map[bool]int{true: 6, false: 1}[i < len(from)-2] {
				rows = append(rows, row)
			}
		}
		return fmt.Sprintf("%q:[%s]", name, strings.Join(rows, rapid.SampledFrom([]string{",", " ,\n"}).Draw(r, "comma")))
	}
	return `{"_format_version":"3.0","_transform":false,` + pick("services", services) + "," + pick("routes", routes) + "}"
}

// TestNextIsParse: what follows another table is the same as what comes alone, and
// says the same when it is refused.
func TestNextIsParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var last *Table
		for range rapid.IntRange(2, 5).Draw(r, "tables") {
			text := []byte(drawTable(r))
			alone, err := ParseTable(text)
			after, errAfter := last.Next(text)
			if fmt.Sprint(err) != fmt.Sprint(errAfter) {
				r.Fatalf("alone: %v, after another: %v\n%s", err, errAfter, text)
			}
			if err != nil {
				continue
			}
			if !reflect.DeepEqual(alone.All, after.All) || !reflect.DeepEqual(alone.Routes, after.Routes) || !reflect.DeepEqual(alone.Services, after.Services) {
				r.Fatalf("alone %v, after another %v\n%s", alone.All, after.All, text)
			}
			if !reflect.DeepEqual(alone.Warnings, after.Warnings) {
				r.Fatalf("warnings: alone %q, after another %q", alone.Warnings, after.Warnings)
			}
			last = after
		}
	})
}

// TestNextTakesOver: rows that are the same are not made again.
func TestNextTakesOver(t *testing.T) {
	t.Parallel()
	const table = `{"_format_version":"3.0","services":[{"id":"00000000-0000-4000-8000-000000000001","host":"h","path":"/%d"}],
		"routes":[{"id":"00000000-0000-4000-9000-000000000001","paths":["/"]}]}`
	first, err := ParseTable(fmt.Appendf(nil, table, 1))
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Next(fmt.Appendf(nil, table, 2))
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b Record) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	if !same(first.Routes[0], second.Routes[0]) || same(first.Services[0], second.Services[0]) {
		t.Errorf("routes are the same: %v, services: %v", same(first.Routes[0], second.Routes[0]), same(first.Services[0], second.Services[0]))
	}
	if second.Services[0].Text("path") != "/2" {
		t.Errorf("the service is %v", second.Services[0])
	}
}

// TestNextLeavesRows has a table in use while others that follow it are read: the race
// detector finds what is written to the rows that they share.
func TestNextLeavesRows(t *testing.T) {
	t.Parallel()
	text := []byte(`{"_format_version":"3.0","services":[{"id":"00000000-0000-4000-8000-000000000001","host":"h"}],
		"routes":[{"id":"00000000-0000-4000-9000-000000000001","paths":["/"],"service":"00000000-0000-4000-8000-000000000001"}]}`)
	used, err := ParseTable(text)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			next, err := used.Next(text)
			if err != nil || next.Routes[0].Reference("service") != used.Services[0].ID() {
				t.Errorf("read %+v, %v", next, err)
			}
		})
	}
	readers.Wait()
}
