// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"fmt"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/file"
	"blackout/internal/fallback/bucket/gcs"
	"blackout/internal/fallback/bucket/s3"
)

// Open opens the bucket of a node's cluster_fallback_config_storage. It sends no
// request. Credentials come from the environment, as the bucket's package says.
func (p Parameters) Open(getenv func(string) string) (bucket.Bucket, error) {
	location, err := ParseLocation(p.Storage)
	if err != nil {
		return nil, fmt.Errorf("cluster_fallback_config_storage: %w", err)
	}
	opened, err := p.open(location, getenv)
	if err != nil {
		return nil, fmt.Errorf("open the fallback storage %s: %w", location, err)
	}
	return opened, nil
}

// open does not hand out a nil pointer as a bucket.
func (p Parameters) open(location Location, getenv func(string) string) (bucket.Bucket, error) {
	switch location.Scheme {
	case schemeGCS:
		opened, err := gcs.Open(gcs.Options{Bucket: location.Bucket, Getenv: getenv})
		if err != nil {
			return nil, err
		}
		return opened, nil
	case schemeFile:
		opened, err := file.Open(location.Bucket)
		if err != nil {
			return nil, err
		}
		return opened, nil
	}
	opened, err := s3.Open(s3.Options{Bucket: location.Bucket, PutConfig: p.S3Config, Getenv: getenv})
	if err != nil {
		return nil, err
	}
	return opened, nil
}
