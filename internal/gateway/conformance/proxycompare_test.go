// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (b *proxyBench) compare(one proxyCase, have *answered) string {
	want := one.Response
	id := (&echoed{Headers: have.headers}).header("X-Kong-Request-Id")
	if id == "" {
		id = "no id"
	}
	plain := func(text string) string { return b.theirs.Replace(strings.ReplaceAll(text, id, "<request_id>")) }
	switch {
	case have.status != want.Status:
		return fmt.Sprintf("status %d, recorded %d; %s", have.status, want.Status, have.body)
	case have.reason != want.Reason:
		return fmt.Sprintf("reason %q, recorded %q", have.reason, want.Reason)
	case have.frame != want.EchoedFrame:
		return fmt.Sprintf("frame %s, recorded %s", have.frame, want.EchoedFrame)
	}
	if difference := differInHeaders(have.headers, want.Headers, plain); difference != "" {
		return difference
	}
	if want.Body != nil && plain(have.body) != *want.Body {
		return fmt.Sprintf("body %q, recorded %q", plain(have.body), *want.Body)
	}
	if want.UpstreamSaw == nil {
		return ""
	}
	var saw map[string]any
	if err := json.NewDecoder(bytes.NewReader([]byte(plain(have.body)))).Decode(&saw); err != nil {
		return "the upstream's echo: " + err.Error()
	}
	return differInEcho(saw, want.UpstreamSaw)
}

// differInHeaders compares headers as sets; names in any case, because net/http
// writes them in its own.
func differInHeaders(have, want [][2]string, plain func(string) string) string {
	left := slices.Clone(have)
	for _, header := range want {
		at := slices.IndexFunc(left, func(ours [2]string) bool {
			return strings.EqualFold(ours[0], header[0]) && matches(plain(ours[1]), header[1])
		})
		if at < 0 {
			return fmt.Sprintf("no header %s: %s, but %v", header[0], header[1], left)
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, header := range left {
		// That of an echo's answer is not in the recording.
		if !strings.EqualFold(header[0], "Content-Length") {
			return fmt.Sprintf("a header %s: %s that was not recorded", header[0], header[1])
		}
	}
	return ""
}

// matches compares a value with a recorded one, in which what changes from run
// to run is a placeholder.
func matches(have, want string) bool {
	switch want {
	case "<int>":
		_, err := strconv.Atoi(have)
		return err == nil
	case "<date>":
		_, err := http.ParseTime(have)
		return err == nil
	}
	var length int
	if n, err := fmt.Sscanf(want, "<%d bytes>", &length); n == 1 && err == nil {
		return len(have) == length
	}
	return have == want
}

func differInEcho(saw, want map[string]any) string {
	for name, value := range want {
		if name == "request_id_same_as_response" {
			continue // the id in the echo was replaced only if it was the same
		}
		if name == "headers" {
			if difference := differInHeaders(pairsOf(saw[name]), pairsOf(value), func(text string) string { return text }); difference != "" {
				return "to the upstream: " + difference
			}
			continue
		}
		ours, theirs := fmt.Sprint(saw[name]), fmt.Sprint(value)
		if !matches(ours, theirs) && !sameMembers(ours, theirs) {
			return fmt.Sprintf("to the upstream: %s %q, recorded %q", name, ours, theirs)
		}
	}
	for name := range saw {
		if _, recorded := want[name]; !recorded {
			return "the upstream's echo has " + name + ", which was not recorded"
		}
	}
	return ""
}

// sameMembers compares JSON objects and forms without their order.
func sameMembers(have, want string) bool {
	var a, b map[string]any
	if json.Unmarshal([]byte(have), &a) == nil && json.Unmarshal([]byte(want), &b) == nil {
		return fmt.Sprint(a) == fmt.Sprint(b)
	}
	split := func(text string) []string { return slices.Sorted(strings.SplitSeq(text, "&")) }
	return strings.Contains(want, "&") && slices.Equal(split(have), split(want))
}

func pairsOf(value any) [][2]string {
	list, _ := value.([]any)
	var pairs [][2]string
	for _, element := range list {
		if pair, ok := element.([]any); ok && len(pair) == 2 {
			pairs = append(pairs, [2]string{fmt.Sprint(pair[0]), fmt.Sprint(pair[1])})
		}
	}
	return pairs
}
