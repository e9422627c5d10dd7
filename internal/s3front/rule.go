// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Effect is what a rule does to the requests that meet it.
type Effect string

// The effects. The first three answer in the store's place, which is not asked.
// The others change what the store answers: one that it refuses stays refused.
const (
	Refuse Effect = "refuse" // the connection is reset before an answer
	Hang   Effect = "hang"   // no answer until the client gives up; the connection ends when the rule is deleted
	Fail   Effect = "fail"   // Status and S3's error document with Code

	Slow     Effect = "slow"     // the body comes at Rate bytes a second
	Truncate Effect = "truncate" // an object ends after Bytes bytes, though all were announced
	Flip     Effect = "flip"     // one bit of an object, at a place drawn from Seed, is another
	Empty    Effect = "empty"    // an object has no bytes
	Stale    Effect = "stale"    // Object is read in an object's place

	// OtherVersion takes an object away, 404 NoSuchKey, and puts Object under its
	// own key beside it: for reads, and in lists without a delimiter.
	OtherVersion Effect = "other-version"
)

// Rule says which requests meet which effect.
type Rule struct {
	Account   string   `json:"account"`              // access key that they are signed with
	Methods   []string `json:"methods,omitempty"`    // none: all
	KeySuffix string   `json:"key_suffix,omitempty"` // end of the object's key; empty: all requests, those without a key too
	Count     int      `json:"count,omitempty"`      // of requests that meet it; 0: all

	Effect     Effect        `json:"effect"`
	Status     int           `json:"status,omitempty"`      // of Fail, from 400 to 599
	Code       string        `json:"code,omitempty"`        // of Fail; empty: S3's for Status
	RetryAfter time.Duration `json:"retry_after,omitempty"` // of Fail, in whole seconds; 0: not said
	Ahead      time.Duration `json:"ahead,omitempty"`       // of Fail: how far the answer's Date is ahead of the time
	Rate       int64         `json:"rate,omitempty"`        // of Slow, bytes a second
	Bytes      int64         `json:"bytes,omitempty"`       // of Truncate
	Seed       uint64        `json:"seed,omitempty"`        // of Flip
	Object     *Object       `json:"object,omitempty"`      // of Stale and OtherVersion
}

// Object is one that the store does not have.
type Object struct {
	Key      string            `json:"key,omitempty"` // of OtherVersion
	Body     []byte            `json:"body"`
	ETag     string            `json:"etag"` // without quotes
	Modified time.Time         `json:"modified"`
	Metadata map[string]string `json:"metadata,omitempty"` // without "x-amz-meta-"
}

// ParseRule reads a rule from JSON and validates it. A field that no rule has is
// an error: it would silently have no effect.
func ParseRule(data []byte) (Rule, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var r Rule
	if err := decoder.Decode(&r); err != nil {
		return Rule{}, fmt.Errorf("not a rule in JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Rule{}, errors.New("not a rule in JSON: there is more after it")
	}
	return r, r.validate()
}

var effects = []Effect{Refuse, Hang, Fail, Slow, Truncate, Flip, Empty, Stale, OtherVersion}

// validate reports the first thing that makes the rule unusable.
func (r Rule) validate() error {
	switch {
	case r.Account == "":
		return errors.New("the rule names no account")
	case r.Count < 0:
		return errors.New("the count is negative")
	case !slices.Contains(effects, r.Effect):
		return fmt.Errorf("unknown effect %q: the effects are %v", r.Effect, effects)
	}
	for _, need := range []struct {
		effect Effect
		ok     bool
		what   string
	}{
		{Fail, r.Status >= 400 && r.Status < 600, "a status from 400 to 599"},
		{Fail, r.RetryAfter >= 0 && r.Ahead >= 0, "durations that are not negative"},
		{Slow, r.Rate > 0, "a rate"},
		{Truncate, r.Bytes > 0, "a number of bytes"},
		{Stale, r.Object != nil, "an object"},
		{OtherVersion, r.Object != nil && r.Object.Key != "" && r.KeySuffix != "", "an object with a key, and the suffix of the one that it is beside"},
	} {
		if r.Effect == need.effect && !need.ok {
			return fmt.Errorf("effect %s: give it %s", r.Effect, need.what)
		}
	}
	return nil
}

// matches says whether a request, which asks in the name of an account, is one
// that the rule is about.
func (r Rule) matches(account string, request *http.Request) bool {
	if account != r.Account || len(r.Methods) > 0 && !slices.Contains(r.Methods, request.Method) {
		return false
	}
	_, key := location(request)
	read := request.Method == http.MethodGet || request.Method == http.MethodHead
	switch r.Effect {
	case Truncate, Flip, Empty:
		return request.Method == http.MethodGet && key != "" && strings.HasSuffix(key, r.KeySuffix)
	case Stale:
		return read && key != "" && strings.HasSuffix(key, r.KeySuffix)
	case OtherVersion:
		return read && (key == "" || key == r.Object.Key || strings.HasSuffix(key, r.KeySuffix))
	}
	return strings.HasSuffix(key, r.KeySuffix)
}

// location is the bucket and key that a request in path style is about; the key
// is empty where it is about the bucket itself.
func location(request *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	return bucket, key
}
