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
		{"unknown scheme", with(func(p *Parameters) { p.Storage = "ftp://x/y" }), false, `unknown storage scheme "ftp"`},
		{"coming scheme", with(func(p *Parameters) { p.Storage = "azure://x/y" }), false, "azure:// is not supported yet"},
		{"negative delay", with(func(p *Parameters) { p.ExportDelay = -time.Second }), false, "cluster_fallback_config_export_delay"},
		{"negative attempts", with(func(p *Parameters) { p.ReadAttempts = -1 }), false, "read attempts"},
		{"no version", with(func(p *Parameters) { p.Import, p.Version = true, "" }), false, "fallback version"},
		{"climbing version", with(func(p *Parameters) { p.Import, p.Version = true, "../1" }), false, "fallback version"},
		{"encryption", with(func(p *Parameters) { p.S3Config = `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k"}` }), false, ""},
		{"cut JSON", with(func(p *Parameters) { p.S3Config = `{"ServerSideEncryption":` }), false, "cluster_fallback_export_s3_config"},
		{"JSON array", with(func(p *Parameters) { p.S3Config = `[]` }), false, "cluster_fallback_export_s3_config"},
		{"unknown setting", with(func(p *Parameters) { p.S3Config = `{"Acl":"private"}` }), false, "Acl: is not known"},
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

func TestParseLocation(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // storage URL → canonical form, "" if refused
		"s3://backup/prod/eu":   "s3://backup/prod/eu",
		"s3://backup/prod/eu/":  "s3://backup/prod/eu",
		"s3://backup":           "s3://backup",
		"s3://backup/":          "s3://backup",
		"":                      "",
		"backup/prod":           "",
		"s3://":                 "",
		"s3://ab/p":             "",
		"s3://Backup/p":         "",
		"s3://user:pw@bucket/p": "",
		"s3://backup/a/../b":    "",
		"s3://backup/a//b":      "",
		"s3://backup/a?x=1":     "",
		"s3://backup/a\nb":      "",
		"gcs://backup/p":        "",
		"gs://backup/p":         "",
		"azure://account/c/p":   "",
	}
	for storage, want := range tests {
		location, err := ParseLocation(storage)
		if (err != nil) != (want == "") {
			t.Errorf("%q: error %v", storage, err)
		} else if err == nil && location.String() != want {
			t.Errorf("%q: %q, want %q", storage, location, want)
		}
	}
}

func TestALocationWithCredentialsIsRefusedWithoutQuotingThem(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"s3://key:hunter2@backup/p", "s3://key:hunt/hunter2@backup/p", "s3://hunter2@backup", "s3://backup:hunter2/p",
		"hunter2:x@backup://p", "s3//key:hunter2@backup/p", "S3://key:hunter2@backup/p"} {
		err := Parameters{Import: true, Storage: storage, Version: "3.9.1"}.Validate(false)
		if err == nil || strings.Contains(err.Error(), "hunt") {
			t.Errorf("%s: got %v", storage, err)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add("s3://backup/prod/eu")
	f.Add("s3://a.b-c/ü/")
	f.Add("gs://backup")
	f.Fuzz(func(t *testing.T, storage string) {
		location, err := ParseLocation(storage)
		if err != nil {
			return
		}
		again, err := ParseLocation(location.String())
		if err != nil || again != location {
			t.Errorf("%q: %+v became %+v, %v", storage, location, again, err)
		}
		if key := Key(location.Prefix, "1.0"); location.Prefix != "" && key != location.Prefix+"/1.0/config.json" {
			t.Errorf("%q: the key is %q", storage, key)
		}
	})
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
