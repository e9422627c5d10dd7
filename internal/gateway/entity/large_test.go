// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"blackout/internal/gateway/entity"
)

// largeTable writes a config_table as a control plane sends it, every field
// written out: routes, and a service and a plugin for every ten of them. With
// 100 000 routes it has 60 MB.
func largeTable(routes int) []byte {
	var out bytes.Buffer
	id := func(kind, number int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, number) }
	section := func(name string, count int, row func(i int)) {
		fmt.Fprintf(&out, `,"%s":[`, name)
		for i := range count {
			if i > 0 {
				out.WriteByte(',')
			}
			row(i)
		}
		out.WriteByte(']')
	}
	out.WriteString(`{"_format_version":"3.0","_transform":false,"parameters":[{"key":"cluster_id","value":"68e9fc0d-34c0-429a-899d-6d8ca78fd9ec","created_at":null}]`)
	section("services", routes/10, func(i int) {
		fmt.Fprintf(&out, `{"port":8080,"path":"/base/%d","id":"%s","protocol":"http","tls_verify":null,"tls_verify_depth":null,"read_timeout":60000,`+
			`"tags":["team-%d"],"ca_certificates":null,"write_timeout":60000,"enabled":true,"client_certificate":null,"connect_timeout":60000,`+
			`"created_at":1795387153,"updated_at":1795387153,"name":"service-%d","retries":5,"host":"backend-%d.internal"}`, i, id(1, i), i%7, i, i)
	})
	section("routes", routes, func(i int) {
		fmt.Fprintf(&out, `{"service":"%s","preserve_host":false,"id":"%s","headers":null,"protocols":["http","https"],"path_handling":"v0",`+
			`"name":"route-%d","snis":null,"paths":["/api/v1/tenant-%d/resource"],"regex_priority":0,"tags":["team-%d"],"request_buffering":true,"sources":null,`+
			`"strip_path":true,"hosts":["tenant-%d.example.com"],"destinations":null,"created_at":1795387153,"updated_at":1795387153,`+
			`"https_redirect_status_code":426,"methods":null,"response_buffering":true}`, id(1, i%max(routes/10, 1)), id(2, i), i, i, i%7, i%1000)
	})
	section("plugins", routes/10, func(i int) {
		fmt.Fprintf(&out, `{"service":"%s","tags":null,"consumer":null,"route":null,"id":"%s","instance_name":null,"config":{"key_names":["apikey"],`+
			`"hide_credentials":false,"key_in_header":true,"anonymous":null,"key_in_body":false,"run_on_preflight":true,"realm":null,"key_in_query":true},`+
			`"created_at":1795387153,"updated_at":1795387153,"protocols":["grpc","grpcs","http","https"],"name":"key-auth","enabled":true}`, id(1, i), id(3, i))
	})
	out.WriteByte('}')
	return out.Bytes()
}

// BenchmarkParseTable reads a configuration of 100 000 routes. It reports how
// fast that is beside the plain decoding of the same text (1 is as fast) and how
// many times its size the heap grows at most.
func BenchmarkParseTable(b *testing.B) {
	raw := largeTable(100_000)
	b.SetBytes(int64(len(raw)))
	plain, parsed := time.Hour, time.Hour // the fastest: others work on the machine as well
	peak := 0.0
	for b.Loop() {
		runtime.GC()
		start := time.Now()
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			b.Fatal(err)
		}
		plain = min(plain, time.Since(start))
		value = nil
		runtime.GC()
		heap := watchHeap()
		start = time.Now()
		table, err := entity.ParseTable(raw)
		parsed = min(parsed, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		peak = max(peak, float64(heap())/float64(len(raw)))
		runtime.KeepAlive(table)
	}
	b.ReportMetric(plain.Seconds()/parsed.Seconds(), "vs-decode")
	b.ReportMetric(float64(len(raw))/parsed.Seconds()/1e6, "MB/s-parse")
	b.ReportMetric(peak, "heap/file")
}

// watchHeap returns a function that tells the largest heap, in bytes with the
// garbage in it, since watchHeap was called.
func watchHeap() func() uint64 {
	var largest atomic.Uint64
	done, stopped := make(chan struct{}), make(chan struct{})
	look := func() {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		largest.Store(max(largest.Load(), stats.HeapAlloc))
	}
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				look()
			case <-done:
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-stopped
		look()
		debug.FreeOSMemory()
		return largest.Load()
	}
}
