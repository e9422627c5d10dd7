// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import "testing"

func TestBareHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"": "", "A.b": "a.b", "a.b:80": "a.b", "a.b.": "a.b", "a.b:80.": "a.b", "a.b.:80": "a.b",
		"[::1]": "[::1]", "[::A]:80": "[::a]", ":80": "",
	} {
		if got := bareHost(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestUnservablePaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/": false, "/a/..": false, "/a/../": false, "/a//..": false, "/./a": false, "/...": false, "/a..": false, "/..a/..": false,
		"/a%2F..": false, "/%": false, "/a%41": false, "": false,
		"/..": true, "//..": true, "/../a": true, "/a/../..": true, "/./..": true, "/%2e%2E": true, "/.%2e/a": true, "/a%2F..%2F..": true,
		"/%00": true, "/a/%zz": true,
	} {
		if got := unservable(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func FuzzUnservable(f *testing.F) {
	f.Add("/a/%2e%2e/..%2f")
	f.Fuzz(func(_ *testing.T, path string) {
		unservable(path)
		bareHost(path)
	})
}
