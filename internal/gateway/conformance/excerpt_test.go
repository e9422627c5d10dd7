// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "choose the excerpt of router.jsonl anew from the directory BLACKOUT_CORPUS")

// The bounds of the excerpt of router.jsonl: bytes, and how many requests it has
// of each kind.
const (
	excerptSize = 390_000
	excerptEach = 3
)

// TestRouterExcerpt chooses the excerpt of router.jsonl, if it is told to. A
// request has some kinds (see kindsOf). Of each configuration, in the order of
// the recording, the requests stay of whose kinds one has been seen fewer than
// excerptEach times; a configuration stays if such a request does, or if it was
// refused.
//
//	BLACKOUT_CORPUS=… go test ./internal/gateway/conformance -run TestRouterExcerpt -update
func TestRouterExcerpt(t *testing.T) {
	if !*update {
		t.Skip("-update chooses the excerpt anew")
	}
	var chosen bytes.Buffer
	seen := map[string]int{}
	for line := range bytes.Lines(corpus(t, "router.jsonl")) {
		kept, err := choose(line, seen)
		if err != nil {
			t.Fatal(err)
		}
		if chosen.Len()+len(kept) <= excerptSize {
			chosen.Write(kept)
		}
	}
	if err := os.WriteFile(filepath.Join(excerpts, "router.jsonl"), chosen.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d kinds", chosen.Len(), len(seen))
}

// choose returns the line with the requests that stay, or nothing.
func choose(line []byte, seen map[string]int) ([]byte, error) {
	var recorded routing
	var whole map[string]any
	if err := json.Unmarshal(line, &recorded); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &whole); err != nil {
		return nil, err
	}
	var config struct{ Routes []map[string]any }
	if err := json.Unmarshal(recorded.Config, &config); err != nil {
		return nil, err
	}
	routes := map[string]map[string]any{}
	for _, route := range config.Routes {
		id, _ := route["id"].(string)
		routes[id] = route
	}
	requests, _ := whole["requests"].([]any)
	var kept []any
	for i, r := range recorded.Requests {
		stays := false
		for _, kind := range kindsOf(r, routes[deref(r.Observed.Route)]) {
			stays = stays || seen[kind] < excerptEach
			seen[kind]++
		}
		if stays {
			kept = append(kept, requests[i])
		}
	}
	if len(kept) == 0 && len(requests) > 0 {
		return nil, nil
	}
	whole["requests"] = kept
	text, err := json.Marshal(whole)
	return append(text, '\n'), err
}

// kindsOf returns the kinds of a request with the route that it met: the answer's,
// those of the particulars of its path, and those of the route's matchers and
// settings, each with the answer's status.
func kindsOf(r routed, route map[string]any) []string {
	status := fmt.Sprint(r.Observed.Status)
	kinds := []string{fmt.Sprint(status, r.Observed.From, r.Observed.ContentType, r.Request.TLS, r.Request.Method == "HEAD")}
	path, _, _ := strings.Cut(r.Request.Path, "?")
	for _, part := range []string{"%", "//", "/.", "\"", "|", "'"} {
		if strings.Contains(path, part) {
			kinds = append(kinds, fmt.Sprint(status, part, route["strip_path"]))
		}
	}
	var matchers []string
	for _, name := range slices.Sorted(maps.Keys(route)) {
		switch value := route[name]; name {
		case "methods", "headers", "snis", "hosts", "paths":
			matchers = append(matchers, name)
			kinds = append(kinds, fmt.Sprint(status, name, form(fmt.Sprint(value)), r.Request.TLS))
		case "protocols", "strip_path", "preserve_host", "https_redirect_status_code", "path_handling":
			kinds = append(kinds, fmt.Sprint(status, name, value, r.Request.TLS))
		}
	}
	return append(kinds, fmt.Sprint(status, matchers))
}

// form tells wildcards, ports and regexes.
func form(values string) string {
	var out []byte
	for i := range len(values) {
		if strings.IndexByte("*~:", values[i]) >= 0 && bytes.IndexByte(out, values[i]) < 0 {
			out = append(out, values[i])
		}
	}
	return string(out)
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
