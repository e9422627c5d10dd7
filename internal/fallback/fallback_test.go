// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"strings"
	"testing"
	"time"
)

func TestParametersValidate(t *testing.T) {
	t.Parallel()
	good := Parameters{Storage: "s3://backup/p", Version: "3.9.1.0", ExportDelay: DefaultExportDelay}
	with := func(change func(*Parameters)) Parameters {
		p := good
		change(&p)
		return p
	}
	tests := []struct {
		name         string
		parameters   Parameters
		controlPlane bool
		want         string // part of the error, "" for none
	}{
		{"all off", Parameters{}, true, ""},
		{"importer", with(func(p *Parameters) { p.Import = true }), false, ""},
		{"homogeneous data plane", with(func(p *Parameters) { p.Import, p.Export = true, true }), false, ""},
		{"exporting control plane", with(func(p *Parameters) { p.Export = true }), true, ""},
		{"importing control plane", with(func(p *Parameters) { p.Import = true }), true, "cluster_fallback_config_import"},
		{"import without storage", with(func(p *Parameters) { p.Import, p.Storage = true, "" }), false, "cluster_fallback_config_storage: empty"},
		{"export without storage", with(func(p *Parameters) { p.Export, p.Storage = true, "" }), true, "cluster_fallback_config_storage: empty"},
		{"unknown scheme", with(func(p *Parameters) { p.Storage = "ftp://x/y" }), false, `unknown storage scheme "ftp"; write s3://<bucket>/<prefix>, gcs://<bucket>/<prefix> (or gs://) or file:///<directory>`},
		{"unknown scheme though all is off", Parameters{Storage: "ftp://x/y"}, false, "cluster_fallback_config_storage: unknown storage scheme"},
		{"Google's", with(func(p *Parameters) { p.Import, p.Storage = true, "gs://backup/p" }), false, ""},
		{"volume", with(func(p *Parameters) { p.Export, p.Storage = true, "file:///var/backup" }), true, ""},
		{"relative volume", with(func(p *Parameters) { p.Export, p.Storage = true, "file://var/backup" }), true, "cluster_fallback_config_storage: file:// names a host or a relative path"},
		{"coming scheme", with(func(p *Parameters) { p.Storage = "azure://x/y" }), false, "azure:// is not supported yet"},
		{"negative delay", with(func(p *Parameters) { p.ExportDelay = -time.Second }), false, "cluster_fallback_config_export_delay"},
		{"negative attempts", with(func(p *Parameters) { p.ReadAttempts = -1 }), false, "read attempts"},
		{"no version", with(func(p *Parameters) { p.Import, p.Version = true, "" }), false, "fallback version"},
		{"hidden version", with(func(p *Parameters) { p.Import, p.Version = true, ".lock" }), false, "fallback version"},
		{"climbing version", with(func(p *Parameters) { p.Import, p.Version = true, "../1" }), false, "fallback version"},
		{"encryption", with(func(p *Parameters) { p.S3Config = `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k"}` }), false, ""},
		{"S3's encryption elsewhere", with(func(p *Parameters) { p.S3Config, p.Storage = `{"ServerSideEncryption":"AES256"}`, "gs://backup/p" }), false,
			"cluster_fallback_export_s3_config: it has no effect on gcs:// storage"},
		{"S3's encryption on a volume", with(func(p *Parameters) { p.S3Config, p.Storage = `{}`, "file:///backup" }), false, "cluster_fallback_export_s3_config: it has no effect on file:// storage"},
		{"malformed S3 settings elsewhere", with(func(p *Parameters) { p.S3Config, p.Storage = `{`, "gs://backup/p" }), false, "cluster_fallback_export_s3_config"},
		{"cut JSON", with(func(p *Parameters) { p.S3Config = `{"ServerSideEncryption":` }), false, "cluster_fallback_export_s3_config"},
		{"JSON array", with(func(p *Parameters) { p.S3Config = `[]` }), false, "cluster_fallback_export_s3_config"},
		{"unknown setting", with(func(p *Parameters) { p.S3Config = `{"Acl":"private"}` }), false, "cluster_fallback_export_s3_config: Acl: is not known"},
		{"unknown encryption", with(func(p *Parameters) { p.S3Config = `{"ServerSideEncryption":"rot13"}` }), false, "rot13"},
		{"key without encryption", with(func(p *Parameters) { p.S3Config = `{"SSEKMSKeyId":"k"}` }), false, "SSEKMSKeyId"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.parameters.Validate(test.controlPlane)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	tests := []struct{ prefix, version, want string }{
		{"kong", "3.12.0.0", "kong/3.12.0.0/config.json"},
		{"a/b", "3.9.1", "a/b/3.9.1/config.json"},
		{"", "3.9.1", "3.9.1/config.json"},
	}
	for _, test := range tests {
		if got := Key(test.prefix, test.version); got != test.want {
			t.Errorf("key of %q, %q: %q, want %q", test.prefix, test.version, got, test.want)
		}
	}
}
