// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"fmt"
	"strings"
	"testing"
)

func TestOpenChoosesTheBucketByScheme(t *testing.T) {
	t.Parallel()
	tests := []struct {
		storage     string
		environment map[string]string
		want        string // type of the bucket, or part of the error
	}{
		{"s3://backup/p", map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}, "*s3.Bucket"},
		{"s3://backup/p", map[string]string{"AWS_ACCESS_KEY_ID": "a"}, "open the fallback storage s3://backup/p: "},
		{"gcs://backup/p", map[string]string{"STORAGE_EMULATOR_HOST": "localhost:4443"}, "*gcs.Bucket"},
		{"gs://backup/p", map[string]string{"GCP_SERVICE_ACCOUNT": "{"}, "open the fallback storage gcs://backup/p: GCP_SERVICE_ACCOUNT"},
		{"file:///var/backup", nil, "*file.Bucket"},
		{"azure://account/c/p", nil, "cluster_fallback_config_storage: storage scheme azure://"},
	}
	for _, test := range tests {
		opened, err := Parameters{Storage: test.storage}.Open(func(name string) string { return test.environment[name] })
		got := fmt.Sprintf("%T", opened)
		if err != nil {
			got = err.Error()
			if opened != nil {
				t.Errorf("%s: a bucket came with the error", test.storage)
			}
		} else {
			opened.Close()
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.storage, got, test.want)
		}
	}
}

func TestTheKeyOnAVolumeIsBelowItsDirectory(t *testing.T) {
	t.Parallel()
	if key := (Parameters{Storage: "file:///var/backup/kong", Version: "3.9.1.0"}).Key(); key != "3.9.1.0/config.json" {
		t.Errorf("the key is %q", key)
	}
}
