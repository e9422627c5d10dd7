// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package s3 is a [bucket.Bucket] on S3-compatible stores.
package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket is one bucket of an S3-compatible store. It uses minio-go's Core because
// the client's GetObject reads lazily and sends requests of its own.
type Bucket struct {
	core        *minio.Core
	transport   *http.Transport
	credentials *credentials.Credentials
	static      bool // the credentials are keys of the environment
	name        string
	region      string
	put         putConfig
}

var _ bucket.Bucket = (*Bucket)(nil)

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	ctx = observed(ctx)
	body, info, header, err := b.core.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
	if err != nil {
		return bucket.Object{}, b.failure(ctx, "get", key, err)
	}
	defer body.Close() // it was read to its end or is given up
	if header.Get("Content-Range") != "" {
		return bucket.Object{}, b.failure(ctx, "get", key, fmt.Errorf("%w: the store answered with a range that was not asked for", bucket.ErrIncomplete))
	}
	data, err := bucket.ReadWhole(body, info.Size, limit)
	if err != nil {
		return bucket.Object{}, b.failure(ctx, "get", key, err)
	}
	return bucket.Object{Info: describe(info, header), Body: data}, nil
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	ctx = observed(ctx)
	info, err := b.core.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
	if err != nil {
		return bucket.Info{}, b.failure(ctx, "head", key, err)
	}
	return describe(info, answerOf(ctx)), nil
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string, limit int) (first []bucket.Info, more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the lister where it is left early
	ctx = observed(ctx)
	for info := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return nil, false, b.failure(ctx, "list", prefix, info.Err)
		}
		if len(first) == limit {
			return first, true, nil
		}
		first = append(first, bucket.Info{Key: info.Key, Size: info.Size, Version: info.ETag, Modified: info.LastModified})
	}
	return first, false, nil
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
func (b *Bucket) Put(ctx context.Context, key string, body bucket.Body, put bucket.PutOptions) (string, error) {
	sum, md := body.SHA256(), body.MD5()
	options := minio.PutObjectOptions{
		DisableContentSha256: true, // no chunk signatures: the whole payload is signed at once
		ServerSideEncryption: b.put.headers(put.Transient),
		ContentType:          "application/json",
		UserMetadata:         map[string]string{"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(sum[:])},
	}
	maps.Copy(options.UserMetadata, put.Metadata)
	if put.If.Absent() {
		options.SetMatchETagExcept("*")
	}
	ctx = observed(ctx)
	if version, must := put.If.Version(); must {
		if version == "" || version == "*" {
			// versitygw takes an empty If-Match for none, and a star matches any object.
			return "", b.failure(ctx, "put", key, fmt.Errorf("%w: no object has the version %q", bucket.ErrConflict, version))
		}
		options.SetMatchETag(version)
	}
	info, err := b.core.PutObject(ctx, b.name, key, payload(body), body.Size(), base64.StdEncoding.EncodeToString(md[:]), hex.EncodeToString(sum[:]), options)
	if err != nil {
		return "", b.failure(ctx, "put", key, err)
	}
	if err := b.put.check(answerOf(ctx)); err != nil {
		return "", b.failure(ctx, "put", key, err)
	}
	return info.ETag, nil
}

// large is from how many bytes on a body is sent in pieces, once the store has said that
// it wants it.
const large = 16 << 10

// payload is the body of a request. The HTTP client sends a small one in one go with the
// header.
func payload(body bucket.Body) io.Reader {
	if body.Size() < large {
		return bytes.NewReader(body.Bytes())
	}
	return body.Reader()
}

// Close implements [bucket.Bucket].
func (b *Bucket) Close() { b.transport.CloseIdleConnections() }
