// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// alter changes the store's answer as the rule says, and says whether it did. An
// answer that the effect is not about, a refusal for instance, stays what it is.
func (p *placed) alter(res *http.Response) (altered bool, err error) {
	found := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent
	switch p.Effect {
	case Slow:
		res.Body = &paced{ReadCloser: res.Body, ctx: res.Request.Context(), rate: p.Rate}
		return true, nil
	case OtherVersion:
		return p.showOther(res, found)
	}
	if !found {
		return false, nil
	}
	switch p.Effect {
	case Stale:
		return true, p.Object.replace(res)
	case Empty:
		return true, replaceBody(res, nil)
	case Truncate:
		return p.truncate(res)
	case Flip:
		return p.flip(res)
	}
	return false, nil
}

// replaceBody makes body the answer's. The announced length follows it; all else
// stays what the store said.
func replaceBody(res *http.Response, body []byte) error {
	err := res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return err
}

// replace makes the answer one that has the object.
func (o *Object) replace(res *http.Response) error {
	for name := range res.Header {
		if len(name) > len(metaPrefix) && name[:len(metaPrefix)] == metaPrefix {
			res.Header.Del(name)
		}
	}
	for name, value := range o.Metadata {
		res.Header.Set(metaPrefix+name, value)
	}
	for _, name := range []string{"Content-Range", "X-Amz-Checksum-Sha256", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme", "X-Amz-Version-Id"} {
		res.Header.Del(name) // they are about the object that it takes the place of
	}
	res.StatusCode, res.Status = http.StatusOK, http.StatusText(http.StatusOK)
	res.Header.Set("Etag", `"`+o.ETag+`"`)
	res.Header.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	if res.Request.Method == http.MethodHead {
		res.Header.Set("Content-Length", strconv.Itoa(len(o.Body)))
		return nil
	}
	return replaceBody(res, o.Body)
}

// metaPrefix begins the names of headers with user metadata.
const metaPrefix = "X-Amz-Meta-"

// whole sees to it that the length of the answer is known.
func whole(res *http.Response) error {
	if res.ContentLength >= 0 {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the store's answer: %w", err)
	}
	return replaceBody(res, body)
}

func (p *placed) truncate(res *http.Response) (bool, error) {
	if err := whole(res); err != nil || res.ContentLength <= p.Bytes {
		return false, err
	}
	res.Body = &truncated{ReadCloser: res.Body, left: p.Bytes}
	return true, nil
}

// errTruncated makes the proxy break the answer off.
var errTruncated = errors.New("truncated by a rule")

// truncated is a body that breaks off.
type truncated struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (t *truncated) Read(b []byte) (int, error) {
	if t.left == 0 {
		return 0, errTruncated
	}
	n, err := t.ReadCloser.Read(b[:min(int64(len(b)), t.left)])
	t.left -= int64(n)
	return n, err
}

func (p *placed) flip(res *http.Response) (bool, error) {
	if err := whole(res); err != nil || res.ContentLength == 0 {
		return false, err
	}
	bit := rand.New(rand.NewPCG(p.Seed, 0)).Int64N(8 * res.ContentLength)
	res.Body = &flipped{ReadCloser: res.Body, place: bit / 8, mask: 1 << (bit % 8)}
	return true, nil
}

// flipped is a body in which one bit is another.
type flipped struct {
	io.ReadCloser
	place int64 // of the byte, from where the body stands
	mask  byte
}

// Read implements io.Reader.
func (f *flipped) Read(b []byte) (int, error) {
	n, err := f.ReadCloser.Read(b)
	if f.place >= 0 && f.place < int64(n) {
		b[f.place] ^= f.mask
	}
	f.place -= int64(n)
	return n, err
}

// pieces is into how many parts a second's bytes are divided.
const pieces = 20

// paced is a body that comes no faster than its rate, from its first byte on.
type paced struct {
	io.ReadCloser
	ctx   context.Context // of the request that the body answers: io.Reader has no room for it
	rate  int64           // bytes a second
	began time.Time
	sent  int64
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	n, err := p.ReadCloser.Read(b[:min(int64(len(b)), max(1, p.rate/pieces))])
	p.sent += int64(n)
	due := p.began.Add(time.Duration(float64(p.sent) / float64(p.rate) * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return n, err
	case <-p.ctx.Done():
		return n, p.ctx.Err()
	}
}
