// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// The headers that this package looks at by name.
const (
	headerEncryption = "X-Amz-Server-Side-Encryption"
	headerKMSKey     = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	headerMeta       = "X-Amz-Meta-"
)

// CheckPutConfig checks a cluster_fallback_export_s3_config: a JSON object of
// members of S3's PutObject call, which are added to every upload. All of them are
// taken, with values as in the AWS SDKs, but those that say what is uploaded where
// on which condition, and those that would make an object that no importer can read
// or that everybody can: a snapshot holds credentials.
// Other keys are refused, since they would silently have no effect. An empty text
// asks for nothing.
//
// A lease of the election among backup nodes is an upload too. What asks for the
// snapshot's keeping or its serving by the web does not go with it (StorageClass,
// the object lock, Metadata, Content…, CacheControl, Expires,
// WebsiteRedirectLocation): a lease is replaced every few seconds, so that a locked
// one could pile up versions that nobody may delete, and a class with a minimum
// storage time would be paid for with each. What asks for protection, ownership and
// accounting does (encryption, ACL, grants, Tagging, ExpectedBucketOwner,
// RequestPayer), since a bucket's policy may demand it of every upload.
func CheckPutConfig(text string) error {
	_, err := parsePutConfig(text)
	return err
}

// putConfig is a parsed cluster_fallback_export_s3_config.
type putConfig struct {
	every    http.Header // goes with every upload
	snapshot http.Header // goes with those that are not transient
}

// member is a member of PutObject that becomes a header.
type member struct {
	header   string
	value    func(json.RawMessage) (string, error)
	snapshot bool // not for a lease
}

var members = map[string]member{
	"ServerSideEncryption":    {header: headerEncryption, value: oneOf("AES256", "aws:kms", "aws:kms:dsse")},
	"SSEKMSKeyId":             {header: headerKMSKey, value: text},
	"SSEKMSEncryptionContext": {header: "X-Amz-Server-Side-Encryption-Context", value: encryptionContext},
	"BucketKeyEnabled":        {header: "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", value: boolean},

	"ACL":                 {header: "X-Amz-Acl", value: cannedACL},
	"GrantFullControl":    {header: "X-Amz-Grant-Full-Control", value: grant},
	"GrantRead":           {header: "X-Amz-Grant-Read", value: grant},
	"GrantReadACP":        {header: "X-Amz-Grant-Read-Acp", value: grant},
	"GrantWriteACP":       {header: "X-Amz-Grant-Write-Acp", value: grant},
	"ExpectedBucketOwner": {header: "X-Amz-Expected-Bucket-Owner", value: text},
	"RequestPayer":        {header: "X-Amz-Request-Payer", value: oneOf("requester")},
	"Tagging":             {header: "X-Amz-Tagging", value: tagging},

	"StorageClass":              {header: "X-Amz-Storage-Class", value: storageClass, snapshot: true},
	"ObjectLockMode":            {header: "X-Amz-Object-Lock-Mode", value: oneOf("GOVERNANCE", "COMPLIANCE"), snapshot: true},
	"ObjectLockRetainUntilDate": {header: "X-Amz-Object-Lock-Retain-Until-Date", value: lockDate, snapshot: true},
	"ObjectLockLegalHoldStatus": {header: "X-Amz-Object-Lock-Legal-Hold", value: oneOf("ON", "OFF"), snapshot: true},
	"CacheControl":              {header: "Cache-Control", value: text, snapshot: true},
	"ContentDisposition":        {header: "Content-Disposition", value: text, snapshot: true},
	"ContentLanguage":           {header: "Content-Language", value: text, snapshot: true},
	"ContentType":               {header: "Content-Type", value: text, snapshot: true},
	"Expires":                   {header: "Expires", value: expiryDate, snapshot: true},
	"WebsiteRedirectLocation":   {header: "X-Amz-Website-Redirect-Location", value: text, snapshot: true},
}

// refused are the members that are not taken, and why.
var refused = map[string]string{
	"Body": "the exporter uploads the configuration", "ContentLength": "the exporter uploads the configuration",
	"Bucket": "the bucket is that of cluster_fallback_config_storage", "Key": "the key is made of cluster_fallback_config_storage and the version",
	"ContentMD5": "the exporter computes it", "IfMatch": "the exporter says on which condition it writes", "IfNoneMatch": "the exporter says on which condition it writes",
	"WriteOffsetBytes":     "a snapshot is written whole",
	"ContentEncoding":      "the snapshot is plain JSON, and importers would take it for what it is not",
	"SSECustomerAlgorithm": noCustomerKey, "SSECustomerKey": noCustomerKey, "SSECustomerKeyMD5": noCustomerKey,
}

const noCustomerKey = "an importer has no such key to read the object with; use aws:kms"

func parsePutConfig(text string) (putConfig, error) {
	config := putConfig{every: http.Header{}, snapshot: http.Header{}}
	if text == "" {
		return config, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &given); err != nil || given == nil {
		// The text is not quoted: a key or a context in it may be secret.
		return putConfig{}, errors.New(`cluster_fallback_export_s3_config: not a JSON object; write for example {"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"…"}`)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := config.add(name, given[name]); err != nil {
			return putConfig{}, fmt.Errorf("cluster_fallback_export_s3_config: %s: %w", name, err)
		}
	}
	if err := config.validate(); err != nil {
		return putConfig{}, fmt.Errorf("cluster_fallback_export_s3_config: %w", err)
	}
	return config, nil
}

func (c putConfig) add(name string, value json.RawMessage) error {
	if name == "Metadata" {
		return c.addMetadata(value)
	}
	known, ok := members[name]
	switch {
	case ok:
	case strings.HasPrefix(name, "Checksum"):
		return errors.New("cannot be set: the exporter computes the checksum")
	case refused[name] != "":
		return fmt.Errorf("cannot be set: %s", refused[name])
	default:
		return errors.New("is not known in S3's PutObject call; remove it, or correct its spelling and case")
	}
	text, err := known.value(value)
	if err != nil {
		return err
	}
	if known.snapshot {
		c.snapshot.Set(known.header, text)
	} else {
		c.every.Set(known.header, text)
	}
	return nil
}

// ourMetadata begins the names of the exporter's own metadata.
const ourMetadata = "blackout-"

func (c putConfig) addMetadata(value json.RawMessage) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(value, &given); err != nil || given == nil {
		return errors.New("is not an object of texts")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		lower := strings.ToLower(name)
		if name == "" || strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%q is not a name; use letters, digits and hyphens", name)
		}
		if strings.HasPrefix(lower, ourMetadata) {
			return fmt.Errorf("names that begin with %s are the exporter's own; choose another than %q", ourMetadata, name)
		}
		value, err := text(given[name])
		if err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		c.snapshot.Set(headerMeta+name, value)
	}
	return nil
}

// validate checks what depends on more than one member.
func (c putConfig) validate() error {
	kms := strings.HasPrefix(c.every.Get(headerEncryption), "aws:kms")
	for _, name := range []string{"SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled"} {
		if c.every.Get(members[name].header) != "" && !kms {
			return fmt.Errorf(`%s has no effect without "ServerSideEncryption": "aws:kms"`, name)
		}
	}
	mode, until := members["ObjectLockMode"].header, members["ObjectLockRetainUntilDate"].header
	if (c.snapshot.Get(mode) == "") != (c.snapshot.Get(until) == "") {
		return errors.New("ObjectLockMode and ObjectLockRetainUntilDate go together; set both, or leave retention to the bucket's default")
	}
	grants := slices.ContainsFunc(slices.Collect(maps.Keys(c.every)), func(name string) bool { return strings.HasPrefix(name, "X-Amz-Grant-") })
	if grants && c.every.Get("X-Amz-Acl") != "" {
		return errors.New("ACL and the Grant… keys exclude each other; set one of them")
	}
	return nil
}

// headers are what goes with an upload.
func (c putConfig) headers(transient bool) encrypt.ServerSide {
	if transient {
		return uploadHeaders{c.every}
	}
	return uploadHeaders{c.every, c.snapshot}
}

// uploadHeaders go with an upload. minio-go's options have no place for most of
// them, but let an encryption set any header before the request is signed.
type uploadHeaders []http.Header

var _ encrypt.ServerSide = uploadHeaders(nil)

// Type implements encrypt.ServerSide.
func (uploadHeaders) Type() encrypt.Type { return encrypt.S3 }

// Marshal implements encrypt.ServerSide.
func (u uploadHeaders) Marshal(into http.Header) {
	for _, headers := range u {
		maps.Copy(into, headers)
	}
}

// check compares the store's answer with the encryption that was asked for: stores
// that know none accept the request and store the object in clear.
func (c putConfig) check(answer http.Header) error {
	want := c.every.Get(headerEncryption)
	if want == "" {
		return nil
	}
	if got := answer.Get(headerEncryption); got != want {
		return fmt.Errorf("%w: asked for %q, the store answered %q; the object is there", bucket.ErrNotEncrypted, want, oneLine(got))
	}
	if key, used := c.every.Get(headerKMSKey), answer.Get(headerKMSKey); !sameKey(key, used) {
		return fmt.Errorf("%w: asked for the key %q, the store took %q; the object is there", bucket.ErrNotEncrypted, key, oneLine(used))
	}
	return nil
}

// sameKey compares a key's id or ARN with the one that a store tells of. An alias
// says nothing of the key behind it, and not every store tells.
func sameKey(asked, used string) bool {
	if asked == "" || used == "" || strings.Contains(asked, "alias/") {
		return true
	}
	last := func(arn string) string { return arn[strings.LastIndexAny(arn, ":/")+1:] }
	return last(asked) == last(used)
}
