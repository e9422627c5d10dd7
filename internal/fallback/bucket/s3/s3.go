// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package s3 is a [bucket.Bucket] on S3-compatible stores.
package s3

import (
	"bytes"
	"context"
	"crypto/md5" // S3's Content-MD5 guards against damage, not against attackers.
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7"
)

// Bucket is one bucket of an S3-compatible store. It uses minio-go's Core because
// the client's GetObject reads lazily and sends requests of its own.
type Bucket struct {
	core      *minio.Core
	transport *http.Transport
	name      string
	put       putConfig
}

var _ bucket.Bucket = (*Bucket)(nil)

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	body, info, header, err := b.core.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
	if err != nil {
		return bucket.Object{}, b.failure("get", key, err)
	}
	defer body.Close() // it was read to its end or is given up
	if header.Get("Content-Range") != "" {
		return bucket.Object{}, b.failure("get", key, fmt.Errorf("%w: the store answered with a range that was not asked for", bucket.ErrIncomplete))
	}
	if info.Size > limit {
		return bucket.Object{}, b.failure("get", key, fmt.Errorf("%w: %d bytes, the limit is %d", bucket.ErrTooLarge, info.Size, limit))
	}
	data, err := readWhole(body, info.Size, limit)
	if err != nil {
		return bucket.Object{}, b.failure("get", key, err)
	}
	return bucket.Object{Info: describe(info, header), Body: data}, nil
}

// readWhole reads a body of the announced size; a negative size is unknown.
func readWhole(body io.Reader, size, limit int64) ([]byte, error) {
	var buffer bytes.Buffer
	if size > 0 {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	n, err := io.Copy(&buffer, io.LimitReader(body, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: %d of %d bytes", bucket.ErrIncomplete, n, size)
	case err != nil:
		return nil, fmt.Errorf("%w: after %d bytes: %w", bucket.ErrIncomplete, n, err)
	case n > limit:
		return nil, fmt.Errorf("%w: the limit is %d bytes", bucket.ErrTooLarge, limit)
	case size >= 0 && n != size:
		return nil, fmt.Errorf("%w: %d of %d bytes", bucket.ErrIncomplete, n, size)
	}
	return buffer.Bytes(), nil
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	answer := new(http.Header)
	info, err := b.core.StatObject(context.WithValue(ctx, answerKey{}, answer), b.name, key, minio.StatObjectOptions{})
	if err != nil {
		return bucket.Info{}, b.failure("head", key, err)
	}
	return describe(info, *answer), nil
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) ([]bucket.Info, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the lister where it is left early
	var all []bucket.Info
	for info := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return nil, b.failure("list", prefix, info.Err)
		}
		all = append(all, bucket.Info{Key: info.Key, Size: info.Size, Version: info.ETag, Modified: info.LastModified})
	}
	return all, nil
}

// describe is what the store told of an object.
func describe(info minio.ObjectInfo, header http.Header) bucket.Info {
	told := bucket.Info{Key: info.Key, Size: info.Size, Version: info.ETag, Modified: info.LastModified,
		Encryption: header.Get("X-Amz-Server-Side-Encryption"), Metadata: map[string]string{}}
	for name := range header {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			told.Metadata[rest] = header.Get(name)
		}
	}
	return told
}

// Put implements [bucket.Bucket]. The payload's digest is signed and sent as checksum,
// so that the store itself refuses a body that was damaged on the way.
func (b *Bucket) Put(ctx context.Context, key string, body []byte, put bucket.PutOptions) (string, error) {
	sum, md := sha256.Sum256(body), md5.Sum(body) // see the import
	options := b.put.options()
	options.ContentType = "application/json"
	options.DisableContentSha256 = true // no chunk signatures: the whole payload is signed at once
	options.UserMetadata = map[string]string{"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(sum[:])}
	maps.Copy(options.UserMetadata, put.Metadata)
	if put.If.Absent() {
		options.SetMatchETagExcept("*")
	}
	if version, must := put.If.Version(); must {
		options.SetMatchETag(version)
	}
	answer := new(http.Header)
	info, err := b.core.PutObject(context.WithValue(ctx, answerKey{}, answer), b.name, key, bytes.NewReader(body),
		int64(len(body)), base64.StdEncoding.EncodeToString(md[:]), hex.EncodeToString(sum[:]), options)
	if err != nil {
		return "", b.failure("put", key, err)
	}
	if err := b.put.check(*answer); err != nil {
		return "", b.failure("put", key, err)
	}
	return info.ETag, nil
}

// Close implements [bucket.Bucket].
func (b *Bucket) Close() { b.transport.CloseIdleConnections() }

// failure says what failed on which object, and makes the store's answer one
// of this package's errors.
func (b *Bucket) failure(operation, key string, err error) error {
	return fmt.Errorf("%s s3://%s/%s: %w", operation, b.name, key, classify(err))
}

func classify(err error) error {
	for _, known := range []error{bucket.ErrTooLarge, bucket.ErrIncomplete, bucket.ErrNotEncrypted, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", bucket.ErrUnavailable, err)
	}
	summary := strings.TrimSpace(fmt.Sprintf("%s (status %d)", answer.Code, answer.StatusCode))
	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w: %s", bucket.ErrNotFound, summary)
	case http.StatusPreconditionFailed, http.StatusConflict:
		return fmt.Errorf("%w: %s", bucket.ErrConflict, summary)
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Errorf("%w: %s; check the node's credentials and its rights on the bucket", bucket.ErrDenied, summary)
	}
	return fmt.Errorf("%w: %s", bucket.ErrUnavailable, summary)
}

// answerKey is the context key under which Put asks for the answer's headers,
// which minio-go does not return.
type answerKey struct{}

// headerKeeper is a transport that hands out the headers of an answer.
type headerKeeper struct{ next http.RoundTripper }

func (k headerKeeper) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := k.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if answer, ok := request.Context().Value(answerKey{}).(*http.Header); ok {
		*answer = response.Header
	}
	return response, nil
}
