// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The functions below read a value of cluster_fallback_export_s3_config and return
// what its header says. Their errors follow the member's name, and do not quote
// values that may be secret.

// text is a text that a header can carry.
func text(value json.RawMessage) (string, error) {
	var read *string
	if err := json.Unmarshal(value, &read); err != nil || read == nil {
		return "", errors.New("is not a text; put its value in quotes")
	}
	if *read == "" || strings.TrimSpace(*read) != *read || strings.ContainsFunc(*read, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("is empty, or has a character that a header cannot carry; use printable ASCII, without spaces around it")
	}
	return *read, nil
}

func boolean(value json.RawMessage) (string, error) {
	if given := string(value); given == "true" || given == "false" {
		return given, nil
	}
	return "", errors.New("is neither true nor false")
}

func oneOf(values ...string) func(json.RawMessage) (string, error) {
	return func(value json.RawMessage) (string, error) {
		given, err := text(value)
		if err != nil {
			return "", err
		}
		for _, allowed := range values {
			if given == allowed {
				return given, nil
			}
		}
		return "", fmt.Errorf("cannot be %q; use %s", given, strings.Join(values, ", "))
	}
}

const forEverybody = "would show the configuration, with the credentials in it, to everybody"

func cannedACL(value json.RawMessage) (string, error) {
	given, err := text(value)
	switch given {
	case "public-read", "public-read-write", "authenticated-read":
		return "", fmt.Errorf("cannot be %s: it %s", given, forEverybody)
	}
	if err != nil {
		return "", err
	}
	return oneOf("private", "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read")(value)
}

// grant is a list of grantees. S3's groups are everybody, everybody with an account
// at AWS, and the writer of access logs.
func grant(value json.RawMessage) (string, error) {
	given, err := text(value)
	if err == nil && strings.Contains(given, "/groups/global/") {
		return "", errors.New("cannot name a global group: it " + forEverybody)
	}
	return given, err
}

// storageClass takes any but the archives: S3-compatible stores have names of their
// own.
func storageClass(value json.RawMessage) (string, error) {
	given, err := text(value)
	if err == nil && (given == "GLACIER" || given == "DEEP_ARCHIVE") {
		return "", fmt.Errorf("cannot be %s: no node could boot from an object that must be restored first; use GLACIER_IR or STANDARD_IA", given)
	}
	return given, err
}

// encryptionContext is the base64 of a JSON object of texts.
func encryptionContext(value json.RawMessage) (string, error) {
	given, err := text(value)
	if err != nil {
		return "", err
	}
	decoded, err := base64.StdEncoding.DecodeString(given)
	var pairs map[string]string
	if err != nil || json.Unmarshal(decoded, &pairs) != nil || pairs == nil {
		return "", errors.New("is not the base64 of a JSON object of texts")
	}
	return given, nil
}

// tagging is "key=value&key=value", encoded as a URL's query. S3 takes ten tags.
func tagging(value json.RawMessage) (string, error) {
	given, err := text(value)
	if err != nil {
		return "", err
	}
	tags, err := url.ParseQuery(given)
	if err != nil || len(tags) > 10 {
		return "", errors.New(`is not a list of at most ten tags as in a URL's query, such as "team=edge&tier=1"`)
	}
	for key, values := range tags {
		if key == "" || len(values) != 1 {
			return "", errors.New("has a tag without a name, or one twice")
		}
	}
	return given, nil
}

// lockDate is RFC 3339, as the header is. A date that passes while the node runs
// makes the store refuse every later upload.
func lockDate(value json.RawMessage) (string, error) {
	at, err := date(value)
	return at.Format(time.RFC3339), err
}

func expiryDate(value json.RawMessage) (string, error) {
	at, err := date(value)
	return at.Format(http.TimeFormat), err
}

func date(value json.RawMessage) (time.Time, error) {
	given, err := text(value)
	if err != nil {
		return time.Time{}, err
	}
	if at, err := time.Parse(time.RFC3339, given); err == nil {
		return at.UTC(), nil
	}
	if at, err := http.ParseTime(given); err == nil {
		return at.UTC(), nil
	}
	return time.Time{}, errors.New("is not a time; write it as 2030-01-31T00:00:00Z")
}
