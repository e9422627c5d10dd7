// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"context"
	"crypto/md5" // The store's checksum guards against damage, not against attackers.
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"blackout/internal/fallback/bucket"
)

// Put implements [bucket.Bucket]. The checksums go with the body, so that the store
// itself refuses one that was damaged on the way.
func (b *Bucket) Put(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (string, error) {
	version, err := b.upload(ctx, key, body, options)
	if err != nil {
		return "", b.failure("put", key, err)
	}
	return version, nil
}

func (b *Bucket) upload(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (string, error) {
	query := url.Values{"uploadType": {"multipart"}, "fields": {"generation"}}
	if err := demand(query, options.If); err != nil {
		return "", err
	}
	form, err := newForm(key, body, options.Metadata)
	if err != nil {
		return "", err
	}
	address := b.endpoint + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, form.reader())
	if err != nil {
		return "", err
	}
	request.ContentLength = form.size()
	request.Header.Set("Content-Type", "multipart/related; boundary="+form.boundary)
	var answer resource
	if err := b.exchange(request, &answer); err != nil {
		return "", err
	}
	if answer.Generation == "" {
		return "", fmt.Errorf("%w: its answer has no generation", bucket.ErrUnavailable)
	}
	return answer.Generation, nil
}

// demand adds a write's condition to a query. Generation 0 stands for no object, so
// what is no generation must not become one: its condition cannot hold.
func demand(query url.Values, condition bucket.Condition) error {
	if condition.Absent() {
		query.Set("ifGenerationMatch", "0")
		return nil
	}
	version, must := condition.Version()
	if !must {
		return nil
	}
	generation, err := strconv.ParseInt(version, 10, 64)
	if err != nil || generation <= 0 {
		return fmt.Errorf("%w: no object has the version %q", bucket.ErrConflict, version)
	}
	query.Set("ifGenerationMatch", strconv.FormatInt(generation, 10))
	return nil
}

// form is the body of a multipart upload. The object's is not copied into it.
type form struct {
	boundary   string
	head, tail []byte
	body       bucket.Body
}

func newForm(key string, body bucket.Body, metadata map[string]string) (form, error) {
	var sum uint32
	for piece := range body.Pieces() {
		sum = crc32.Update(sum, castagnoli, piece)
	}
	md, crc := notation(body.MD5(), sum)
	description, err := json.Marshal(map[string]any{
		"name": key, "contentType": "application/json", "metadata": metadata, "md5Hash": md, "crc32c": crc})
	if err != nil {
		return form{}, err
	}
	f := form{boundary: rand.Text(), body: body}
	f.head = fmt.Appendf(nil, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n--%s\r\nContent-Type: application/json\r\n\r\n",
		f.boundary, description, f.boundary)
	f.tail = fmt.Appendf(nil, "\r\n--%s--\r\n", f.boundary)
	return f, nil
}

// reader is of a type from which the HTTP client cannot make a second body: it
// must not send the request twice.
func (f form) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(f.head), f.body.Reader(), bytes.NewReader(f.tail))
}

func (f form) size() int64 { return int64(len(f.head)+len(f.tail)) + f.body.Size() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums are the checksums that the store keeps of an object, computed at once: a node may
// wait for what it reads before it can serve.
func sums(body []byte) (md5Sum, crc32c string) {
	return notation(md5.Sum(body), crc32.Checksum(body, castagnoli)) // for MD5 see the import
}

// notation is how the store writes them.
func notation(md [md5.Size]byte, crc uint32) (md5Sum, crc32c string) {
	return base64.StdEncoding.EncodeToString(md[:]), base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

// checkSums compares a body with the checksums that came with it, such as
// "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==" in one header or two. An object
// that was composed of others has no MD5.
func checkSums(body []byte, told []string) error {
	if len(told) == 0 {
		return nil
	}
	md, crc := sums(body)
	got := map[string]string{"md5": md, "crc32c": crc}
	for part := range strings.SplitSeq(strings.Join(told, ","), ",") {
		name, want, _ := strings.Cut(strings.TrimSpace(part), "=")
		if sum, known := got[name]; known && sum != want {
			return fmt.Errorf("%w: its %s is %s, the store's is %s", bucket.ErrIncomplete, name, sum, want)
		}
	}
	return nil
}
