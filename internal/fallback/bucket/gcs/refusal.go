// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"blackout/internal/fallback/bucket"
)

// refusal makes an answer that is no success one of [bucket]'s errors.
func refusal(response *http.Response) error {
	// What cannot be read tells nothing; the status is known.
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	code := errorCode(body)
	advice, kind := classify(response.StatusCode, code)
	err := fmt.Errorf("%w: %s", kind, strings.TrimSpace(fmt.Sprintf("%s (status %d)", code, response.StatusCode)))
	if advice != "" {
		err = fmt.Errorf("%w; %s", err, advice)
	}
	if after, ok := bucket.RetryAfter(response.Header, time.Now()); ok && errors.Is(kind, bucket.ErrUnavailable) {
		err = fmt.Errorf("%w; %w", err, bucket.BusyError{After: after})
	}
	return err
}

// classify is what an answer means, and what to do about it.
func classify(status int, code string) (advice string, kind error) {
	switch status {
	case http.StatusNotFound:
		return "", bucket.ErrNotFound
	case http.StatusPreconditionFailed, http.StatusConflict:
		return "", bucket.ErrConflict
	case http.StatusUnauthorized:
		return "check GCP_SERVICE_ACCOUNT or the workload identity", bucket.ErrDenied
	case http.StatusForbidden:
		if strings.HasSuffix(code, "ateLimitExceeded") { // rateLimitExceeded, userRateLimitExceeded
			return "", bucket.ErrUnavailable
		}
		return "check the node's service account and its rights on the bucket", bucket.ErrDenied
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return "", bucket.ErrUnavailable
	}
	if status/100 == 4 {
		return "", bucket.ErrRefused
	}
	return "", bucket.ErrUnavailable
}

// wellFormedCode is what may be quoted of a store's answer: a reason, but no
// text, which might repeat anything.
var wellFormedCode = regexp.MustCompile(`^[A-Za-z0-9_.]{1,64}$`)

// errorCode is the reason in an error of the JSON API, the XML API or a token
// endpoint, or empty.
func errorCode(body []byte) string {
	var api struct {
		Error struct {
			Status string `json:"status"`
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	var oauth struct {
		Error string `json:"error"`
	}
	var document struct {
		Code string `xml:"Code"`
	}
	code := ""
	switch {
	case json.Unmarshal(body, &api) == nil:
		code = api.Error.Status
		if len(api.Error.Errors) > 0 {
			code = api.Error.Errors[0].Reason
		}
	case json.Unmarshal(body, &oauth) == nil:
		code = oauth.Error
	case xml.Unmarshal(body, &document) == nil:
		code = document.Code
	}
	if !wellFormedCode.MatchString(code) {
		return ""
	}
	return code
}
