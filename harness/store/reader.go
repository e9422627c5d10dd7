// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/internal/s3front"
)

// Reader reads, and tries to write, through a store front, one request per call, and
// tells everything about the answer. It is the eyes of a fault's witness: an ill answer is what it
// is there to see, not an error.
type Reader struct{ objects *objects }

// Way is how a store is reached.
type Way struct {
	Address string // host:port
	TLS     *TLS   // nil: plain HTTP
}

// NewReader reads by a way, with an account's rights. Where as is not empty it
// meets what the front does to the requests of that access key.
func NewReader(by Way, account Account, as string) (*Reader, error) {
	o := &objects{endpoint: by.Address, transport: http.DefaultTransport.(*http.Transport).Clone()}
	o.transport.Proxy = nil
	o.transport.DisableKeepAlives = true
	var err error
	if o.transport.TLSClientConfig, err = by.TLS.config(); err != nil {
		return nil, fmt.Errorf("store at %s: %w", by.Address, err)
	}
	core, err := minio.NewCore(by.Address, &minio.Options{
		Creds:        credentials.NewStaticV4(account.AccessKey, account.SecretKey, account.SessionToken),
		Region:       Region,
		Secure:       by.TLS != nil,
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
		Transport:    asker{o.transport, as},
	})
	if err != nil {
		return nil, fmt.Errorf("store at %s: %w", by.Address, err)
	}
	o.core = core
	return &Reader{o}, nil
}

// asker marks requests as probes, after they were signed: the front takes the mark
// away. It also keeps the answer's status and header, which minio-go does not hand
// out with an error.
type asker struct {
	next http.RoundTripper
	as   string
}

type answerKey struct{}

// RoundTrip implements http.RoundTripper.
func (a asker) RoundTrip(request *http.Request) (*http.Response, error) {
	if a.as != "" {
		request = request.Clone(request.Context())
		request.Header.Set(s3front.ProbeHeader, a.as)
	}
	response, err := a.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if answer, ok := request.Context().Value(answerKey{}).(*Answer); ok {
		answer.Status, answer.Header = response.StatusCode, response.Header
	}
	return response, nil
}

// Answer is what came of reading an object.
type Answer struct {
	Status    int           // 0: there was no answer
	Code      string        // S3's, of a refusal
	Header    http.Header   // nil without an answer
	Announced int64         // length of the body
	Bytes     int64         // of the body that came
	Digest    string        // SHA-256 of what came, hexadecimal
	Took      time.Duration // until the body's end, or until it was given up
	Flow      Flow
	Err       error // why it is not a whole answer with an object
}

// Flow is how a body came.
type Flow struct {
	Rate   float64       // bytes a second, from the arrival of the first bytes on; 0: all came with them
	Lasted time.Duration // from the first bytes to the last
	Pause  time.Duration // the longest between two arrivals
}

// String says in a few words what the answer was.
func (a Answer) String() string {
	switch {
	case errors.Is(a.Err, context.DeadlineExceeded) && a.Status == 0:
		return fmt.Sprintf("no answer within %s", a.Took.Round(time.Millisecond))
	case a.Status == 0:
		return fmt.Sprintf("no answer (%v)", a.Err)
	case a.Code != "":
		return fmt.Sprintf("%d %s", a.Status, a.Code)
	case a.Err != nil:
		return fmt.Sprintf("%d, %d of %d bytes (%v)", a.Status, a.Bytes, a.Announced, a.Err)
	}
	return fmt.Sprintf("%d, %d bytes with digest %.8s in %s", a.Status, a.Bytes, a.Digest, a.Took.Round(time.Millisecond))
}

// Same says whether two answers say the same: the same object, or the same
// refusal. Two that are none are not the same.
func (a Answer) Same(b Answer) bool {
	return a.Status != 0 && a.Status == b.Status && a.Code == b.Code && a.Digest == b.Digest && (a.Err == nil) == (b.Err == nil)
}

// Get reads an object.
func (r *Reader) Get(ctx context.Context, bucket, key string) Answer {
	began := time.Now()
	var answer Answer
	body, info, _, err := r.objects.core.GetObject(context.WithValue(ctx, answerKey{}, &answer), bucket, key, minio.GetObjectOptions{})
	if err == nil {
		answer.Announced = info.Size
		err = errors.Join(answer.read(body), body.Close())
	} else if answer.Status != 0 {
		answer.Code = minio.ToErrorResponse(err).Code
	}
	answer.Took, answer.Err = time.Since(began), err
	return answer
}

// read takes a body in and notes how it comes.
func (a *Answer) read(body io.Reader) error {
	sum := sha256.New()
	buffer := make([]byte, 64<<10)
	var first, last time.Time
	var begin int64
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			now := time.Now()
			if first.IsZero() {
				first, begin = now, int64(n)
			} else {
				a.Flow.Pause = max(a.Flow.Pause, now.Sub(last))
			}
			last = now
			a.Bytes += int64(n)
			sum.Write(buffer[:n])
		}
		if err == nil {
			continue
		}
		a.Digest = hex.EncodeToString(sum.Sum(nil))
		if a.Flow.Lasted = last.Sub(first); a.Flow.Lasted > 0 {
			a.Flow.Rate = float64(a.Bytes-begin) / a.Flow.Lasted.Seconds()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// Put replaces an object, and returns the status of the answer: 0 if there was none.
// A refusal is a status and an error.
func (r *Reader) Put(ctx context.Context, bucket, key string, body []byte) (status int, err error) {
	var answer Answer
	err = r.objects.PutObject(context.WithValue(ctx, answerKey{}, &answer), bucket, key, body)
	return answer.Status, err
}

// List returns the keys that begin with prefix, sorted.
func (r *Reader) List(ctx context.Context, bucket, prefix string) ([]string, error) {
	return r.objects.ListKeys(ctx, bucket, prefix)
}
