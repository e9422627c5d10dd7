// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// kinds are the configurations that are measured. Each makes the n-th route of
// a configuration and a request that finds it.
var kinds = []struct {
	name  string
	route func(n int) Route
	ask   func(n int) Request
}{
	{
		"paths", // no hosts, four levels of paths
		func(n int) Route { return Route{Paths: []string{path(n)}} },
		func(n int) Request { return Request{Host: "example.com", Path: path(n) + "/items/7"} },
	},
	{
		"hosts", // ten routes to a host
		func(n int) Route { return Route{Hosts: []string{hostOf(n)}, Paths: []string{path(n)}} },
		func(n int) Request { return Request{Host: hostOf(n), Path: path(n)} },
	},
	{
		"wildcards",
		func(n int) Route { return Route{Hosts: []string{"*." + hostOf(n)}, Paths: []string{path(n)}} },
		func(n int) Request { return Request{Host: "www." + hostOf(n), Path: path(n)} },
	},
	{
		"regexes",
		func(n int) Route { return Route{Paths: []string{"~" + path(n) + `/(?<id>\d+)$`}} },
		func(n int) Request { return Request{Host: "example.com", Path: path(n) + "/12345"} },
	},
}

func path(n int) string   { return fmt.Sprintf("/team-%d/api/v1/thing-%d", n%97, n) }
func hostOf(n int) string { return fmt.Sprintf("host-%d.example.com", n/10) }

func routesOf(kind int, n int) []Route {
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = kinds[kind].route(i)
		routes[i].ID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
	}
	return routes
}

// BenchmarkMatch asks for the same route again and again ("same"), for any
// ("any"), and for none ("none").
func BenchmarkMatch(b *testing.B) {
	for kind, k := range kinds {
		for _, n := range []int{10, 10_000, 100_000} {
			router, err := New(routesOf(kind, n))
			if err != nil {
				b.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			requests := map[string][]Request{"none": {{Host: "nobody.example.org", Path: "/nothing"}}}
			requests["same"] = []Request{k.ask(n / 2)}
			for range 4096 {
				requests["any"] = append(requests["any"], k.ask(random.IntN(n)))
			}
			for _, which := range []string{"same", "any", "none"} {
				b.Run(fmt.Sprintf("%s-%d/%s", k.name, n, which), func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						request := &requests[which][i%len(requests[which])]
						if _, found := router.Match(request); found == (which == "none") {
							b.Fatalf("%s%s: found is %v", request.Host, request.Path, found)
						}
					}
				})
			}
		}
	}
}

// BenchmarkNew builds routers, and says how much memory one holds.
func BenchmarkNew(b *testing.B) {
	for kind, k := range kinds {
		routes := routesOf(kind, 100_000)
		b.Run(k.name+"-100000", func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var router *Router
			for b.Loop() {
				var err error
				if router, err = New(routes); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-held")
			runtime.KeepAlive(router)
		})
	}
}

// TestMatchOfPlainRoutesAllocatesNothing keeps the hot path free of garbage.
func TestMatchOfPlainRoutesAllocatesNothing(t *testing.T) {
	for kind, k := range kinds[:3] {
		router, err := New(routesOf(kind, 1000))
		if err != nil {
			t.Fatal(err)
		}
		request := k.ask(500)
		if got := testing.AllocsPerRun(100, func() { router.Match(&request) }); got != 0 {
			t.Errorf("%s: %v allocations", k.name, got)
		}
	}
}
