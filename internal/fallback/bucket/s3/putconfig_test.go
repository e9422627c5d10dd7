// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"blackout/internal/fallback/bucket"
)

// putObject are the members of S3's PutObject call, as in the AWS SDK for Go 1.30.
var putObject = []string{
	"ACL", "Body", "Bucket", "BucketKeyEnabled", "CacheControl", "ChecksumAlgorithm", "ChecksumCRC32", "ChecksumCRC32C",
	"ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256", "ContentDisposition", "ContentEncoding", "ContentLanguage",
	"ContentLength", "ContentMD5", "ContentType", "ExpectedBucketOwner", "Expires", "GrantFullControl", "GrantRead",
	"GrantReadACP", "GrantWriteACP", "IfMatch", "IfNoneMatch", "Key", "Metadata", "ObjectLockLegalHoldStatus",
	"ObjectLockMode", "ObjectLockRetainUntilDate", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey",
	"SSECustomerKeyMD5", "SSEKMSEncryptionContext", "SSEKMSKeyId", "ServerSideEncryption", "StorageClass", "Tagging",
	"WebsiteRedirectLocation", "WriteOffsetBytes",
}

func TestEveryMemberOfPutObjectIsTakenOrRefusedByName(t *testing.T) {
	t.Parallel()
	for _, name := range putObject {
		_, isRefused := refused[name]
		_, isTaken := members[name]
		isTaken = isTaken || name == "Metadata"
		isRefused = isRefused || strings.HasPrefix(name, "Checksum")
		if isTaken == isRefused {
			t.Errorf("%s: taken %v, refused %v", name, isTaken, isRefused)
		}
		if err := CheckPutConfig(fmt.Sprintf("{%q:[]}", name)); err == nil || !strings.Contains(err.Error(), "cluster_fallback_export_s3_config: "+name) ||
			strings.Contains(err.Error(), "is not known") || isRefused && !strings.Contains(err.Error(), "cannot be set: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name := range members {
		if !slices.Contains(putObject, name) {
			t.Errorf("%s is no member of PutObject", name)
		}
	}
}

func TestPutConfigIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ config, want string }{
		{`nonsense`, "not a JSON object"},
		{`null`, "not a JSON object"},
		{`["ServerSideEncryption"]`, "not a JSON object"},
		{`{} {}`, "not a JSON object"},
		{`{"serverSideEncryption":"AES256"}`, "serverSideEncryption: is not known"},
		{`{"ServerSideEncryption":"rot13"}`, `ServerSideEncryption: cannot be "rot13"; use AES256, aws:kms`},
		{`{"ServerSideEncryption":true}`, "ServerSideEncryption: is not a text"},
		{`{"ServerSideEncryption":null}`, "ServerSideEncryption: is not a text"},
		{`{"SSEKMSKeyId":"k"}`, `SSEKMSKeyId has no effect without "ServerSideEncryption": "aws:kms"`},
		{`{"SSEKMSKeyId":"k","ServerSideEncryption":"AES256"}`, "SSEKMSKeyId has no effect"},
		{`{"BucketKeyEnabled":true}`, "BucketKeyEnabled has no effect"},
		{`{"BucketKeyEnabled":"true","ServerSideEncryption":"aws:kms"}`, "BucketKeyEnabled: is neither true nor false"},
		{`{"SSEKMSEncryptionContext":"{}","ServerSideEncryption":"aws:kms"}`, "SSEKMSEncryptionContext: is not the base64"},
		{`{"StorageClass":"DEEP_ARCHIVE"}`, "StorageClass: cannot be DEEP_ARCHIVE: no node could boot"},
		{`{"StorageClass":""}`, "StorageClass: is empty"},
		{`{"CacheControl":"a\r\nX-Amz-Acl: public-read"}`, "CacheControl: is empty, or has a character"},
		{`{"Tagging":"a=1&a=2"}`, "Tagging: has a tag without a name, or one twice"},
		{`{"Tagging":"%zz"}`, "Tagging: is not a list"},
		{`{"ObjectLockMode":"GOVERNANCE"}`, "ObjectLockMode and ObjectLockRetainUntilDate go together"},
		{`{"ObjectLockRetainUntilDate":"tomorrow"}`, "ObjectLockRetainUntilDate: is not a time"},
		{`{"ObjectLockLegalHoldStatus":"on"}`, `ObjectLockLegalHoldStatus: cannot be "on"; use ON, OFF`},
		{`{"ACL":"public-read"}`, "ACL: cannot be public-read: it would show the configuration"},
		{`{"ACL":"everyone"}`, `ACL: cannot be "everyone"; use private, bucket-owner-read`},
		{`{"GrantRead":"uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""}`, "GrantRead: cannot name a global group"},
		{`{"ACL":"private","GrantRead":"id=1"}`, "ACL and the Grant… keys exclude each other"},
		{`{"Metadata":"a"}`, "Metadata: is not an object"},
		{`{"Metadata":{"a b":"1"}}`, `Metadata: "a b" is not a name`},
		{`{"Metadata":{"Blackout-Hash":"1"}}`, "are the exporter's own"},
		{`{"Metadata":{"a":1}}`, "Metadata: a is not a text"},
		{`{"ContentEncoding":"gzip"}`, "ContentEncoding: cannot be set: the snapshot is plain JSON"},
		{`{"SSECustomerKey":"secret-key"}`, "SSECustomerKey: cannot be set: an importer has no such key"},
		{`{"Bucket":"other"}`, "Bucket: cannot be set: the bucket is that of cluster_fallback_config_storage"},
		{`{"ChecksumXXHASH64":"x"}`, "ChecksumXXHASH64: cannot be set: the exporter computes the checksum"},
	}
	for _, test := range tests {
		err := CheckPutConfig(test.config)
		if err == nil || !strings.HasPrefix(err.Error(), "cluster_fallback_export_s3_config: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.config, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret-key")) {
			t.Errorf("%s: %q", test.config, err)
		}
	}
}

// everyMember asks for all that is taken.
const everyMember = `{
	"ServerSideEncryption":"aws:kms", "SSEKMSKeyId":"k1", "SSEKMSEncryptionContext":"eyJhIjoiYiJ9", "BucketKeyEnabled":true,
	"ACL":"bucket-owner-full-control", "ExpectedBucketOwner":"123456789012", "RequestPayer":"requester", "Tagging":"team=edge&tier=1",
	"StorageClass":"STANDARD_IA", "ObjectLockMode":"GOVERNANCE", "ObjectLockRetainUntilDate":"2030-01-31T00:00:00+01:00", "ObjectLockLegalHoldStatus":"ON",
	"CacheControl":"no-store", "ContentDisposition":"inline", "ContentLanguage":"en", "ContentType":"text/json",
	"Expires":"2030-01-31T00:00:00Z", "WebsiteRedirectLocation":"/x", "Metadata":{"Team":"edge"}}`

var (
	everyUpload = map[string]string{
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "k1",
		"X-Amz-Server-Side-Encryption-Context": "eyJhIjoiYiJ9", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true",
		"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Expected-Bucket-Owner": "123456789012", "X-Amz-Request-Payer": "requester",
		"X-Amz-Tagging": "team=edge&tier=1",
	}
	snapshotOnly = map[string]string{
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Object-Lock-Mode": "GOVERNANCE",
		"X-Amz-Object-Lock-Retain-Until-Date": "2030-01-30T23:00:00Z", "X-Amz-Object-Lock-Legal-Hold": "ON",
		"Cache-Control": "no-store", "Content-Disposition": "inline", "Content-Language": "en", "Content-Type": "text/json",
		"Expires": "Thu, 31 Jan 2030 00:00:00 GMT", "X-Amz-Website-Redirect-Location": "/x", "X-Amz-Meta-Team": "edge",
	}
)

// TestPutConfigGoesWithUploads: each member is a header, signed where S3 demands
// it, and a lease goes without those of the snapshot's keeping.
func TestPutConfigGoesWithUploads(t *testing.T) {
	t.Parallel()
	var got http.Header
	endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
	}))
	opened := openBucket(t, Options{Getenv: environment(endpoint), PutConfig: everyMember})
	for _, transient := range []bool{false, true} {
		_, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte("x")), bucket.PutOptions{Transient: transient, Metadata: map[string]string{"blackout-hash": "h"}})
		if err != nil {
			t.Fatal(err)
		}
		_, signed, _ := strings.Cut(got.Get("Authorization"), "SignedHeaders=")
		signed, _, _ = strings.Cut(signed, ",")
		names := strings.Split(signed, ";")
		expect := func(name, want string) {
			if got.Get(name) != want {
				t.Errorf("transient %v: %s: %q, want %q", transient, name, got.Get(name), want)
			}
			if lower := strings.ToLower(name); want != "" && strings.HasPrefix(lower, "x-amz-") && !slices.Contains(names, lower) {
				t.Errorf("transient %v: %s is not signed", transient, name)
			}
		}
		for name, want := range everyUpload {
			expect(name, want)
		}
		for name, want := range snapshotOnly {
			if transient {
				want = map[string]string{"Content-Type": "application/json"}[name]
			}
			expect(name, want)
		}
		expect("X-Amz-Meta-Blackout-Hash", "h")
	}
}

func TestPutChecksTheEncryption(t *testing.T) {
	t.Parallel()
	const kms = `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k1"}`
	tests := []struct {
		name, config, answer, key string
		want                      error
	}{
		{"none", "", "", "", nil},
		{"none asked for", "", "AES256", "", nil},
		{"SSE-S3", `{"ServerSideEncryption":"AES256"}`, "AES256", "", nil},
		{"SSE-KMS", kms, "aws:kms", "arn:aws:kms:eu-west-1:1:key/k1", nil},
		{"a store that does not name the key", kms, "aws:kms", "", nil},
		{"ignored by the store", kms, "", "", bucket.ErrNotEncrypted},
		{"weaker than asked", kms, "AES256", "", bucket.ErrNotEncrypted},
		{"another key", kms, "aws:kms", "arn:aws:kms:eu-west-1:1:key/k2", bucket.ErrNotEncrypted},
		{"an alias", `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"alias/a"}`, "aws:kms", "arn:aws:kms:eu-west-1:1:key/k2", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				for name, value := range map[string]string{headerEncryption: test.answer, headerKMSKey: test.key} {
					if value != "" {
						w.Header().Set(name, value)
					}
				}
			}))
			opened := openBucket(t, Options{Getenv: environment(endpoint), PutConfig: test.config})
			if _, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte(testTable)), bucket.PutOptions{}); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}
