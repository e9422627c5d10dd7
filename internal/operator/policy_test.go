// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"blackout/internal/operator"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

const keyARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url     string
		options operator.PolicyOptions
	}{
		"iam-importer": {"s3://backup/eu", operator.PolicyOptions{Role: operator.Importer, Version: version, Getenv: environment()}},
		"iam-exporter-kms": {"s3://backup/eu", operator.PolicyOptions{Role: operator.Exporter, KMSKey: keyARN,
			Getenv: environment("AWS_REGION", "cn-north-1", operator.S3ConfigVariable, `{"Tagging":"a=b"}`)}},
		"iam-importer-whole-bucket": {"s3://backup", operator.PolicyOptions{Role: operator.Importer, Getenv: environment()}},
	} {
		policy, err := operator.Policies(c.url, c.options)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, policy)
	}
}

// TestPoliciesAreLeast: no role may delete, an importer may not write, and nothing but the
// storage's own objects is named.
func TestPoliciesAreLeast(t *testing.T) {
	t.Parallel()
	for _, role := range []string{operator.Exporter, operator.Importer} {
		policy, err := operator.Policies("s3://backup/eu", operator.PolicyOptions{Role: role, Version: version, Getenv: environment()})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "Delete") || strings.Contains(string(text), "s3:*") || strings.Contains(string(text), "Put") != (role == operator.Exporter) ||
			strings.Contains(string(text), "election") != (role == operator.Exporter) {
			t.Errorf("%s: %s", role, text)
		}
	}
}

func TestPoliciesRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url     string
		options operator.PolicyOptions
	}{
		"no storage":     {"", operator.PolicyOptions{Role: operator.Importer}},
		"no role":        {"s3://backup/eu", operator.PolicyOptions{}},
		"a wild key":     {"s3://backup/eu", operator.PolicyOptions{Role: operator.Importer, KMSKey: "*"}},
		"a wild bucket":  {"s3://*/eu", operator.PolicyOptions{Role: operator.Importer}},
		"a wild prefix":  {"s3://backup/e*", operator.PolicyOptions{Role: operator.Importer}},
		"a wild version": {"s3://backup/eu", operator.PolicyOptions{Role: operator.Importer, Version: "*"}},
		"a bad version":  {"s3://backup/eu", operator.PolicyOptions{Role: operator.Importer, Version: "3/9"}},
	} {
		c.options.Getenv = environment()
		if p, err := operator.Policies(c.url, c.options); !errors.Is(err, operator.ErrInput) {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
	}
}
