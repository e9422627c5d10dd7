// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// Option changes how a store is opened.
type Option func(*s3Config) error

// WithS3Config adds cluster_fallback_export_s3_config to every upload: a JSON
// object with any of ServerSideEncryption ("AES256" or "aws:kms"), SSEKMSKeyId
// and StorageClass. Other keys are refused, since they would silently have no
// effect. An empty text changes nothing.
func WithS3Config(text string) Option {
	return func(c *s3Config) error {
		if text == "" {
			return nil
		}
		parsed, err := parseS3Config(text)
		if err != nil {
			return fmt.Errorf("cluster_fallback_export_s3_config: %w", err)
		}
		*c = parsed
		return nil
	}
}

// Open opens the bucket of an s3:// storage URL. It sends no request. The
// environment is read as Kong documents it: AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY with an optional AWS_SESSION_TOKEN (without them the
// machine's role, on AWS only), AWS_REGION or AWS_DEFAULT_REGION (default
// us-east-1), and AWS_CONFIG_STORAGE_ENDPOINT, the URL of an S3-compatible
// store, which is then addressed in path style. The certificate of an https
// endpoint is verified against the system's roots.
func Open(_ context.Context, storage string, getenv func(string) string, options ...Option) (Store, error) {
	location, err := ParseLocation(storage)
	if err != nil {
		return nil, fmt.Errorf("open fallback storage: %w", err)
	}
	store := &s3Store{bucket: location.Bucket, transport: newTransport()}
	for _, option := range options {
		if err := option(&store.put); err != nil {
			return nil, fmt.Errorf("open fallback storage: %w", err)
		}
	}
	endpoint, client, err := clientOptions(getenv)
	if err != nil {
		return nil, fmt.Errorf("open fallback storage: %w", err)
	}
	client.Transport = headerKeeper{next: store.transport}
	store.core, err = minio.NewCore(endpoint, client)
	if err != nil {
		return nil, fmt.Errorf("open fallback storage: %w", err)
	}
	return store, nil
}

func clientOptions(getenv func(string) string) (string, *minio.Options, error) {
	options := &minio.Options{
		Secure:     true,
		Region:     firstNonEmpty(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		MaxRetries: 1, // one request per call; 0 would mean ten
	}
	host := "s3.amazonaws.com"
	endpoint := getenv("AWS_CONFIG_STORAGE_ENDPOINT")
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") {
			return "", nil, errors.New("AWS_CONFIG_STORAGE_ENDPOINT is not a store's URL; write http(s)://<host>:<port>")
		}
		host, options.Secure, options.BucketLookup = u.Host, u.Scheme == "https", minio.BucketLookupPath
	}
	var err error
	options.Creds, err = accessCredentials(getenv, endpoint != "")
	return host, options, err
}

func accessCredentials(getenv func(string) string, customEndpoint bool) (*credentials.Credentials, error) {
	access, secret := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
	switch {
	case access != "" && secret != "":
		return credentials.NewStaticV4(access, secret, getenv("AWS_SESSION_TOKEN")), nil
	case access != "" || secret != "":
		return nil, errors.New("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both")
	case customEndpoint:
		return nil, errors.New("AWS_CONFIG_STORAGE_ENDPOINT is set without credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return credentials.NewIAM(""), nil
}

// newTransport makes a connection per request: requests are rare, and a kept
// connection that died in an outage would cost the only attempt. Transparent
// decompression would hide the object's real length.
func newTransport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = 30 * time.Second
	return transport
}

func firstNonEmpty(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// s3Config is a parsed cluster_fallback_export_s3_config.
type s3Config struct {
	ServerSideEncryption string `json:"ServerSideEncryption"`
	SSEKMSKeyID          string `json:"SSEKMSKeyId"`
	StorageClass         string `json:"StorageClass"`

	encryption encrypt.ServerSide
}

func parseS3Config(text string) (s3Config, error) {
	var config s3Config
	if err := decodeStrict([]byte(text), &config); err != nil {
		return s3Config{}, fmt.Errorf("not a JSON object of known settings: %w", err)
	}
	switch config.ServerSideEncryption {
	case "":
	case "AES256":
		config.encryption = encrypt.NewSSE()
	case "aws:kms":
		sse, err := encrypt.NewSSEKMS(config.SSEKMSKeyID, nil)
		if err != nil {
			return s3Config{}, fmt.Errorf("SSEKMSKeyId: %w", err)
		}
		config.encryption = sse
	default:
		return s3Config{}, fmt.Errorf("unknown ServerSideEncryption %q; use AES256 or aws:kms", config.ServerSideEncryption)
	}
	if config.SSEKMSKeyID != "" && config.ServerSideEncryption != "aws:kms" {
		return s3Config{}, errors.New(`SSEKMSKeyId has no effect without "ServerSideEncryption": "aws:kms"`)
	}
	return config, nil
}

func (c s3Config) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ServerSideEncryption: c.encryption, StorageClass: c.StorageClass}
}

// check compares the store's answer with the encryption that was asked for:
// stores that know none accept the request and store the object in clear.
func (c s3Config) check(answer http.Header) error {
	if c.ServerSideEncryption == "" {
		return nil
	}
	if got := answer.Get("X-Amz-Server-Side-Encryption"); got != c.ServerSideEncryption {
		return fmt.Errorf("%w: asked for %q, the store answered %q", ErrNotEncrypted, c.ServerSideEncryption, got)
	}
	return nil
}

// decodeStrict decodes one JSON object with known keys and nothing after it.
func decodeStrict(data []byte, into any) error {
	if err := requireObject(data); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
