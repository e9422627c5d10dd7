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

// The schemes of a [Location].
const (
	schemeS3   = "s3"
	schemeGCS  = "gcs"
	schemeFile = "file"
)

// forms are the storage URLs that there are, for error messages.
const forms = "s3://<bucket>/<prefix>, gcs://<bucket>/<prefix> (or gs://) or file:///<directory>"

// Location is a parsed storage URL.
type Location struct {
	Scheme string // "s3", "gcs" or "file"
	Bucket string // of "file": the absolute path of the directory
	Prefix string // without slashes at its ends; may be empty, and is so with "file"
}

// String is the location as a storage URL.
func (l Location) String() string {
	if l.Prefix == "" {
		return l.Scheme + "://" + l.Bucket
	}
	return l.Scheme + "://" + l.Bucket + "/" + l.Prefix
}

// ParseLocation parses "s3://bucket/prefix", "gcs://bucket/prefix", whose alias
// "gs://" it makes "gcs", or "file:///directory". Kong's azure:// is refused by name.
// Errors quote nothing but the scheme: any other part may hold a secret.
func ParseLocation(storage string) (Location, error) {
	scheme, rest, found := strings.Cut(storage, "://")
	if !found {
		return Location{}, errors.New("storage URL has no scheme; write " + forms)
	}
	authority, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(scheme+authority, "@:") {
		return Location{}, errors.New("storage URL holds credentials or a port; write " + forms + ", and give credentials in the environment")
	}
	switch scheme {
	case schemeS3:
		return parseBucket(scheme, authority, path, s3Name)
	case schemeGCS, "gs":
		return parseBucket(schemeGCS, authority, path, gcsName)
	case schemeFile:
		return parseDirectory(authority, path)
	case "azure":
		return Location{}, errors.New("storage scheme azure:// is not supported yet; write " + forms)
	}
	if wellFormedScheme.MatchString(scheme) {
		return Location{}, fmt.Errorf("unknown storage scheme %q; write %s", scheme, forms)
	}
	return Location{}, errors.New("unknown storage scheme; write " + forms)
}

var wellFormedScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,15}$`)

// naming is a store's rule for the names of buckets.
type naming struct {
	pattern *regexp.Regexp
	rule    string
}

var (
	s3Name = naming{regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
		"it takes 3 to 63 lower-case letters, digits, dots and hyphens"}
	gcsName = naming{regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`),
		"it takes 3 to 222 lower-case letters, digits, dots, hyphens and underscores"}
)

func parseBucket(scheme, bucket, prefix string, name naming) (Location, error) {
	if !name.pattern.MatchString(bucket) || strings.Contains(bucket, "..") {
		return Location{}, fmt.Errorf("what follows %s:// is not a bucket's name; %s", scheme, name.rule)
	}
	prefix = strings.Trim(prefix, "/")
	if err := checkPath("prefix", prefix); err != nil {
		return Location{}, err
	}
	return Location{Scheme: scheme, Bucket: bucket, Prefix: prefix}, nil
}

// parseDirectory takes the path as it stands: where it is escaped, it is not clear
// what is meant.
func parseDirectory(authority, path string) (Location, error) {
	directory := strings.TrimRight(path, "/")
	switch {
	case authority != "":
		return Location{}, errors.New("file:// names a host or a relative path; write file:///<directory>, with three slashes")
	case directory == "":
		return Location{}, errors.New("file:// names no directory; write file:///<directory>")
	case strings.Contains(directory, "%"):
		return Location{}, errors.New("file:// path contains '%'; write it as it is, not escaped, or choose another")
	}
	if err := checkPath("path", directory); err != nil {
		return Location{}, err
	}
	return Location{Scheme: schemeFile, Bucket: "/" + directory}, nil
}

// checkPath refuses what clients and proxies on the way to the store would rewrite,
// so that exporter and importer would mean different objects.
func checkPath(which, path string) error {
	if path == "" {
		return nil
	}
	if len(path) > 512 {
		return fmt.Errorf("storage %s has %d bytes; at most 512 fit", which, len(path))
	}
	for _, r := range path {
		if r == '?' || r == '#' || r == '\\' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return fmt.Errorf("storage %s contains %q; use letters, digits, hyphens and slashes", which, r)
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("storage %s has the part %q; remove it", which, part)
		}
	}
	return nil
}
