// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
	"github.com/minio/minio-go/v7/pkg/sse"
)

// Administration sets a bucket up for snapshots and tells what is in force on it.
// It takes rights that no node needs (s3:CreateBucket, s3:Put/GetBucketVersioning,
// s3:Put/GetEncryptionConfiguration, s3:Put/GetLifecycleConfiguration). Every method
// may be repeated. Errors are as those of [Bucket]: a store that lacks a feature
// gives bucket.ErrRefused.
type Administration struct{ bucket *Bucket }

// Administration administers the bucket.
func (b *Bucket) Administration() Administration { return Administration{b} }

// Settings are what is in force on a bucket.
type Settings struct {
	Versioning string   // "Enabled", "Suspended", or "Off" if it never was on
	Encryption string   // by default: "AES256", "aws:kms", or "None"
	KMSKey     string   // id or ARN of the default encryption's key; empty: the store's own
	Expiries   []Expiry // all lifecycle rules that are on and delete something, ours or not

	// Unknown are the settings above, by name, that could not be read (the right to it
	// is missing, or the store has no such feature), and why.
	Unknown map[string]error
}

// Expiry is a lifecycle rule that deletes objects.
type Expiry struct {
	ID       string
	Prefix   string // of the keys that it is for; empty: all
	Days     int    // after which an object is deleted; 0: never by age
	Replaced int    // days after which a version is deleted that was replaced or deleted; 0: never
	More     bool   // the rule has further conditions (tags, sizes, dates) that are not shown
}

// Create makes the bucket, if it is not there, in the region of AWS_REGION.
func (a Administration) Create(ctx context.Context) error {
	ctx = observed(ctx)
	err := a.bucket.core.MakeBucket(ctx, a.bucket.name, minio.MakeBucketOptions{Region: a.bucket.region})
	if code := minio.ToErrorResponse(err).Code; code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	if err != nil {
		return a.bucket.failure(ctx, "create bucket", "", err)
	}
	return nil
}

// EnableVersioning keeps what an upload replaces as an older version of the object.
func (a Administration) EnableVersioning(ctx context.Context) error {
	ctx = observed(ctx)
	if err := a.bucket.core.EnableVersioning(ctx, a.bucket.name); err != nil {
		return a.bucket.failure(ctx, "enable versioning of", "", err)
	}
	return nil
}

// EncryptByDefault encrypts what is uploaded without a wish of its own: with the
// store's keys (SSE-S3), or, if kmsKey is not empty, with that key (SSE-KMS).
func (a Administration) EncryptByDefault(ctx context.Context, kmsKey string) error {
	ctx = observed(ctx)
	config := sse.NewConfigurationSSES3()
	if kmsKey != "" {
		config = sse.NewConfigurationSSEKMS(kmsKey)
	}
	if err := a.bucket.core.SetBucketEncryption(ctx, a.bucket.name, config); err != nil {
		return a.bucket.failure(ctx, "set the default encryption of", "", err)
	}
	return nil
}

// ExpireElection deletes, with all their versions, the objects of an election that
// nobody has replaced for a number of days, 1 or more. The prefix must be the
// election's, "<prefix>/<version>/election/", so that no snapshot can be meant. Other
// rules of the bucket stay.
func (a Administration) ExpireElection(ctx context.Context, prefix string, days int) error {
	if !strings.HasSuffix(prefix, "/election/") {
		return fmt.Errorf("expire the election's objects: %q does not end in /election/, and could hold a snapshot", prefix)
	}
	return a.addRule(ctx, "expire the election's objects", Expiry{ID: "blackout-election " + prefix, Prefix: prefix, Days: days, Replaced: days})
}

// ExpireReplaced deletes, on a bucket with versioning, the versions of objects below
// the prefix that were replaced a number of days ago, 1 or more. The newest version
// of an object always stays. Other rules of the bucket stay.
func (a Administration) ExpireReplaced(ctx context.Context, prefix string, days int) error {
	return a.addRule(ctx, "expire replaced versions", Expiry{ID: "blackout-versions " + prefix, Prefix: prefix, Replaced: days})
}

// addRule adds a rule to the bucket's, or puts it in place of the one of the same ID.
// Stores replace all rules at once: a change that someone makes meanwhile is lost.
func (a Administration) addRule(ctx context.Context, what string, rule Expiry) error {
	if rule.Replaced < 1 {
		return fmt.Errorf("%s: %d days; give 1 or more", what, rule.Replaced)
	}
	if len(rule.ID) > 255 {
		rule.ID = rule.ID[len(rule.ID)-255:] // S3's limit; the end tells prefixes apart
	}
	ctx = observed(ctx)
	config, err := a.bucket.core.GetBucketLifecycle(ctx, a.bucket.name)
	if minio.ToErrorResponse(err).Code == "NoSuchLifecycleConfiguration" {
		config, err = lifecycle.NewConfiguration(), nil
	}
	if err != nil {
		return a.bucket.failure(ctx, what+": read the lifecycle rules of", "", err)
	}
	config.Rules = slices.DeleteFunc(config.Rules, func(old lifecycle.Rule) bool { return old.ID == rule.ID })
	if at := slices.IndexFunc(config.Rules, moves); at >= 0 {
		return fmt.Errorf("%s: the bucket's lifecycle rule %q moves objects to other storage classes, and might not survive a rewrite by this program; add by hand a rule that deletes %s",
			what, oneLine(config.Rules[at].ID), rule)
	}
	config.Rules = append(config.Rules, lifecycle.Rule{
		ID: rule.ID, Status: "Enabled", RuleFilter: lifecycle.Filter{Prefix: rule.Prefix},
		Expiration:                  lifecycle.Expiration{Days: lifecycle.ExpirationDays(rule.Days)},
		NoncurrentVersionExpiration: lifecycle.NoncurrentVersionExpiration{NoncurrentDays: lifecycle.ExpirationDays(rule.Replaced)},
	})
	if err := a.bucket.core.SetBucketLifecycle(ctx, a.bucket.name, config); err != nil {
		return a.bucket.failure(ctx, what+": set the lifecycle rules of", "", err)
	}
	return nil
}

// moves tells whether a rule has transitions, of which minio-go keeps only one.
func moves(rule lifecycle.Rule) bool {
	return !rule.Transition.IsNull() || rule.NoncurrentVersionTransition.NoncurrentDays > 0
}

// String says what the rule deletes.
func (e Expiry) String() string {
	var parts []string
	if e.Days > 0 {
		parts = append(parts, fmt.Sprintf("objects after %d days", e.Days))
	}
	if e.Replaced > 0 {
		parts = append(parts, fmt.Sprintf("versions %d days after they were replaced", e.Replaced))
	}
	return fmt.Sprintf("%s below %q", strings.Join(parts, " and "), e.Prefix)
}

// Describe tells what is in force. It is an error only if nothing could be read.
func (a Administration) Describe(ctx context.Context) (Settings, error) {
	settings := Settings{Unknown: map[string]error{}}
	parts := []struct {
		name string
		read func(context.Context, *Settings) error
	}{{"versioning", a.versioning}, {"encryption", a.encryption}, {"lifecycle", a.expiries}}
	var failures []error
	for _, part := range parts {
		ctx := observed(ctx)
		if err := part.read(ctx, &settings); err != nil {
			settings.Unknown[part.name] = a.bucket.failure(ctx, "read the "+part.name+" of", "", err)
			failures = append(failures, settings.Unknown[part.name])
		}
	}
	if len(failures) == len(parts) {
		return Settings{}, fmt.Errorf("describe the bucket: %w", errors.Join(failures...))
	}
	return settings, nil
}

func (a Administration) versioning(ctx context.Context, settings *Settings) error {
	config, err := a.bucket.core.GetBucketVersioning(ctx, a.bucket.name)
	if err == nil {
		settings.Versioning = orText(config.Status, "Off")
	}
	return err
}

func (a Administration) encryption(ctx context.Context, settings *Settings) error {
	config, err := a.bucket.core.GetBucketEncryption(ctx, a.bucket.name)
	if minio.ToErrorResponse(err).Code == "ServerSideEncryptionConfigurationNotFoundError" {
		settings.Encryption = "None"
		return nil
	}
	if err != nil {
		return err
	}
	settings.Encryption = "None"
	for _, rule := range config.Rules {
		settings.Encryption, settings.KMSKey = rule.Apply.SSEAlgorithm, rule.Apply.KmsMasterKeyID
	}
	return nil
}

func (a Administration) expiries(ctx context.Context, settings *Settings) error {
	config, err := a.bucket.core.GetBucketLifecycle(ctx, a.bucket.name)
	if minio.ToErrorResponse(err).Code == "NoSuchLifecycleConfiguration" {
		return nil
	}
	if err != nil {
		return err
	}
	for _, rule := range config.Rules {
		expiry := expiryOf(rule)
		if rule.Status == "Enabled" && (expiry.Days > 0 || expiry.Replaced > 0 || expiry.More) {
			settings.Expiries = append(settings.Expiries, expiry)
		}
	}
	return nil
}

func expiryOf(rule lifecycle.Rule) Expiry {
	filter := rule.RuleFilter
	return Expiry{
		ID: rule.ID, Prefix: rule.Prefix + filter.Prefix + filter.And.Prefix,
		Days: int(rule.Expiration.Days), Replaced: int(rule.NoncurrentVersionExpiration.NoncurrentDays),
		More: rule.NoncurrentVersionExpiration.NewerNoncurrentVersions > 0 || !filter.Tag.IsEmpty() || len(filter.And.Tags) > 0 || !rule.Expiration.IsDateNull() ||
			filter.ObjectSizeLessThan > 0 || filter.ObjectSizeGreaterThan > 0 || filter.And.ObjectSizeLessThan > 0 || filter.And.ObjectSizeGreaterThan > 0,
	}
}
