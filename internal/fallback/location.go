// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Location is a parsed storage URL.
type Location struct {
	Scheme string // "s3"
	Bucket string
	Prefix string // without slashes at its ends; may be empty
}

// String is the location as a storage URL.
func (l Location) String() string {
	if l.Prefix == "" {
		return l.Scheme + "://" + l.Bucket
	}
	return l.Scheme + "://" + l.Bucket + "/" + l.Prefix
}

// bucketName follows S3's rules for general purpose buckets: 3 to 63
// lower-case letters, digits, dots and hyphens.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseLocation parses "s3://bucket/prefix". Kong's other schemes, gcs://,
// gs:// and azure://, are refused by name.
func ParseLocation(storage string) (Location, error) {
	scheme, rest, found := strings.Cut(storage, "://")
	if !found {
		return Location{}, errors.New("storage URL has no scheme; write s3://<bucket>/<prefix>")
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(scheme+bucket, "@:") {
		// What stands there may be a secret: it must not be quoted.
		return Location{}, errors.New("storage URL holds credentials or a port; write s3://<bucket>/<prefix>, and give credentials in the environment")
	}
	switch scheme {
	case "s3":
	case "gcs", "gs", "azure":
		return Location{}, fmt.Errorf("storage scheme %s:// is not supported yet; use s3://<bucket>/<prefix>", scheme)
	default:
		return Location{}, fmt.Errorf("unknown storage scheme %q; use s3://<bucket>/<prefix>", scheme)
	}
	if !bucketName.MatchString(bucket) || strings.Contains(bucket, "..") {
		return Location{}, fmt.Errorf("%q is not a bucket name; it takes 3 to 63 lower-case letters, digits, dots and hyphens", bucket)
	}
	prefix = strings.Trim(prefix, "/")
	if err := checkPrefix(prefix); err != nil {
		return Location{}, err
	}
	return Location{Scheme: scheme, Bucket: bucket, Prefix: prefix}, nil
}

// checkPrefix refuses prefixes that clients and proxies on the way to the store
// would rewrite, so that exporter and importer would mean different objects.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > 512 {
		return fmt.Errorf("storage prefix has %d bytes; at most 512 fit", len(prefix))
	}
	for _, r := range prefix {
		if r == '?' || r == '#' || r == '\\' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return fmt.Errorf("storage prefix %q contains %q; use letters, digits, hyphens and slashes", prefix, r)
		}
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("storage prefix %q has the part %q; remove it", prefix, part)
		}
	}
	return nil
}
