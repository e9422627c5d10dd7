// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"strings"
	"testing"
)

func TestParseLocation(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // storage URL → canonical form, "" if refused
		"s3://backup/prod/eu":          "s3://backup/prod/eu",
		"s3://backup/prod/eu/":         "s3://backup/prod/eu",
		"s3://backup":                  "s3://backup",
		"s3://backup/":                 "s3://backup",
		"":                             "",
		"backup/prod":                  "",
		"s3://":                        "",
		"s3://ab/p":                    "",
		"s3://Backup/p":                "",
		"s3://back_up/p":               "",
		"s3://user:pw@bucket/p":        "",
		"s3://backup/a/../b":           "",
		"s3://backup/a//b":             "",
		"s3://backup/a?x=1":            "",
		"s3://backup/a\nb":             "",
		"gcs://backup/p":               "gcs://backup/p",
		"gs://backup/p/":               "gcs://backup/p",
		"gs://back_up.example.com":     "gcs://back_up.example.com",
		"gs://Backup/p":                "",
		"gs://backup/../p":             "",
		"gs:///p":                      "",
		"file:///var/backup/kong":      "file:///var/backup/kong",
		"file:///var/backup/kong//":    "file:///var/backup/kong",
		"file:///mnt/Größe 1/.kong":    "file:///mnt/Größe 1/.kong",
		"file:///":                     "",
		"file://":                      "",
		"file://var/backup":            "",
		"file://localhost/var/backup":  "",
		"file:///var/../etc":           "",
		"file:////var/backup":          "",
		"file:///var/my%20backup":      "",
		"file:///var/backup?mode=0600": "",
		"azure://account/c/p":          "",
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
		"hunter2:x@backup://p", "s3//key:hunter2@backup/p", "S3://key:hunter2@backup/p", "s3://KEY/hunter2@backup/p", "s3://backup/p?X-Amz-Signature=hunter2",
		"gs://hunter2@backup/p", "gs://backup/p?key=hunter2", "file://me:hunter2@host/p", "file://hunter2/p", "file:///p#hunter2", "hunter2://backup?hunter2",
		"azure://account/c/p?sig=hunter2", "azure://me:hunter2@account/c/p", "a very long hunter2 that is no scheme://p"} {
		err := Parameters{Import: true, Storage: storage, Version: "3.9.1"}.Validate(false)
		if err == nil {
			t.Errorf("%s: accepted", storage)
		} else if rest := strings.ReplaceAll(err.Error(), `scheme "hunter2"`, ""); strings.Contains(rest, "hunt") {
			t.Errorf("%s: got %v", storage, err)
		}
	}
}

func TestOnlyTheKindOfStoreThatIsNotThereYetIsNamed(t *testing.T) {
	t.Parallel()
	for storage, want := range map[string]string{
		"azure://account/c/p": "azure:// is not supported yet; write s3://",
		"nfs://host/p":        `unknown storage scheme "nfs"; write s3://`,
	} {
		_, err := ParseLocation(storage)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", storage, err, want)
		}
		for _, form := range []string{"s3://<bucket>/<prefix>", "gcs://<bucket>/<prefix>", "gs://", "file:///<directory>"} {
			if err == nil || !strings.Contains(err.Error(), form) {
				t.Errorf("%s: error %v does not tell of %s", storage, err, form)
			}
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add("s3://backup/prod/eu")
	f.Add("s3://a.b-c/ü/")
	f.Add("gs://backup")
	f.Add("file:///var/backup")
	f.Fuzz(func(t *testing.T, storage string) {
		location, err := ParseLocation(storage)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: the error has several lines: %q", storage, err)
			}
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
