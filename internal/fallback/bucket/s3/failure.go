// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7"
)

// cause is what a store's error code means here.
type cause struct {
	kind   error
	advice string // what to do; empty where the kind says it
}

const setConfig = "correct cluster_fallback_export_s3_config"

// causes are the codes whose HTTP status says too little, or that tell what to do.
var causes = map[string]cause{
	"NoSuchBucket": {bucket.ErrNotFound, "create the bucket, or correct its name in cluster_fallback_config_storage"},
	"NoSuchKey":    {bucket.ErrNotFound, ""},

	"AccessDenied":          {bucket.ErrDenied, "give the node's credentials the right to it"},
	"AllAccessDisabled":     {bucket.ErrDenied, "the bucket or its account is disabled"},
	"AccountProblem":        {bucket.ErrDenied, "the store's account has a problem; ask the store's operator"},
	"InvalidAccessKeyId":    {bucket.ErrDenied, "the store does not know the access key; correct AWS_ACCESS_KEY_ID"},
	"SignatureDoesNotMatch": {bucket.ErrDenied, "correct AWS_SECRET_ACCESS_KEY; if it is right, see whether a proxy alters requests on their way"},

	"ConditionalRequestConflict": {bucket.ErrConflict, ""},
	"OperationAborted":           {bucket.ErrUnavailable, "another operation on the bucket is in progress"},
	"SlowDown":                   {bucket.ErrUnavailable, "too many requests"},
	"RequestTimeout":             {bucket.ErrUnavailable, "the body came too slowly"},
	"XMinioStorageFull":          {bucket.ErrUnavailable, "the store is full; free space there"},

	"InvalidObjectState":         {bucket.ErrRefused, "the object is in an archive; restore it, and choose a StorageClass that can be read at once"},
	"InvalidStorageClass":        {bucket.ErrRefused, setConfig},
	"InvalidTag":                 {bucket.ErrRefused, setConfig},
	"InvalidEncryptionAlgorithm": {bucket.ErrRefused, setConfig},
	"NotImplemented":             {bucket.ErrRefused, "the store lacks a feature that the request asks for: a setting of the bucket, one of cluster_fallback_export_s3_config, or conditional writes"},
	"KMSNotConfigured":           {bucket.ErrRefused, "the store has no keys; configure its KMS, or ask for no encryption in cluster_fallback_export_s3_config"},
	"BadDigest":                  {bucket.ErrUnavailable, "the body was damaged on its way"},
	"InvalidDigest":              {bucket.ErrUnavailable, "the body was damaged on its way"},
	"XAmzContentSHA256Mismatch":  {bucket.ErrUnavailable, "the body was damaged on its way"},
	"IncompleteBody":             {bucket.ErrUnavailable, "the body did not arrive whole"},
}

// badToken are the codes of a session token that has expired, or is not valid.
var badToken = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "TokenRefreshRequired": true, "InvalidToken": true, "InvalidTokenId": true,
}

// elsewhere are the codes of a bucket in another region.
var elsewhere = map[string]bool{
	"PermanentRedirect": true, "TemporaryRedirect": true, "Redirect": true, "AuthorizationHeaderMalformed": true,
	"InvalidRegion": true, "IllegalLocationConstraintException": true,
}

// failure says in one line what failed on which object, why and what to do, and
// makes the store's answer one of package bucket's errors. The context is that of the
// request, from observed.
func (b *Bucket) failure(ctx context.Context, operation, key string, err error) error {
	return fmt.Errorf("%s s3://%s/%s: %w", operation, b.name, key, b.classify(ctx, err))
}

func (b *Bucket) classify(ctx context.Context, err error) error {
	for _, known := range []error{bucket.ErrTooLarge, bucket.ErrIncomplete, bucket.ErrNotEncrypted, bucket.ErrConflict} {
		if errors.Is(err, known) {
			return err
		}
	}
	// A time-out of the client's own looks like the context's.
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		return err
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return b.unanswered(err)
	}
	if badToken[answer.Code] {
		b.credentials.Expire() // a role is asked for new ones with the next request
	}
	headers := answerOf(ctx)
	summary := fmt.Sprintf("%s (status %d)", orText(oneLine(answer.Code), "no code"), answer.StatusCode)
	if message := oneLine(answer.Message); message != "" && !fromStatus(answer) {
		summary += ": " + strings.TrimSuffix(message, ".")
	}
	found := b.causeOf(answer, headers)
	if found.advice != "" {
		summary += "; " + found.advice
	}
	if after, asked := bucket.RetryAfter(headers, time.Now()); asked && errors.Is(found.kind, bucket.ErrUnavailable) {
		return fmt.Errorf("%w: %s; %w", found.kind, summary, bucket.BusyError{After: after})
	}
	return fmt.Errorf("%w: %s", found.kind, summary)
}

// fromStatus tells an answer that minio-go made from a body that is not S3's, which
// a proxy wrote: such a body may repeat the request's headers.
func fromStatus(answer minio.ErrorResponse) bool {
	return strings.HasPrefix(answer.Code, strconv.Itoa(answer.StatusCode))
}

func (b *Bucket) causeOf(answer minio.ErrorResponse, headers http.Header) cause {
	if known, ok := causes[answer.Code]; ok {
		return known
	}
	status := answer.StatusCode
	switch {
	case badToken[answer.Code] && b.static:
		return cause{bucket.ErrDenied, "AWS_SESSION_TOKEN has expired or is not valid; start the node with new credentials"}
	case badToken[answer.Code]:
		return cause{bucket.ErrDenied, "the credentials of the node's role have expired or are not valid; new ones are asked for with the next request"}
	case answer.Code == "RequestTimeTooSkewed":
		return cause{bucket.ErrDenied, skewAdvice(headers, time.Now())}
	case elsewhere[answer.Code] || status/100 == 3:
		return cause{bucket.ErrRefused, b.regionAdvice(answer.Region)}
	case strings.HasPrefix(strings.ToLower(answer.Code), "kms"): // AWS: KMS.…, MinIO: kms:…
		return cause{bucket.ErrRefused, "see whether the key SSEKMSKeyId of cluster_fallback_export_s3_config exists, is enabled, and may be used by the node"}
	case strings.Contains(answer.Message, "HTTP request to an HTTPS server"):
		return cause{bucket.ErrRefused, "the store speaks https: write https:// in AWS_CONFIG_STORAGE_ENDPOINT"}
	case status == http.StatusNotFound:
		return cause{bucket.ErrNotFound, ""}
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return cause{bucket.ErrConflict, ""}
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return cause{bucket.ErrDenied, "check the node's credentials and its rights on the bucket"}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return cause{bucket.ErrUnavailable, ""}
	case status == http.StatusNotImplemented:
		return causes["NotImplemented"]
	case status/100 == 4:
		return cause{bucket.ErrRefused, "check cluster_fallback_export_s3_config, the node's credentials, AWS_REGION and its clock"}
	}
	return cause{bucket.ErrUnavailable, ""}
}

func (b *Bucket) regionAdvice(region string) string {
	if region = oneLine(region); region != "" {
		return fmt.Sprintf("the bucket is in region %s, the request was for %s: set AWS_REGION=%s", region, b.region, region)
	}
	return fmt.Sprintf("the bucket is not in region %s: set AWS_REGION to its region", b.region)
}

// skewAdvice compares the clocks as far as the answer's date tells of the store's.
func skewAdvice(headers http.Header, now time.Time) string {
	const advice = "; synchronise it, for instance by NTP"
	at, err := http.ParseTime(headers.Get("Date"))
	off := now.Sub(at).Round(time.Second)
	switch {
	case err != nil || off.Abs() < time.Minute:
		return "this machine's clock and the store's differ by more than the store allows" + advice
	case off > 0:
		return fmt.Sprintf("this machine's clock is %s ahead of the store's%s", off, advice)
	}
	return fmt.Sprintf("this machine's clock is %s behind the store's%s", off.Abs(), advice)
}

// unanswered is an error of a request that got no answer.
func (b *Bucket) unanswered(err error) error {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return fmt.Errorf("%w: %w", bucket.ErrUnavailable, err)
	}
	told := withoutPath(err)
	if _, ok := errors.AsType[*url.Error](err); !ok {
		told = fmt.Errorf("%s: %w", origin(b.core.EndpointURL()), err)
	}
	if advice := transportAdvice(err); advice != "" {
		return fmt.Errorf("%w: %w; %s", bucket.ErrUnavailable, told, advice)
	}
	return fmt.Errorf("%w: %w", bucket.ErrUnavailable, told)
}

// withoutPath is an error of the HTTP client that tells of the URL only who was asked:
// what follows may be secret, as the path of a container agent is.
func withoutPath(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	asked, parseErr := url.Parse(failed.URL)
	if parseErr != nil {
		return failed.Err
	}
	return fmt.Errorf("%s: %w", origin(asked), failed.Err)
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func transportAdvice(err error) string {
	if way, ok := errors.AsType[*net.OpError](err); ok && way.Op == "proxyconnect" {
		return "the proxy of HTTP_PROXY or HTTPS_PROXY is not reached: correct it, or name the store in NO_PROXY"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "if the store's CA is a private one, name its file by AWS_CA_BUNDLE or SSL_CERT_FILE"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "use a name of the certificate in AWS_CONFIG_STORAGE_ENDPOINT, or give the store a certificate for its name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "renew the store's certificate; if it is valid, set this machine's clock"
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
		return "check AWS_CONFIG_STORAGE_ENDPOINT, AWS_REGION and the machine's name servers"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens there: check AWS_CONFIG_STORAGE_ENDPOINT, and whether the store runs"
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the store speaks http: write http:// in AWS_CONFIG_STORAGE_ENDPOINT, or give it a certificate"
	}
	return ""
}

// oneLine makes a text from outside fit to print: one line of at most 200
// characters.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return text
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// answerKey is the context key under which a call asks for the answer's headers,
// which minio-go does not return.
type answerKey struct{}

// observed is a context whose request leaves its answer's headers behind, for
// answerOf.
func observed(ctx context.Context) context.Context {
	return context.WithValue(ctx, answerKey{}, new(http.Header))
}

func answerOf(ctx context.Context) http.Header {
	if answer, ok := ctx.Value(answerKey{}).(*http.Header); ok {
		return *answer
	}
	return nil
}

// headerKeeper is a transport that hands out the headers of an answer.
type headerKeeper struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
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
