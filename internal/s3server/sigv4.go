// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far the client's clock may be from the server's, as in S3.
const maxSkew = 15 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// signature is what a request's Authorization header claims.
type signature struct {
	accessKey     string
	date          string // of the credential scope, YYYYMMDD
	region        string
	signedHeaders []string // lower case
	signature     []byte
	at            time.Time // X-Amz-Date
}

// parseAuthorization reads the claim of a request with header authentication.
func parseAuthorization(r *http.Request) (signature, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return signature{}, accessDenied("The request is not signed; this server takes signatures in the Authorization header.")
	}
	s, err := parseClaim(header)
	if err != nil {
		return signature{}, badRequest("AuthorizationHeaderMalformed", err.Error())
	}
	s.at, err = time.Parse(timeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return signature{}, accessDenied("The request has no valid X-Amz-Date.")
	}
	if s.at.Format("20060102") != s.date {
		return signature{}, badRequest("AuthorizationHeaderMalformed", "The date of the credential is not that of the request.")
	}
	return s, nil
}

// parseClaim parses
// "AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders=<a;b>, Signature=<hex>".
func parseClaim(header string) (signature, error) {
	rest, found := strings.CutPrefix(header, algorithm+" ")
	if !found {
		return signature{}, fmt.Errorf("the algorithm is not %s", algorithm)
	}
	fields := make(map[string]string, 3)
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if _, twice := fields[name]; twice {
			return signature{}, fmt.Errorf("%q is there twice", name)
		}
		fields[name] = value
	}
	s, err := parseScope(fields["Credential"])
	if err != nil {
		return signature{}, err
	}
	s.signature, err = hex.DecodeString(fields["Signature"])
	if err != nil || len(s.signature) != 32 {
		return signature{}, fmt.Errorf("the signature is not 64 hexadecimal digits")
	}
	s.signedHeaders = strings.Split(fields["SignedHeaders"], ";")
	return s, nil
}

func parseScope(credential string) (signature, error) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[0] == "" || parts[3] != "s3" || parts[4] != "aws4_request" {
		return signature{}, fmt.Errorf("the credential is not <access key>/<date>/<region>/s3/aws4_request")
	}
	return signature{accessKey: parts[0], date: parts[1], region: parts[2]}, nil
}

// claimedAccessKey is the access key in a request's header, for the log; it
// may be anybody's.
func claimedAccessKey(r *http.Request) string {
	s, err := parseClaim(r.Header.Get("Authorization"))
	if err != nil {
		return ""
	}
	return s.accessKey
}

// verify recomputes the signature over exactly the headers that were signed.
func (s signature) verify(r *http.Request, secret string, now time.Time) error {
	if skew := now.Sub(s.at).Abs(); skew > maxSkew {
		return fault{http.StatusForbidden, "RequestTimeTooSkewed", "The request's time is too far from the server's."}
	}
	if err := s.coversEnough(r); err != nil {
		return err
	}
	again := s.unsignedCopy(r)
	credentials := aws.Credentials{AccessKeyID: s.accessKey, SecretAccessKey: secret}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err := signer.SignHTTP(r.Context(), credentials, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", s.region, s.at)
	if err != nil {
		return fmt.Errorf("recompute signature: %w", err)
	}
	want, err := parseClaim(again.Header.Get("Authorization"))
	if err != nil {
		return fmt.Errorf("recompute signature: %w", err)
	}
	if !hmac.Equal(want.signature, s.signature) {
		return signatureMismatch("The signature is not the one computed from the request and the account's secret.")
	}
	return nil
}

// coversEnough demands, as S3 does, that host and every x-amz- header are
// signed, the payload's digest and the date among them.
func (s signature) coversEnough(r *http.Request) error {
	if r.Header.Get("X-Amz-Content-Sha256") == "" {
		return badRequest("InvalidRequest", "The header x-amz-content-sha256 is missing.")
	}
	required := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			required = append(required, lower)
		}
	}
	for _, name := range required {
		if !slices.Contains(s.signedHeaders, name) {
			return accessDenied("There are headers in the request which are not signed: " + name)
		}
	}
	return nil
}

// unsignedCopy is the request reduced to what its signature covers.
func (s signature) unsignedCopy(r *http.Request) *http.Request {
	location := &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	again := &http.Request{Method: r.Method, URL: location, Host: r.Host, Header: http.Header{}}
	for _, name := range s.signedHeaders {
		switch name {
		case "host": // always signed, from the Host field
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			if values := r.Header.Values(name); len(values) > 0 {
				again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
			}
		}
	}
	return again
}
