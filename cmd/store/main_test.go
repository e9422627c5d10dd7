// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/store"
)

func environment(name string) string {
	return map[string]string{userVariable: "root-user", passwordVariable: "root-password"}[name]
}

// start runs the command over dir and returns its address and a function that
// ends it.
func start(t *testing.T, dir string) (address string, end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--dir", dir}, environment, writer)
		writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	lines.Scan()
	var line struct{ Address string }
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, lines.Bytes())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "root-password") {
				t.Error("the password is in the log")
			}
		}
	}()
	return line.Address, func() {
		t.Helper()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		<-drained
	}
}

func TestObjectsAndAccountsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	address, end := start(t, dir)
	s, err := store.NewEmbedded(address, "root-user", "root-password")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateBucket(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutObject(t.Context(), "backup", "p/config.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	account, err := s.NewAccount(t.Context(), "dp-1", "backup", "p", store.Read)
	if err != nil {
		t.Fatal(err)
	}
	end()

	address, end = start(t, dir)
	defer end()
	node, err := store.NewEmbedded(address, account.AccessKey, account.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if object, err := node.ReadObject(t.Context(), "backup", "p/config.json"); err != nil || string(object.Body) != "{}" {
		t.Errorf("read %q, %v", object.Body, err)
	}
	if _, err := node.NewAccount(t.Context(), "dp-2", "backup", "", store.Write); err == nil {
		t.Error("an account made an account")
	}
}

func TestRunRefusesBadStarts(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	tests := []struct {
		name   string
		args   []string
		getenv func(string) string
	}{
		{"no directory", nil, environment},
		{"no root account", []string{"--dir", t.TempDir()}, none},
		{"unknown flag", []string{"--dir", t.TempDir(), "--x"}, environment},
		{"argument", []string{"--dir", t.TempDir(), "x"}, environment},
		{"bad address", []string{"--dir", t.TempDir(), "--listen", "nowhere"}, environment},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := run(t.Context(), test.args, test.getenv, io.Discard); err == nil {
				t.Error("it started")
			}
		})
	}
}
