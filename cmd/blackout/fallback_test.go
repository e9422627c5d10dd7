// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/harness/run"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/operator"
	"blackout/internal/s3server"
)

// site is an S3 store with the bucket "backup", and the environment of who uses it.
type site struct {
	t       *testing.T
	address string
	env     []string
}

const (
	rootUser     = "root-user"
	rootPassword = "root-password"
)

func newSite(t *testing.T) *site {
	t.Helper()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: rootUser, RootPassword: rootPassword})
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	s := &site{t: t, address: listening.URL}
	s.env = s.as(rootUser, rootPassword)
	s.makeBucketAs(rootUser, rootPassword)
	return s
}

// as is the environment of an account.
func (s *site) as(user, password string) []string {
	return []string{"AWS_CONFIG_STORAGE_ENDPOINT=" + s.address, "AWS_ACCESS_KEY_ID=" + user, "AWS_SECRET_ACCESS_KEY=" + password,
		"AWS_REGION=us-east-1", operator.StorageVariable + "=s3://backup/eu"}
}

// makeBucketAs makes the bucket, which no node does.
func (s *site) makeBucketAs(user, password string) {
	s.t.Helper()
	client, err := minio.New(strings.TrimPrefix(s.address, "http://"), &minio.Options{Creds: credentials.NewStaticV4(user, password, ""), Region: "us-east-1"})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := client.MakeBucket(s.t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// root is a client of the store's root account.
func (s *site) root() bucket.Bucket {
	s.t.Helper()
	opened, err := s3.Open(s3.Options{Bucket: "backup", Getenv: getenv(s.env)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(opened.Close)
	return opened
}

func getenv(env []string) func(string) string {
	return func(name string) string {
		for _, pair := range env {
			if value, found := strings.CutPrefix(pair, name+"="); found {
				return value
			}
		}
		return ""
	}
}

// fallback runs a command below `blackout fallback`.
func (s *site) fallback(args ...string) outcome { s.t.Helper(); return program(s.t, s.env, args...) }

// program runs a command below `blackout fallback` in an environment that holds nothing
// else of the fallback.
func program(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(t.Context(), env, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"fallback"}, args...)...)
	cmd.Env = append([]string{"HOME=" + os.TempDir(), "PATH=" + os.Getenv("PATH"), asProgram + "=1", "GORACE=atexit_sleep_ms=0"}, env...)
	return cmd
}

// declaration is a declarative file, as the documents show it.
const declaration = `_format_version: "3.0"
services:
- name: orders
  url: http://orders.internal:8080
  routes:
  - name: list
    paths: [/orders]
  plugins:
  - name: key-auth
consumers:
- username: alice
  keyauth_credentials:
  - key: alice-secret-key
`

func declare(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kong.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFallback goes the way of an operator, and looks at the exit codes.
func TestFallback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kong, changed := declare(t, declaration), declare(t, strings.ReplaceAll(declaration, "/orders", "/o"))
	empty := declare(t, `_format_version: "3.0"`)
	for i, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"inspect"}, 0, `"versions": []`},
		{[]string{"verify", "--version", "3.9.1"}, 1, `"bootable": false`},
		{[]string{"seed", "--version", "3.9.1", "--file", empty}, 1, "holds no entities"},
		{[]string{"seed", "--version", "3.9.1", "--file", kong, "--dry-run"}, 0, `"outcome": "would-write"`},
		{[]string{"seed", "--version", "3.9.1", "--file", kong}, 0, `"outcome": "written"`},
		{[]string{"seed", "--version", "3.9.1", "--file", kong}, 0, `"outcome": "unchanged"`},
		{[]string{"inspect"}, 0, `"epoch": "1.1"`},
		{[]string{"inspect", "--human"}, 0, "version      3.9.1"},
		{[]string{"verify", "--version", "3.9.1"}, 0, `"bootable": true`},
		{[]string{"verify", "--version", "3.9.2", "--human"}, 1, "the bucket has snapshots of 3.9.1"},
		{[]string{"diff", "--version", "3.9.1", "--file", kong}, 0, `"equal": true`},
		{[]string{"diff", "--version", "3.9.1", "--file", changed, "--human"}, 1, "~ list"},
		{[]string{"seed", "--version", "3.9.1", "--file", changed}, 1, `"outcome": "refused"`},
		{[]string{"seed", "--version", "3.9.1", "--file", changed, "--force"}, 0, `"epoch": "2.1"`},
		{[]string{"diff", "--version", "3.9.1", "--file", changed}, 0, `"equal": true`},
		{[]string{"inspect", "--settings", "--human"}, 0, "encryption   not known\n"}, // the store has none
		{[]string{"iam", "--role", "importer"}, 0, `"arn:aws:s3:::backup/eu/*/config.json"`},
	} {
		o := s.fallback(step.args...)
		if o.code != step.code || !strings.Contains(o.out, step.says) {
			t.Fatalf("%d. %v: %+v, want exit code %d and %q", i, step.args, o, step.code, step.says)
		}
		if strings.Contains(o.out+o.errors, "alice-secret-key") || strings.Contains(o.out+o.errors, rootPassword) {
			t.Errorf("%v tells a secret", step.args)
		}
		if strings.HasPrefix(o.out, "{") && !json.Valid([]byte(o.out)) {
			t.Errorf("%v: no JSON", step.args)
		}
	}
}

// TestFallbackMaxSize: what is too large for the nodes is so for the commands that read it,
// and each says what sets the limit.
func TestFallbackMaxSize(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kong := declare(t, declaration)
	s.expect(0, "seed", "--version", "3.9.1", "--file", kong)
	small := append([]string{operator.MaxSizeVariable + "=100"}, s.env...)
	for i, step := range []struct {
		env  []string
		args []string
		code int
	}{
		{s.env, []string{"verify", "--version", "3.9.1", "--max-size", "100"}, 1},
		{small, []string{"verify", "--version", "3.9.1"}, 1},
		{small, []string{"verify", "--version", "3.9.1", "--max-size", "100000"}, 0},
		{s.env, []string{"diff", "--version", "3.9.1", "--file", kong, "--max-size", "100"}, 1},
		{s.env, []string{"seed", "--version", "3.9.1", "--file", kong, "--force", "--max-size", "100"}, 1},
		{s.env, []string{"seed", "--version", "3.9.2", "--file", kong, "--max-size", "100"}, 1},
		{small, []string{"inspect", "--version", "3.9.1"}, 0}, // it reads no snapshot
	} {
		o := program(t, step.env, step.args...)
		said := o.out + o.errors
		names := strings.Contains(said, "blackout_fallback_max_size") && strings.Contains(said, "--max-size") && strings.Contains(said, " 100")
		if o.code != step.code || names != (step.code != 0) {
			t.Errorf("%d. %v: %+v, want exit code %d, and the limit named if it is not 0", i, step.args, o, step.code)
		}
	}
}

// TestFallbackExport writes a file's config_table, byte for byte but for what exporters add.
func TestFallbackExport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const table = `{"_format_version":"3.0","services":[{"id":"00000001-0000-4000-8000-000000000001","name":"a","host":"a.example","ws_id":"w"}],"aliens":[{"id":"x"}]}`
	if o := s.fallback("export", "--version", "3.9.1", "--file", declare(t, table)); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	object, err := s.root().Get(t.Context(), "eu/3.9.1/config.json", 1<<20)
	if err != nil || !strings.Contains(string(object.Body), table[1:len(table)-1]) {
		t.Errorf("the bucket holds %s, %v", object.Body, err)
	}
}

// TestFallbackEnvironment: what is not the snapshot's fault has another exit code than
// what is.
func TestFallbackEnvironment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kong := declare(t, declaration)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	denied := s.as("nobody", "wrong-password")
	gone := append([]string{"AWS_CONFIG_STORAGE_ENDPOINT=" + down.URL}, s.env[1:]...)
	for name, env := range map[string][]string{"denied": denied, "gone": gone} {
		for _, args := range [][]string{
			{"inspect"}, {"inspect", "--version", "3.9.1"}, {"verify", "--version", "3.9.1"}, {"diff", "--version", "3.9.1", "--file", kong},
			{"seed", "--version", "3.9.1", "--file", kong},
		} {
			o := program(t, env, args...)
			if o.code != run.ExitEnvironment || strings.Count(o.errors, "\n") != 1 || o.out != "" {
				t.Errorf("%s: %v: %+v", name, args, o)
			}
		}
	}
	if o := s.fallback("diff", "--version", "3.9.1", "--control-plane", down.URL); o.code != run.ExitEnvironment || strings.Count(o.errors, "\n") != 1 {
		t.Errorf("a control plane that is gone: %+v", o)
	}
	if o := s.fallback("diff", "--version", "3.9.1", "--file", kong); o.code != run.ExitViolated {
		t.Errorf("no snapshot to compare with: %+v", o)
	}
}

// TestNoAnswerInTime: a store that hangs is not told of in the words of a Go context alone.
func TestNoAnswerInTime(t *testing.T) {
	t.Parallel()
	hung := fmt.Errorf("list s3://backup/eu/: %w", context.DeadlineExceeded)
	var coded exit
	if err := fallbackExit(t.Context(), hung); !errors.As(err, &coded) || coded.code != run.ExitEnvironment || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got %v", err)
	}
	if err := fallbackExit(t.Context(), fmt.Errorf("%w: not read within 30s: %w", bucket.ErrUnavailable, hung)); strings.Contains(err.Error(), "in time") {
		t.Errorf("said twice: %v", err)
	}
}

// TestFallbackUsage: a command line that makes no sense ends with 64 and one line.
func TestFallbackUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kong := declare(t, declaration)
	for name, c := range map[string]struct {
		env   []string
		args  []string
		names []string
	}{
		"no such command":      {s.env, []string{"inspekt"}, []string{"inspekt", "bucket-init", "verify"}},
		"no such flag":         {s.env, []string{"inspect", "--bucket", "x"}, []string{"--bucket", "--storage"}},
		"an argument":          {s.env, []string{"inspect", "s3://backup"}, []string{"s3://backup", "flags"}},
		"no storage":           {nil, []string{"inspect"}, []string{"--storage", operator.StorageVariable}},
		"unknown scheme":       {s.env, []string{"inspect", "--storage", "ftp://backup"}, []string{"scheme", "s3://"}},
		"secret in the URL":    {s.env, []string{"inspect", "--storage", "s3://user:alice-secret-key@backup"}, []string{"credentials"}},
		"half a credential":    {append([]string{"AWS_SECRET_ACCESS_KEY="}, s.env[:2]...), []string{"inspect", "--storage", "s3://backup"}, []string{"AWS_SECRET_ACCESS_KEY"}},
		"no version":           {s.env, []string{"verify"}, []string{"--version"}},
		"bad version":          {s.env, []string{"verify", "--version", "3/9"}, []string{"3/9"}},
		"no number":            {s.env, []string{"inspect", "--version", "banana"}, []string{`"banana"`, "--version", "3.9.1"}},
		"half a version":       {s.env, []string{"seed", "--version", "3.9", "--file", kong}, []string{`"3.9"`, "3.9.1"}},
		"version with a v":     {s.env, []string{"iam", "--role", "importer", "--version", "v3.9.1"}, []string{`"v3.9.1"`, "3.9.1"}},
		"name of a version":    {s.env, []string{"bucket-init", "--version", "latest"}, []string{`"latest"`, "3.9.1"}},
		"no size":              {s.env, []string{"verify", "--version", "3.9.1", "--max-size", "256m"}, []string{"--max-size", "256m", "1073741824"}},
		"size of nothing":      {s.env, []string{"diff", "--version", "3.9.1", "--file", kong, "--max-size", "0"}, []string{"--max-size"}},
		"size too large":       {s.env, []string{"seed", "--version", "3.9.1", "--file", kong, "--max-size", "1073741825"}, []string{"--max-size"}},
		"no size of the node":  {append([]string{operator.MaxSizeVariable + "=big"}, s.env...), []string{"verify", "--version", "3.9.1"}, []string{operator.MaxSizeVariable, "big"}},
		"bad time":             {s.env, []string{"verify", "--version", "3.9.1", "--expiring", "soon"}, []string{"soon", "30d"}},
		"negative time":        {s.env, []string{"verify", "--version", "3.9.1", "--expiring=-1h"}, []string{"-1h", "30d"}},
		"unknown gateway":      {s.env, []string{"verify", "--version", "3.9.1", "--gateway", "nginx"}, []string{"nginx", "kong"}},
		"nothing to compare":   {s.env, []string{"diff", "--version", "3.9.1"}, []string{"--control-plane", "--file"}},
		"both":                 {s.env, []string{"diff", "--version", "3.9.1", "--file", kong, "--control-plane", "http://cp"}, []string{"--control-plane", "--file"}},
		"no such file":         {s.env, []string{"diff", "--version", "3.9.1", "--file", "/no/such"}, []string{"/no/such"}},
		"no URL":               {s.env, []string{"diff", "--version", "3.9.1", "--control-plane", "cp:8001"}, []string{"http(s)://"}},
		"secret in the CP":     {s.env, []string{"diff", "--version", "3.9.1", "--control-plane", "http://a:alice-secret-key@cp"}, []string{operator.TokenVariable}},
		"seed of nothing":      {s.env, []string{"seed", "--version", "3.9.1"}, []string{"--file"}},
		"seed of no version":   {s.env, []string{"seed", "--file", kong}, []string{"--version"}},
		"export of nothing":    {s.env, []string{"export", "--version", "3.9.1"}, []string{"--control-plane", "--file"}},
		"iam of no storage":    {nil, []string{"iam", "--role", "importer"}, []string{"--storage", operator.StorageVariable}},
		"no role":              {s.env, []string{"iam"}, []string{"exporter", "importer"}},
		"a key that is none":   {s.env, []string{"iam", "--role", "importer", "--kms-key", "mine"}, []string{"ARN"}},
		"no days":              {s.env, []string{"bucket-init", "--election-days", "0"}, []string{"--election-days"}},
		"ages":                 {s.env, []string{"bucket-init", "--keep-days", "99999999999"}, []string{"--keep-days", "36500"}},
		"days in words":        {s.env, []string{"bucket-init", "--keep-days", "x"}, []string{"--keep-days takes a whole number", `"x"`}},
		"strict or not":        {s.env, []string{"verify", "--version", "3.9.1", "--strict=maybe"}, []string{"--strict takes true or false", "maybe"}},
		"both forms":           {s.env, []string{"inspect", "--json", "--human"}, []string{"json", "human"}},
		"bad export s3 config": {append([]string{operator.S3ConfigVariable + "={"}, s.env...), []string{"inspect"}, []string{"cluster_fallback_export_s3_config"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := program(t, c.env, c.args...)
			if o.code != run.ExitUsage || strings.Count(o.errors, "\n") != 1 || !strings.HasPrefix(o.errors, "blackout: ") {
				t.Errorf("%+v, want 64 and one line", o)
			}
			for _, want := range c.names {
				if !strings.Contains(o.errors, want) {
					t.Errorf("said %q, which does not name %q", o.errors, want)
				}
			}
			if strings.Contains(o.out+o.errors, "alice-secret-key") {
				t.Errorf("a secret is told: %+v", o)
			}
		})
	}
}

// TestFallbackHelp lists the commands and the exit codes.
func TestFallbackHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		o := program(t, nil, args...)
		for _, want := range []string{"inspect", "verify", "diff", "export", "seed", "iam", "bucket-init", "Exit codes", "130"} {
			if o.code != 0 || !strings.Contains(o.out, want) {
				t.Errorf("%v: %+v, without %q", args, o, want)
			}
		}
	}
}

// TestFallbackInterrupt: an interrupt ends the program with one line, whatever the store
// does.
func TestFallbackInterrupt(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 16)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer hanging.Close()
	env := []string{"AWS_CONFIG_STORAGE_ENDPOINT=" + hanging.URL, "AWS_ACCESS_KEY_ID=key-of-test", "AWS_SECRET_ACCESS_KEY=secret-of-test",
		operator.StorageVariable + "=s3://backup/eu"}
	for _, args := range [][]string{{"inspect"}, {"verify", "--version", "3.9.1"}, {"seed", "--version", "3.9.1", "--file", declare(t, declaration)}} {
		var out, errs bytes.Buffer
		cmd := command(t.Context(), env, args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its exit code is looked at
		if cmd.ProcessState.ExitCode() != exitInterrupted || errs.String() != "blackout: interrupted\n" || out.Len() > 0 {
			t.Errorf("%v: exit code %d, %q, %q", args, cmd.ProcessState.ExitCode(), out.String(), errs.String())
		}
	}
}

// TestFallbackOnAVolume: the commands work on a mounted directory as on a bucket.
func TestFallbackOnAVolume(t *testing.T) {
	t.Parallel()
	env := []string{operator.StorageVariable + "=file://" + t.TempDir()}
	kong, changed := declare(t, declaration), declare(t, strings.ReplaceAll(declaration, "/orders", "/o"))
	for i, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"verify", "--version", "3.9.1"}, 1, `"bootable": false`},
		{[]string{"seed", "--version", "3.9.1", "--file", kong}, 0, `"outcome": "written"`},
		{[]string{"seed", "--version", "3.9.1", "--file", changed}, 1, `"outcome": "refused"`},
		{[]string{"seed", "--version", "3.9.1", "--file", changed, "--force"}, 0, `"epoch": "2.1"`},
		{[]string{"inspect"}, 0, `"epoch": "2.1"`},
		{[]string{"verify", "--version", "3.9.1"}, 0, `"checksum": "matches"`},
		{[]string{"iam", "--role", "exporter"}, 0, `"rights": "u=rwX"`},
		{[]string{"bucket-init"}, run.ExitUsage, "s3://"},
	} {
		if o := program(t, env, step.args...); o.code != step.code || !strings.Contains(o.out+o.errors, step.says) {
			t.Fatalf("%d. %v: %+v, want exit code %d and %q", i, step.args, o, step.code, step.says)
		}
	}
}
