// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
)

func writeFile(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kong.conf")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLinesOfAFile(t *testing.T) {
	t.Parallel()
	schema := func(c *conf.Config) string { return c.Postgres.Schema }
	for name, c := range map[string]struct {
		line string
		got  func(*conf.Config) string
		want string
	}{
		"plain":           {"pg_schema = a", schema, "a"},
		"no blanks":       {"pg_schema=a", schema, "a"},
		"blanks":          {"\t pg_schema  =\ta b \r", schema, "a b"},
		"trailing":        {"pg_schema = a # b # c", schema, "a"},
		"commented out":   {"#pg_schema = a", schema, ""},
		"escaped":         {`pg_schema = a\#b # c`, schema, "a#b"},
		"equals signs":    {"pg_schema = a=b=", schema, "a=b="},
		"empty":           {"pg_schema =", schema, ""},
		"last one counts": {"pg_schema = a\npg_schema = b", schema, "b"},
		"capitals":        {"PG_Schema = a", schema, "a"},
		"continued":       {"cluster_fallback_export_s3_config = {\"a\": 1, \\\n  \"b\": 2}", func(c *conf.Config) string { return c.Fallback.S3Config }, `{"a": 1, "b": 2}`},
		"injected":        {"nginx_proxy_large_client_header_buffers = 8 24k", func(c *conf.Config) string { return strings.Join(c.Ignored, " ") }, "nginx_proxy_large_client_header_buffers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := conf.Load(conf.Source{File: writeFile(t, c.line), Environ: dataPlane(t)})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(config); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLinesThatAreNone(t *testing.T) {
	t.Parallel()
	const keyBody = "MHcCAQEEIsecretsecret"
	for name, c := range map[string]struct{ content, want string }{
		"no equals sign": {"role = data_plane\n\nwhat is this\n", "line 3: expected name = value"},
		"no name":        {" = x", "line 1: expected name = value"},
		"pasted key":     {"cluster_cert_key = -----BEGIN EC PRIVATE KEY-----\n" + keyBody + "==\n", "line 2: expected name = value"},
		"unknown":        {"pg_shema = x", "unknown parameter pg_shema (kong.conf line 1); did you mean pg_schema?"},
		"reaching on":    {"log_level = \\\nloud", "log_level has an invalid value: 'loud'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := conf.Load(conf.Source{File: writeFile(t, c.content), Environ: dataPlane(t)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), keyBody) || strings.Contains(err.Error(), "\n") {
				t.Errorf("shows too much: %q", err)
			}
		})
	}
}

func TestFilesAreLookedForInOrder(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "kong.conf")
	first, second := writeFile(t, "pg_schema = first"), writeFile(t, "pg_schema = second")
	for name, c := range map[string]struct {
		source conf.Source
		want   string
	}{
		"named":       {conf.Source{File: second, Search: []string{first}}, "second"},
		"first":       {conf.Source{Search: []string{first, second}}, "first"},
		"next":        {conf.Source{Search: []string{missing, second}}, "second"},
		"none":        {conf.Source{Search: []string{missing}}, ""},
		"set beats":   {conf.Source{File: first, Set: []string{"pg_schema=set"}}, "set"},
		"set emptied": {conf.Source{File: first, Set: []string{"pg_schema="}}, ""},
	} {
		c.source.Environ = dataPlane(t)
		config, err := conf.Load(c.source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if config.Postgres.Schema != c.want {
			t.Errorf("%s: got %q, want %q", name, config.Postgres.Schema, c.want)
		}
	}
	for name, source := range map[string]conf.Source{
		"a named file must exist": {File: missing, Search: []string{first}},
		"set needs a value":       {Set: []string{"pg_schema"}},
		"set needs a name":        {Set: []string{"pg schema=x"}},
		"set needs a known name":  {Set: []string{"pg_shema=x"}},
		"a file has a limit":      {File: writeFile(t, strings.Repeat("# filling\n", 500_000))},
	} {
		source.Environ = dataPlane(t)
		if _, err := conf.Load(source); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
