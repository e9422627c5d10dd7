// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// Options say which bucket to open, and how.
type Options struct {
	Bucket    string
	PutConfig string                   // cluster_fallback_export_s3_config; see [CheckPutConfig]
	Getenv    func(name string) string // the environment; os.Getenv outside tests
}

// Open opens a bucket. It sends no request. The environment is read as Kong
// documents it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY with an optional
// AWS_SESSION_TOKEN (without them the machine's role, on AWS only), AWS_REGION or
// AWS_DEFAULT_REGION (default us-east-1), and AWS_CONFIG_STORAGE_ENDPOINT, the URL
// of an S3-compatible store, which is then addressed in path style. The
// certificate of an https endpoint is verified against the system's roots.
func Open(options Options) (*Bucket, error) {
	b := &Bucket{name: options.Bucket, transport: newTransport()}
	var err error
	if b.put, err = parsePutConfig(options.PutConfig); err != nil {
		return nil, err
	}
	endpoint, client, err := clientOptions(options.Getenv)
	if err != nil {
		return nil, err
	}
	client.Transport = headerKeeper{next: b.transport}
	if b.core, err = minio.NewCore(endpoint, client); err != nil {
		return nil, err
	}
	return b, nil
}

// CheckPutConfig checks a cluster_fallback_export_s3_config, which is added to
// every upload: a JSON object with any of ServerSideEncryption ("AES256" or
// "aws:kms"), SSEKMSKeyId and StorageClass. Other keys are refused, since they
// would silently have no effect. An empty text asks for nothing.
func CheckPutConfig(text string) error {
	_, err := parsePutConfig(text)
	return err
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

// putConfig is a parsed cluster_fallback_export_s3_config.
type putConfig struct {
	ServerSideEncryption string `json:"ServerSideEncryption"`
	SSEKMSKeyID          string `json:"SSEKMSKeyId"`
	StorageClass         string `json:"StorageClass"`

	encryption encrypt.ServerSide
}

func parsePutConfig(text string) (putConfig, error) {
	var config putConfig
	if text == "" {
		return config, nil
	}
	if err := decodeStrict([]byte(text), &config); err != nil {
		return putConfig{}, fmt.Errorf("cluster_fallback_export_s3_config: not a JSON object of known settings: %w", err)
	}
	switch config.ServerSideEncryption {
	case "":
	case "AES256":
		config.encryption = encrypt.NewSSE()
	case "aws:kms":
		sse, err := encrypt.NewSSEKMS(config.SSEKMSKeyID, nil)
		if err != nil {
			return putConfig{}, fmt.Errorf("cluster_fallback_export_s3_config: SSEKMSKeyId: %w", err)
		}
		config.encryption = sse
	default:
		return putConfig{}, fmt.Errorf("cluster_fallback_export_s3_config: unknown ServerSideEncryption %q; use AES256 or aws:kms", config.ServerSideEncryption)
	}
	if config.SSEKMSKeyID != "" && config.ServerSideEncryption != "aws:kms" {
		return putConfig{}, errors.New(`cluster_fallback_export_s3_config: SSEKMSKeyId has no effect without "ServerSideEncryption": "aws:kms"`)
	}
	return config, nil
}

func (c putConfig) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ServerSideEncryption: c.encryption, StorageClass: c.StorageClass}
}

// check compares the store's answer with the encryption that was asked for:
// stores that know none accept the request and store the object in clear.
func (c putConfig) check(answer http.Header) error {
	if c.ServerSideEncryption == "" {
		return nil
	}
	if got := answer.Get("X-Amz-Server-Side-Encryption"); got != c.ServerSideEncryption {
		return fmt.Errorf("%w: asked for %q, the store answered %q", bucket.ErrNotEncrypted, c.ServerSideEncryption, got)
	}
	return nil
}

// decodeStrict decodes one JSON object with known keys and nothing after it.
func decodeStrict(data []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return errors.New("it is not a JSON object")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}
