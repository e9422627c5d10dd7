// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
)

// output is a writer that the running node and the test share.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	wrote  chan struct{}
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.buffer.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func environ(t *testing.T, more ...string) []string {
	certificate, key := clustertest.Certificate(t)
	return append([]string{"KONG_ROLE=data_plane", "KONG_DATABASE=off", "KONG_PREFIX=" + t.TempDir(),
		"KONG_PROXY_LISTEN=127.0.0.1:0", "KONG_STATUS_LISTEN=127.0.0.1:0", "KONG_CLUSTER_CONTROL_PLANE=127.0.0.1:1",
		"KONG_CLUSTER_CERT=" + string(certificate), "KONG_CLUSTER_CERT_KEY=" + string(key)}, more...)
}

func TestRefusalIsOneLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ variable, want string }{
		"unknown":            {"KONG_BLACKOUT_X=1", "unknown parameter blackout_x"},
		"no storage":         {"KONG_CLUSTER_FALLBACK_CONFIG_IMPORT=on", "cluster_fallback_config_storage"},
		"not the key's":      {"KONG_CLUSTER_CERT=" + otherCertificate(t), "cluster certificate and key"},
		"occupied":           {"KONG_PROXY_LISTEN=203.0.113.1:1", "listen for proxy_listen"},
		"unsupported scheme": {"KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=azure://b/p", "azure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), nil, environ(t, c.variable), &stdout, &stderr); code != exitError {
				t.Errorf("exit code %d", code)
			}
			text := strings.TrimSuffix(stderr.String(), "\n")
			var line struct{ Msg, Error string }
			if err := json.Unmarshal([]byte(text), &line); err != nil || line.Msg != "node.refused" || !strings.Contains(line.Error, c.want) {
				t.Errorf("got %q (%v), want one line with %q", text, err, c.want)
			}
		})
	}
}

// TestConfigDBImport says in one line what it did, or why not.
func TestConfigDBImport(t *testing.T) {
	t.Parallel()
	good, bad := filepath.Join(t.TempDir(), "good.yaml"), filepath.Join(t.TempDir(), "bad.yaml")
	for file, text := range map[string]string{good: "_format_version: '3.0'\nconsumers: [{username: a}]\n", bad: "_format_version: '3.0'\nconsumers: [{}]\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cp := environ(t, "KONG_ROLE=control_plane", "KONG_DATABASE=sqlite")
	for _, c := range []struct {
		environ []string
		args    []string
		code    int
		says    string
	}{
		{cp, []string{"config", "db_import", good}, exitOK, "import successful: 1 entities\n"},
		{cp, []string{"config", "db_import", bad}, exitError, "bad.yaml: consumers.1: "},
		{cp, []string{"config", "db_import", good + ".gone"}, exitError, "good.yaml.gone: no such file"},
		{environ(t), []string{"config", "db_import", good}, exitError, "call it with the configuration of a control plane"},
		{cp, []string{"config", "db_import"}, exitUsage, "config db_import FILE"},
		{cp, []string{"config", "parse", good}, exitUsage, "config db_import FILE"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), c.args, c.environ, &stdout, &stderr)
		said := stdout.String() + stderr.String()
		if code != c.code || !strings.Contains(said, c.says) || code != exitUsage && strings.Count(said, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q, want %d and one line with %q", c.args, code, said, c.code, c.says)
		}
	}
}

func otherCertificate(t *testing.T) string {
	certificate, _ := clustertest.Certificate(t)
	return string(certificate)
}

func TestNodeRunsUntilItIsTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stderr := &output{wrote: make(chan struct{}, 1)}
	go func() {
		for range stderr.wrote {
			if strings.Contains(stderr.String(), "controlplane.unreachable") {
				cancel()
				return
			}
		}
	}()
	if code := run(ctx, nil, environ(t), &bytes.Buffer{}, stderr); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{`"msg":"node.started"`, `"role":"data_plane"`, `"version":"3.9.1"`, `"msg":"node.stopped"`} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %s in %s", want, stderr)
		}
	}
	if strings.Contains(stderr.String(), "PRIVATE KEY") {
		t.Error("the log shows the key")
	}
}

func TestSetBeatsVariablesBeatsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kong.conf")
	if err := os.WriteFile(file, []byte("blackout_version = 3.1.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	variable := []string{"KONG_BLACKOUT_VERSION=3.2.0"}
	for name, c := range map[string]struct {
		args, environ []string
		want          string
	}{
		"default":  {nil, nil, "3.9.1\n"},
		"file":     {[]string{"-c", file}, nil, "3.1.0\n"},
		"variable": {[]string{"-c", file}, variable, "3.2.0\n"},
		"set":      {[]string{"-c", file, "--set", "blackout_version=3.3.0"}, variable, "3.3.0\n"},
		"last set": {[]string{"-set", "blackout_version=3.3.0", "-set=blackout_version=3.4.0"}, variable, "3.4.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), append(c.args, "version"), c.environ, &stdout, &stderr); code != exitOK || stdout.String() != c.want {
				t.Errorf("got %d %q %q, want %q", code, stdout.String(), stderr.String(), c.want)
			}
		})
	}
}

func TestVersionAndUsage(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"version"}, nil, &stdout, &stderr); code != exitOK || stdout.String() != "3.9.1\n" {
		t.Errorf("version: %d %q", code, stdout.String())
	}
	for _, args := range [][]string{{"start"}, {"-x"}, {"version", "more"}} {
		if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
