// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Options say which bucket to open, and how.
type Options struct {
	Bucket    string
	PutConfig string                   // cluster_fallback_export_s3_config; see [CheckPutConfig]
	Getenv    func(name string) string // the environment; os.Getenv outside tests
}

// Open opens a bucket. It sends no request. The environment is read as Kong and the
// AWS SDKs document it:
//
//   - AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN for
//     temporary ones. Without them the role is used that AWS_WEB_IDENTITY_TOKEN_FILE
//     and AWS_ROLE_ARN name, else the one of the container's agent
//     (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), else the instance's. The
//     instance metadata service is asked only where the store is AWS itself, and
//     waited for two seconds in all.
//   - AWS_REGION, else AWS_DEFAULT_REGION, else the region of the endpoint, if that is
//     AWS's, else us-east-1. AWS is reached by s3.<region>.amazonaws.com, or, with
//     AWS_USE_DUALSTACK_ENDPOINT=true, by the name that has IPv6 addresses too.
//   - AWS_CONFIG_STORAGE_ENDPOINT, the http or https URL of an S3-compatible store,
//     which is then addressed in path style.
//   - AWS_CA_BUNDLE, a file of the PEM certificates of those CAs that are trusted
//     instead of the system's. Go's own SSL_CERT_FILE and SSL_CERT_DIR replace the
//     system's too, for the whole process.
func Open(options Options) (*Bucket, error) {
	b := &Bucket{name: options.Bucket}
	var err error
	if b.put, err = parsePutConfig(options.PutConfig); err != nil {
		return nil, err
	}
	if b.transport, err = newTransport(options.Getenv("AWS_CA_BUNDLE")); err != nil {
		return nil, err
	}
	endpoint, client, err := clientOptions(options.Getenv("AWS_CONFIG_STORAGE_ENDPOINT"))
	if err != nil {
		return nil, err
	}
	// minio-go reaches AWS by the region's host, whichever of AWS's was asked for.
	b.region = region(options.Getenv, s3utils.GetRegionFromURL(url.URL{Host: endpoint}))
	b.credentials, b.static, err = accessCredentials(options.Getenv, isAWS(endpoint), b.transport)
	if err != nil {
		return nil, err
	}
	client.Creds, client.Region, client.Transport = b.credentials, b.region, headerKeeper{next: asker{next: b.transport}}
	if b.core, err = minio.NewCore(endpoint, client); err != nil {
		return nil, err
	}
	// minio-go's default would be the names with "dualstack", which private endpoints
	// and lists of allowed hosts mostly lack.
	b.core.SetS3EnableDualstack(strings.EqualFold(options.Getenv("AWS_USE_DUALSTACK_ENDPOINT"), "true"))
	return b, nil
}

// region is that of the environment, else the given one, which may be empty.
func region(getenv func(string) string, otherwise string) string {
	return cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), otherwise, "us-east-1")
}

func clientOptions(endpoint string) (host string, options *minio.Options, err error) {
	options = &minio.Options{
		Secure:     true,
		MaxRetries: 1, // one request per call; 0 would mean ten
	}
	if endpoint == "" {
		return "s3.amazonaws.com", options, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") {
		return "", nil, errors.New("AWS_CONFIG_STORAGE_ENDPOINT is not a store's URL; write http(s)://<host>:<port>")
	}
	options.Secure, options.BucketLookup = u.Scheme == "https", minio.BucketLookupPath
	return u.Host, options, nil
}

// isAWS says whether a host with or without a port is AWS's own, be it by an endpoint
// in a private network.
func isAWS(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	return strings.HasSuffix(name, ".amazonaws.com") || strings.HasSuffix(name, ".amazonaws.com.cn")
}

// asker asks the store whether it wants a large body before that is sent. A store that
// denies it answers at once and closes the connection: who is still sending may see
// nothing but that.
type asker struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a asker) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.ContentLength < large {
		return a.next.RoundTrip(request)
	}
	asking, body := request.Clone(request.Context()), &unread{ReadCloser: request.Body}
	asking.Header.Set("Expect", "100-continue")
	asking.Body = body
	response, err := a.next.RoundTrip(asking)
	if err != nil || response.StatusCode != http.StatusExpectationFailed || body.begun.Load() {
		return response, err
	}
	// Something on the way cannot be asked. Nothing was sent yet.
	_ = response.Body.Close() // it says no more
	return a.next.RoundTrip(request)
}

// unread is a body that tells whether reading it has begun. It can be used again as long
// as that is not so.
type unread struct {
	io.ReadCloser
	begun atomic.Bool
}

// Read implements io.Reader.
func (u *unread) Read(p []byte) (int, error) {
	u.begun.Store(true)
	return u.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (u *unread) Close() error {
	if !u.begun.Load() {
		return nil
	}
	return u.ReadCloser.Close()
}

// newTransport makes a connection per request: requests are rare, and a kept
// connection that died in an outage would cost the only attempt. HTTP/2 would put
// those that are under way at the same time on one connection, which ends with the
// first of them. Transparent decompression would hide the object's real length.
func newTransport(caBundle string) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12} // one that was cloned may offer HTTP/2
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = 30 * time.Second
	if caBundle == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(caBundle)
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %s holds no certificate in PEM", caBundle)
	}
	transport.TLSClientConfig.RootCAs = roots
	return transport, nil
}
