// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/harness/run"
	"blackout/internal/miniotest"
	"blackout/internal/operator"
)

// onMinIO is a site on a real MinIO.
func onMinIO(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, address: "http://" + miniotest.Start(t, "MINIO_KMS_SECRET_KEY=blackout:"+"IyqsU3kMFloCNup4BsZtf/rmfHVcTgznO2F25CkEH1g=")}
	s.env = s.as(miniotest.User, miniotest.Password)
	return s
}

// assume is the environment of somebody who has the rights of a policy and no more.
func (s *site) assume(policy string) []string {
	s.t.Helper()
	role, err := credentials.NewSTSAssumeRole(s.address, credentials.STSAssumeRoleOptions{
		AccessKey: miniotest.User, SecretKey: miniotest.Password, Policy: policy, Location: "us-east-1", DurationSeconds: 900})
	if err != nil {
		s.t.Fatal(err)
	}
	value, err := role.GetWithContext(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return append(s.as(value.AccessKeyID, value.SecretAccessKey), "AWS_SESSION_TOKEN="+value.SessionToken)
}

// TestFallbackOnMinIO: on a real store the policies that are printed are enough for each
// role, and no more than that.
func TestFallbackOnMinIO(t *testing.T) {
	t.Parallel()
	s := onMinIO(t)
	for range 2 { // it may be repeated
		o := s.fallback("bucket-init", "--create", "--version", "3.9.1")
		if o.code != 0 || strings.Contains(o.out, operator.Failed) {
			t.Fatalf("%+v", o)
		}
	}
	kong, changed := declare(t, declaration), declare(t, strings.ReplaceAll(declaration, "/orders", "/o"))
	policy := func(args ...string) string {
		o := s.fallback(append([]string{"iam"}, args...)...)
		if o.code != 0 || !json.Valid([]byte(o.out)) {
			t.Fatalf("%+v", o)
		}
		return o.out
	}
	exporter := s.assume(policy("--role", operator.Exporter, "--version", "3.9.1"))
	importer := s.assume(policy("--role", operator.Importer, "--version", "3.9.1"))
	for i, step := range []struct {
		env  []string
		args []string
		code int
		says string
	}{
		{importer, []string{"verify", "--version", "3.9.1"}, run.ExitViolated, "no such object"}, // and not: denied
		{importer, []string{"seed", "--version", "3.9.1", "--file", kong}, run.ExitEnvironment, "denies access"},
		{exporter, []string{"seed", "--version", "3.9.1", "--file", kong}, 0, `"epoch": "1.1"`},
		{exporter, []string{"seed", "--version", "3.8.1", "--file", kong}, run.ExitEnvironment, "denies access"},
		{exporter, []string{"seed", "--version", "3.9.1", "--storage", "s3://backup/us", "--file", kong}, run.ExitEnvironment, "denies access"},
		{exporter, []string{"inspect"}, 0, `"epoch": "1.1"`},
		{importer, []string{"inspect"}, 0, `"epoch": "1.1"`},
		{importer, []string{"inspect", "--storage", "s3://backup/us"}, run.ExitEnvironment, "denies access"},
		{importer, []string{"verify", "--version", "3.9.1"}, 0, `"bootable": true`},
		{importer, []string{"seed", "--version", "3.9.1", "--file", changed, "--force"}, run.ExitEnvironment, "denies access"},
		{exporter, []string{"seed", "--version", "3.9.1", "--file", changed, "--force"}, 0, `"epoch": "2.1"`},
		{importer, []string{"diff", "--version", "3.9.1", "--file", changed}, 0, `"equal": true`},
		{importer, []string{"inspect"}, 0, `"encryption": "AES256"`}, // by default
		{append([]string{operator.S3ConfigVariable + `={"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"blackout"}`}, exporter...),
			[]string{"seed", "--version", "3.9.1", "--file", kong, "--force"}, 0, `"epoch": "3.1"`},
		{importer, []string{"inspect"}, 0, `"encryption": "aws:kms"`},
		{s.env, []string{"inspect", "--settings", "--human"}, 0, "versioning   Enabled\nencryption   AES256 by default\nlifecycle    blackout-"},
		{importer, []string{"inspect", "--settings"}, run.ExitEnvironment, "denies access"},
		{importer, []string{"bucket-init"}, run.ExitEnvironment, "denies access"},
	} {
		o := program(t, step.env, step.args...)
		if o.code != step.code || !strings.Contains(o.out+o.errors, step.says) {
			t.Errorf("%d. %v: %+v, want exit code %d and %q", i, step.args, o, step.code, step.says)
		}
	}
}
