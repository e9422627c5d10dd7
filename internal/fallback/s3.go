// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

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
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// The metadata names of a snapshot. On the wire they follow "x-amz-meta-".
const (
	metaHash     = "Blackout-Hash"
	metaTime     = "Blackout-Time"
	metaExporter = "Blackout-Exporter"
	metaSHA256   = "Blackout-Sha256"
)

// s3Store is a [Store] on one bucket. It uses minio-go's Core because the
// client's GetObject reads lazily and sends requests of its own.
type s3Store struct {
	core      *minio.Core
	transport *http.Transport
	bucket    string
	put       s3Config
}

var _ Store = (*s3Store)(nil)

// Get implements [Store].
func (s *s3Store) Get(ctx context.Context, key string, limit int64) (Object, error) {
	body, info, header, err := s.core.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return Object{}, s.failure("get", key, err)
	}
	defer body.Close() // it was read to its end or is given up
	if header.Get("Content-Range") != "" {
		return Object{}, s.failure("get", key, fmt.Errorf("%w: the store answered with a range that was not asked for", ErrIncomplete))
	}
	if info.Size > limit {
		return Object{}, s.failure("get", key, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, info.Size, limit))
	}
	data, err := readWhole(body, info.Size, limit)
	if err != nil {
		return Object{}, s.failure("get", key, err)
	}
	return Object{Body: data, ETag: info.ETag, Modified: info.LastModified, Metadata: readMetadata(header)}, nil
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
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, n, size)
	case err != nil:
		return nil, fmt.Errorf("%w: after %d bytes: %w", ErrIncomplete, n, err)
	case n > limit:
		return nil, fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, limit)
	case size >= 0 && n != size:
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, n, size)
	}
	return buffer.Bytes(), nil
}

func readMetadata(header http.Header) Metadata {
	get := func(name string) string { return header.Get("X-Amz-Meta-" + name) }
	meta := Metadata{Hash: get(metaHash), Exporter: get(metaExporter), SHA256: get(metaSHA256)}
	// A time that cannot be read is as good as none: it is information only.
	if at, err := time.Parse(time.RFC3339Nano, get(metaTime)); err == nil {
		meta.Time = at
	}
	return meta
}

// Put implements [Store]. The payload's digest is signed and sent as checksum,
// so that the store itself refuses a body that was damaged on the way.
func (s *s3Store) Put(ctx context.Context, key string, body []byte, meta Metadata) (string, error) {
	sum, md := sha256.Sum256(body), md5.Sum(body) // see the import
	options := s.put.options()
	options.ContentType = "application/json"
	options.DisableContentSha256 = true // no chunk signatures: the whole payload is signed at once
	options.UserMetadata = map[string]string{
		"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(sum[:]),
		metaHash:                meta.Hash,
		metaTime:                meta.Time.UTC().Format(time.RFC3339Nano),
		metaExporter:            meta.Exporter,
		metaSHA256:              hex.EncodeToString(sum[:]),
	}
	answer := new(http.Header)
	info, err := s.core.PutObject(context.WithValue(ctx, answerKey{}, answer), s.bucket, key, bytes.NewReader(body),
		int64(len(body)), base64.StdEncoding.EncodeToString(md[:]), hex.EncodeToString(sum[:]), options)
	if err != nil {
		return "", s.failure("put", key, err)
	}
	if err := s.put.check(*answer); err != nil {
		return "", s.failure("put", key, err)
	}
	return info.ETag, nil
}

// Close implements [Store].
func (s *s3Store) Close() { s.transport.CloseIdleConnections() }

// failure says what failed on which object, and makes the store's answer one
// of this package's errors.
func (s *s3Store) failure(operation, key string, err error) error {
	return fmt.Errorf("%s s3://%s/%s: %w", operation, s.bucket, key, classify(err))
}

func classify(err error) error {
	for _, known := range []error{ErrTooLarge, ErrIncomplete, ErrNotEncrypted, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	summary := strings.TrimSpace(fmt.Sprintf("%s (status %d)", answer.Code, answer.StatusCode))
	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%w: %s", ErrNotFound, summary)
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Errorf("%w: %s; check the node's credentials and its rights on the bucket", ErrDenied, summary)
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, summary)
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
